/* What guests may call (guests/http.h). Each pointer of a guest is a number until
 * lucet_vmctx_guest_range() has judged it; each byte that goes into a header or into the log may
 * have been chosen to be read as something else there. */
#include "ngx_http_lucet.h"

enum { METHOD, PATH, QUERY, BODY, PARTS };

static ngx_http_lucet_ctx_t *ngx_http_lucet_ctx(struct lucet_vmctx *vmctx)
{
    return lucet_vmctx_get_delegate(vmctx);
}

static u_char *ngx_http_lucet_range(struct lucet_vmctx *vmctx, uint32_t at, uint32_t size)
{
    void *bytes = lucet_vmctx_guest_range(vmctx, at, size);

    if (!bytes)
        lucet_vmctx_trap(vmctx, lucet_trapcode_heap_out_of_bounds);
    return bytes;
}

/* An answer must not take more memory than the location allows. */
static void ngx_http_lucet_spend(struct lucet_vmctx *vmctx, size_t size)
{
    ngx_http_lucet_ctx_t *ctx = ngx_http_lucet_ctx(vmctx);

    if (size > ctx->conf->response_size - ctx->spent) {
        ctx->too_large = 1;
        lucet_vmctx_terminate(vmctx, NULL);
    }
    ctx->spent += size;
}

/* Returns only with what was asked for. */
static void *ngx_http_lucet_got(struct lucet_vmctx *vmctx, void *memory)
{
    if (!memory) {
        ngx_http_lucet_ctx(vmctx)->no_memory = 1;
        lucet_vmctx_terminate(vmctx, NULL);
    }
    return memory;
}

static uint32_t http_request(struct lucet_vmctx *vmctx, uint32_t part, uint32_t offset, uint32_t to,
                             uint32_t size)
{
    const ngx_http_lucet_ctx_t *ctx = ngx_http_lucet_ctx(vmctx);
    const ngx_http_request_t *r = ctx->request;
    const ngx_str_t *const parts[PARTS] = {
        [METHOD] = &r->method_name,
        [PATH] = &r->uri,
        [QUERY] = &r->args,
        [BODY] = &ctx->body,
    };
    u_char *bytes = ngx_http_lucet_range(vmctx, to, size);

    if (part >= PARTS)
        return 0;
    if (offset < parts[part]->len)
        ngx_memcpy(bytes, parts[part]->data + offset, ngx_min(size, parts[part]->len - offset));
    return (uint32_t)parts[part]->len;
}

static uint32_t http_request_header(struct lucet_vmctx *vmctx, uint32_t name, uint32_t name_size,
                                    uint32_t to, uint32_t size)
{
    const ngx_http_lucet_ctx_t *ctx = ngx_http_lucet_ctx(vmctx);
    u_char *wanted = ngx_http_lucet_range(vmctx, name, name_size);
    u_char *bytes = ngx_http_lucet_range(vmctx, to, size);

    for (ngx_list_part_t *p = &ctx->request->headers_in.headers.part; p; p = p->next) {
        const ngx_table_elt_t *headers = p->elts;
        for (ngx_uint_t i = 0; i < p->nelts; i++) {
            const ngx_str_t *key = &headers[i].key, *value = &headers[i].value;
            if (key->len != name_size || ngx_strncasecmp(key->data, wanted, name_size) != 0)
                continue;
            ngx_memcpy(bytes, value->data, ngx_min(size, value->len));
            return (uint32_t)value->len;
        }
    }
    return UINT32_MAX;
}

static uint32_t http_status(struct lucet_vmctx *vmctx, uint32_t status)
{
    if (status < 200 || status > 599)
        return UINT32_MAX;
    ngx_http_lucet_ctx(vmctx)->status = status;
    return 0;
}

static bool ngx_http_lucet_is_name(const u_char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const u_char c = bytes[i] | 0x20;
        const bool letter = (c >= 'a' && c <= 'z') || (bytes[i] >= '0' && bytes[i] <= '9');
        if (!letter && (bytes[i] == '\0' || !strchr("!#$%&'*+-.^_`|~", bytes[i])))
            return false;
    }
    return size > 0;
}

static bool ngx_http_lucet_is_value(const u_char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((bytes[i] < 0x20 && bytes[i] != '\t') || bytes[i] == 0x7f)
            return false;
    return true;
}

static bool ngx_http_lucet_is_ours(const u_char *name, size_t size)
{
    static const ngx_str_t ours[] = {
        ngx_string("connection"), ngx_string("proxy-connection"),  ngx_string("content-length"),
        ngx_string("date"),       ngx_string("keep-alive"),        ngx_string("server"),
        ngx_string("te"),         ngx_string("transfer-encoding"), ngx_string("trailer"),
        ngx_string("upgrade"),
    };

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (ours[i].len == size && ngx_strncasecmp(ours[i].data, (u_char *)name, size) == 0)
            return true;
    return false;
}

/* A copy in the request's pool: the guest's memory is gone when the answer is sent. */
static ngx_str_t ngx_http_lucet_copy(struct lucet_vmctx *vmctx, const u_char *bytes, size_t size)
{
    ngx_pool_t *pool = ngx_http_lucet_ctx(vmctx)->request->pool;
    ngx_str_t copy = {size, ngx_http_lucet_got(vmctx, ngx_pnalloc(pool, size + 1))};

    *ngx_cpymem(copy.data, bytes, size) = '\0';
    return copy;
}

static uint32_t http_response_header(struct lucet_vmctx *vmctx, uint32_t name, uint32_t name_size,
                                     uint32_t value, uint32_t value_size)
{
    ngx_http_lucet_ctx_t *ctx = ngx_http_lucet_ctx(vmctx);
    const u_char *key = ngx_http_lucet_range(vmctx, name, name_size);
    const u_char *bytes = ngx_http_lucet_range(vmctx, value, value_size);

    if (!ngx_http_lucet_is_name(key, name_size) || !ngx_http_lucet_is_value(bytes, value_size) ||
        ngx_http_lucet_is_ours(key, name_size))
        return UINT32_MAX;
    ngx_http_lucet_spend(vmctx, sizeof(ngx_table_elt_t) + name_size + 1 + value_size + 1);
    const ngx_str_t text = ngx_http_lucet_copy(vmctx, bytes, value_size);
    if (name_size == 12 && ngx_strncasecmp((u_char *)key, (u_char *)"content-type", 12) == 0) {
        ctx->content_type = text;
        return 0;
    }
    const ngx_str_t copy = ngx_http_lucet_copy(vmctx, key, name_size);
    ngx_table_elt_t *header = ngx_http_lucet_got(vmctx, ngx_list_push(&ctx->headers));
    *header = (ngx_table_elt_t){.hash = 1, .key = copy, .value = text};
    return 0;
}

static void http_write(struct lucet_vmctx *vmctx, uint32_t at, uint32_t size)
{
    ngx_http_lucet_ctx_t *ctx = ngx_http_lucet_ctx(vmctx);
    const u_char *bytes = ngx_http_lucet_range(vmctx, at, size);
    ngx_pool_t *pool = ctx->request->pool;

    if (size == 0)
        return; /* nginx has no empty buffers */
    ngx_http_lucet_spend(vmctx, sizeof(ngx_chain_t) + sizeof(ngx_buf_t) + size);
    ngx_chain_t *link = ngx_http_lucet_got(vmctx, ngx_alloc_chain_link(pool));
    link->buf = ngx_http_lucet_got(vmctx, ngx_create_temp_buf(pool, size));
    link->next = NULL;
    link->buf->last = ngx_cpymem(link->buf->pos, bytes, size);
    *ctx->last = link;
    ctx->last = &link->next;
    ctx->size += size;
}

static void http_log(struct lucet_vmctx *vmctx, uint32_t at, uint32_t size)
{
    ngx_http_lucet_ctx_t *ctx = ngx_http_lucet_ctx(vmctx);
    const u_char *bytes = ngx_http_lucet_range(vmctx, at, size);
    u_char line[NGX_HTTP_LUCET_MAX_LINE];
    const size_t n = ngx_min(size, sizeof line);

    if (ctx->lines++ >= NGX_HTTP_LUCET_MAX_LINES)
        return;
    for (size_t i = 0; i < n; i++)
        line[i] = bytes[i] < 0x20 || bytes[i] >= 0x7f ? '.' : bytes[i];
    ngx_log_error(NGX_LOG_INFO, ctx->request->connection->log, 0, "guest: %*s", n, line);
}

enum lucet_error ngx_http_lucet_linker(struct lucet_linker **linker)
{
    static const struct lucet_hostcall calls[] = {
        {"http_request", "iiii:i", (void (*)(void))http_request},
        {"http_request_header", "iiii:i", (void (*)(void))http_request_header},
        {"http_status", "i:i", (void (*)(void))http_status},
        {"http_response_header", "iiii:i", (void (*)(void))http_response_header},
        {"http_write", "ii:", (void (*)(void))http_write},
        {"http_log", "ii:", (void (*)(void))http_log},
    };
    const enum lucet_error error = lucet_linker_new(linker);

    if (error != lucet_error_ok)
        return error;
    return lucet_linker_hostcalls(*linker, calls, sizeof calls / sizeof calls[0]);
}
