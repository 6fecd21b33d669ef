/* Arguments and environment. */
#include "wasi/ctx.h"
#include "wasi/errno.h"
#include "wasi/functions.h"
#include "wasi/guest.h"

static uint32_t sizes_get(struct lucet_vmctx *vmctx, const struct wasi_strings *s,
                          uint32_t count_out, uint32_t size_out)
{
    void *count = wasi_guest(vmctx, count_out, 4);
    void *size = wasi_guest(vmctx, size_out, 4);
    if (count == NULL || size == NULL) {
        return WASI_EFAULT;
    }
    wasi_put32(count, (uint32_t)s->count);
    wasi_put32(size, (uint32_t)s->bytes);
    return WASI_OK;
}

/* The strings one after the other at `buf`, and a pointer to each at `pointers`. */
static uint32_t get(struct lucet_vmctx *vmctx, const struct wasi_strings *s, uint32_t pointers,
                    uint32_t buf)
{
    unsigned char *list = wasi_guest(vmctx, pointers, (uint64_t)s->count * 4);
    unsigned char *bytes = wasi_guest(vmctx, buf, s->bytes);
    if (list == NULL || bytes == NULL) {
        return WASI_EFAULT;
    }
    uint32_t at = 0;
    for (size_t i = 0; i < s->count; i++) {
        size_t size = strlen(s->item[i]) + 1;
        wasi_put32(list + i * 4, buf + at);
        memcpy(bytes + at, s->item[i], size);
        at += (uint32_t)size;
    }
    return WASI_OK;
}

uint32_t lucet_wasi_args_sizes_get(struct lucet_vmctx *vmctx, uint32_t argc_out, uint32_t size_out)
{
    return sizes_get(vmctx, &wasi_ctx(vmctx)->process->args, argc_out, size_out);
}

uint32_t lucet_wasi_args_get(struct lucet_vmctx *vmctx, uint32_t argv, uint32_t buf)
{
    return get(vmctx, &wasi_ctx(vmctx)->process->args, argv, buf);
}

uint32_t lucet_wasi_environ_sizes_get(struct lucet_vmctx *vmctx, uint32_t count_out,
                                      uint32_t size_out)
{
    return sizes_get(vmctx, &wasi_ctx(vmctx)->process->environment, count_out, size_out);
}

uint32_t lucet_wasi_environ_get(struct lucet_vmctx *vmctx, uint32_t environ_ptr, uint32_t buf)
{
    return get(vmctx, &wasi_ctx(vmctx)->process->environment, environ_ptr, buf);
}
