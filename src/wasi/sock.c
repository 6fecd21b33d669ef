/* Sockets: preview 1 cannot make any, and none are handed in as such. Known, so that programs link;
 * refused, so that they learn. */
#include "wasi/errno.h"
#include "wasi/functions.h"

uint32_t lucet_wasi_sock_accept(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t flags,
                                uint32_t out)
{
    (void)vmctx, (void)fd, (void)flags, (void)out;
    return WASI_ENOSYS;
}

uint32_t lucet_wasi_sock_recv(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t iovs, uint32_t count,
                              uint32_t flags, uint32_t size_out, uint32_t flags_out)
{
    (void)vmctx, (void)fd, (void)iovs, (void)count, (void)flags, (void)size_out, (void)flags_out;
    return WASI_ENOSYS;
}

uint32_t lucet_wasi_sock_send(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t iovs, uint32_t count,
                              uint32_t flags, uint32_t out)
{
    (void)vmctx, (void)fd, (void)iovs, (void)count, (void)flags, (void)out;
    return WASI_ENOSYS;
}

uint32_t lucet_wasi_sock_shutdown(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t how)
{
    (void)vmctx, (void)fd, (void)how;
    return WASI_ENOSYS;
}
