/* A request: its body is read, then its guest runs, a slice at a time; between two slices nginx
 * does whatever else there is to do. What the guest has written is sent when it has returned. The
 * instance is gone before that, or when the client has gone away, in whatever state it is. */
#include "ngx_http_lucet.h"

static void ngx_http_lucet_turn(ngx_event_t *event);

/* Also as the request's clean-up. */
static void ngx_http_lucet_end(void *data)
{
    ngx_http_lucet_ctx_t *ctx = data;

    if (ctx->turn.posted) {
        ngx_delete_posted_event(&ctx->turn); /* a macro of several statements */
    }
    if (ctx->turn.timer_set)
        ngx_del_timer(&ctx->turn);
    lucet_instance_release(ctx->instance);
    ctx->instance = NULL;
}

/* ---- The request's body, in one piece ------------------------------------------------------- */

static ngx_int_t ngx_http_lucet_read(ngx_buf_t *buf, u_char **to)
{
    const off_t size = ngx_buf_size(buf);

    if (ngx_buf_in_memory(buf)) {
        *to = ngx_cpymem(*to, buf->pos, (size_t)size);
        return NGX_OK;
    }
    for (off_t at = 0; at < size;) {
        const ssize_t n = ngx_read_file(buf->file, *to, (size_t)(size - at), buf->file_pos + at);
        if (n <= 0)
            return NGX_ERROR;
        *to += n;
        at += n;
    }
    return NGX_OK;
}

static ngx_int_t ngx_http_lucet_body(ngx_http_lucet_ctx_t *ctx)
{
    const ngx_http_request_body_t *body = ctx->request->request_body;
    off_t size = 0;

    if (!body)
        return NGX_OK;
    for (const ngx_chain_t *link = body->bufs; link; link = link->next)
        size += ngx_buf_size(link->buf);
    if (size == 0)
        return NGX_OK;
    if (size > NGX_MAX_INT32_VALUE)
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    u_char *to = ngx_pnalloc(ctx->request->pool, (size_t)size);
    if (!to)
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    ctx->body = (ngx_str_t){(size_t)size, to};
    for (const ngx_chain_t *link = body->bufs; link; link = link->next)
        if (ngx_http_lucet_read(link->buf, &to) != NGX_OK)
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
    return NGX_OK;
}

/* ---- How it ends ---------------------------------------------------------------------------- */

static ngx_int_t ngx_http_lucet_headers(ngx_http_lucet_ctx_t *ctx)
{
    ngx_http_headers_out_t *out = &ctx->request->headers_out;

    for (ngx_list_part_t *p = &ctx->headers.part; p; p = p->next)
        for (ngx_uint_t i = 0; i < p->nelts; i++) {
            const ngx_table_elt_t *from = (ngx_table_elt_t *)p->elts + i;
            ngx_table_elt_t *to = ngx_list_push(&out->headers);
            if (!to)
                return NGX_ERROR;
            *to = *from;
            if (to->key.len == 16 &&
                ngx_strncasecmp(to->key.data, (u_char *)"content-encoding", 16) == 0)
                out->content_encoding = to; /* gzip leaves it alone then */
        }
    if (!ctx->content_type.data)
        return ngx_http_set_content_type(ctx->request);
    out->content_type = ctx->content_type;
    out->content_type_lowcase = NULL;
    const u_char *end = (u_char *)ngx_strchr(ctx->content_type.data, ';');
    out->content_type_len = end ? (size_t)(end - ctx->content_type.data) : ctx->content_type.len;
    return NGX_OK;
}

static ngx_int_t ngx_http_lucet_send(ngx_http_lucet_ctx_t *ctx)
{
    ngx_http_request_t *r = ctx->request;
    ngx_int_t rc;

    r->headers_out.status = ctx->status;
    r->headers_out.content_length_n = ctx->size;
    if (ngx_http_lucet_headers(ctx) != NGX_OK)
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    if (!ctx->out)
        r->header_only = 1;
    rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only)
        return rc;
    for (ngx_chain_t *link = ctx->out; link; link = link->next)
        if (!link->next) {
            link->buf->last_buf = r == r->main;
            link->buf->last_in_chain = 1;
        }
    return ngx_http_output_filter(r, ctx->out);
}

static void ngx_http_lucet_log_backtrace(ngx_log_t *log, const struct lucet_runtime_fault *fault)
{
    for (size_t i = 0; i < fault->backtrace_len; i++) {
        const struct lucet_frame *frame = &fault->backtrace[i];
        if (frame->source_line) {
            ngx_log_error(NGX_LOG_ERR, log, 0, "  #%uz %s at %s:%uD", i, frame->function_name,
                          frame->source_file, frame->source_line);
        } else {
            ngx_log_error(NGX_LOG_ERR, log, 0, "  #%uz %s+0x%xD", i, frame->function_name,
                          frame->offset);
        }
    }
}

/* What the client is told, and, in more words, the log. */
static ngx_int_t ngx_http_lucet_failed(ngx_http_lucet_ctx_t *ctx, enum lucet_error error,
                                       const struct lucet_result *result)
{
    ngx_log_t *log = ctx->request->connection->log;

    if (ctx->too_large) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "guest's answer is larger than lucet_response_size");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    if (ctx->no_memory)
        return NGX_HTTP_INTERNAL_SERVER_ERROR; /* nginx has logged it */
    ngx_log_error(NGX_LOG_ERR, log, 0, "%s", lucet_error_detail());
    if (error == lucet_error_runtime_fault)
        ngx_http_lucet_log_backtrace(log, &result->val.faulted);
    if (error == lucet_error_runtime_terminated &&
        result->val.terminated.reason == lucet_terminated_reason_timeout)
        return NGX_HTTP_GATEWAY_TIME_OUT;
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}

/* ---- How it runs ---------------------------------------------------------------------------- */

/* One slice. NGX_AGAIN: there will be another one. */
static ngx_int_t ngx_http_lucet_run(ngx_http_lucet_ctx_t *ctx)
{
    struct lucet_result result;
    enum lucet_error error;

    if (ctx->begun)
        error = lucet_instance_resume(ctx->instance, NULL, &result);
    else
        error = lucet_func_call(&ctx->conf->handle, ctx->instance, NULL, &result);
    ctx->begun = 1;
    if (error == lucet_error_ok && result.tag == lucet_result_tag_yielded) {
        ngx_post_event(&ctx->turn, &ngx_posted_next_events);
        if (!ctx->turn.timer_set)
            ngx_add_timer(&ctx->turn, 60000); /* a worker that ends waits for timers only */
        return NGX_AGAIN;
    }
    const ngx_int_t rc =
        error == lucet_error_ok ? NGX_OK : ngx_http_lucet_failed(ctx, error, &result);
    ngx_http_lucet_end(ctx);
    return rc;
}

static void ngx_http_lucet_go_on(ngx_http_lucet_ctx_t *ctx)
{
    ngx_int_t rc = ngx_http_lucet_run(ctx);

    if (rc == NGX_AGAIN)
        return;
    ngx_http_finalize_request(ctx->request, rc == NGX_OK ? ngx_http_lucet_send(ctx) : rc);
}

static void ngx_http_lucet_turn(ngx_event_t *event)
{
    ngx_http_lucet_ctx_t *ctx = event->data;
    ngx_connection_t *c = ctx->request->connection;

    ngx_http_set_log_request(c->log, ctx->request);
    if (c->error) /* also: worker_shutdown_timeout is over */
        ngx_http_finalize_request(ctx->request, NGX_HTTP_CLIENT_CLOSED_REQUEST);
    else
        ngx_http_lucet_go_on(ctx);
    ngx_http_run_posted_requests(c);
}

static ngx_int_t ngx_http_lucet_begin(ngx_http_lucet_ctx_t *ctx)
{
    const struct lucet_instance_options options = {.linker = ctx->conf->linker, .embed_ctx = ctx};
    ngx_log_t *log = ctx->request->connection->log;
    enum lucet_error error = lucet_region_new_instance_with(ctx->conf->region, ctx->conf->module,
                                                            &options, &ctx->instance);

    if (error == lucet_error_region_full) {
        ngx_log_error(NGX_LOG_WARN, log, 0, "all %ui lucet_instances are in use",
                      ctx->conf->instances);
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }
    if (error == lucet_error_ok)
        error = lucet_instance_set_slice(ctx->instance, NGX_HTTP_LUCET_SLICE);
    if (error == lucet_error_ok)
        error = lucet_instance_set_timeout(ctx->instance, ctx->conf->timeout);
    if (error == lucet_error_ok)
        return NGX_OK;
    ngx_log_error(NGX_LOG_ERR, log, 0, "%s: %s", lucet_error_message(error), lucet_error_detail());
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}

/* The body is there. */
static void ngx_http_lucet_start(ngx_http_request_t *r)
{
    ngx_http_lucet_ctx_t *ctx = ngx_http_get_module_ctx(r, ngx_http_lucet_module);
    /* Unbuffered, and another has had a part of it. */
    ngx_int_t rc = r->reading_body ? NGX_HTTP_INTERNAL_SERVER_ERROR : ngx_http_lucet_body(ctx);

    if (rc == NGX_OK)
        rc = ngx_http_lucet_begin(ctx);
    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, rc);
        return;
    }
    r->read_event_handler = ngx_http_test_reading; /* a client that goes away ends its guest */
    if (r == r->main &&
        r->connection->read->ready) { /* it may have gone already: edges come once */
        ngx_post_event(r->connection->read, &ngx_posted_events);
    }
    ngx_http_lucet_go_on(ctx);
}

ngx_int_t ngx_http_lucet_handler(ngx_http_request_t *r)
{
    ngx_http_cleanup_t *cleanup = ngx_http_cleanup_add(r, 0);
    ngx_http_lucet_ctx_t *ctx = ngx_pcalloc(r->pool, sizeof *ctx);

    if (!cleanup || !ctx ||
        ngx_list_init(&ctx->headers, r->pool, 8, sizeof(ngx_table_elt_t)) != NGX_OK)
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    ctx->request = r;
    ctx->conf = ngx_http_get_module_loc_conf(r, ngx_http_lucet_module);
    ctx->last = &ctx->out;
    ctx->status = NGX_HTTP_OK;
    ctx->turn.handler = ngx_http_lucet_turn;
    ctx->turn.data = ctx;
    ctx->turn.log = r->connection->log;
    cleanup->handler = ngx_http_lucet_end;
    cleanup->data = ctx;
    ngx_http_set_ctx(r, ctx, ngx_http_lucet_module);

    const ngx_int_t rc = ngx_http_read_client_request_body(r, ngx_http_lucet_start);
    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}
