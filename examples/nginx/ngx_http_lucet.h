/* The nginx module's three parts: directives (ngx_http_lucet_module.c), the life of a request
 * (ngx_http_lucet_request.c) and what guests may call (ngx_http_lucet_hostcalls.c). */
#ifndef NGX_HTTP_LUCET_H
#define NGX_HTTP_LUCET_H

#include <lucet/lucet.h>
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#define NGX_HTTP_LUCET_SLICE 1000000 /* nanoseconds that a guest has before it is others' turn */
#define NGX_HTTP_LUCET_MAX_LINES 64  /* of a request in the log */
#define NGX_HTTP_LUCET_MAX_LINE 512  /* bytes */

/* Of a location. All of it is made by the master as it reads the configuration; workers are its
 * forks, and each has a copy of its own. */
typedef struct {
    ngx_str_t artifact; /* its path; no bytes: this location has no guest */
    ngx_msec_t timeout;
    size_t memory;        /* bytes of a guest's memories */
    size_t response_size; /* bytes of an answer */
    ngx_uint_t instances; /* of this location in a worker at a time */

    struct lucet_dl_module *module; /* these three belong to the configuration's pool */
    struct lucet_region *region;
    struct lucet_linker *linker;
    struct lucet_func handle;
} ngx_http_lucet_conf_t;

/* Of a request, from its pool. */
typedef struct {
    ngx_http_request_t *request;
    ngx_http_lucet_conf_t *conf;
    struct lucet_instance *instance; /* owned; NULL as soon as the guest has ended */
    ngx_event_t turn;                /* posted while the guest waits for its next slice */
    ngx_str_t body;                  /* the request's */
    ngx_list_t headers;              /* the answer's, which nobody sees if the guest fails */
    ngx_str_t content_type;
    ngx_chain_t *out, **last; /* the answer's body so far */
    off_t size;               /* of it */
    size_t spent;             /* bytes of the answer, headers among them */
    ngx_uint_t status;
    ngx_uint_t lines; /* logged */
    unsigned begun : 1;
    unsigned too_large : 1; /* why the guest was terminated */
    unsigned no_memory : 1; /* the same: nginx's, not the guest's */
} ngx_http_lucet_ctx_t;

extern ngx_module_t ngx_http_lucet_module;

/* The content handler of locations with a guest. */
ngx_int_t ngx_http_lucet_handler(ngx_http_request_t *r);

/* A new linker with the functions of guests/http.h. The caller owns it. */
enum lucet_error ngx_http_lucet_linker(struct lucet_linker **linker);

#endif
