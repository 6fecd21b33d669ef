/* Directives, and what the master makes of them: the artifact, loaded; a region with room for the
 * guests of one worker. A configuration that does not fit is refused by `nginx -t`, before anybody
 * asks a guest for anything. */
#include "ngx_http_lucet.h"

static char *ngx_http_lucet_set_handler(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static void *ngx_http_lucet_create_conf(ngx_conf_t *cf);
static char *ngx_http_lucet_merge_conf(ngx_conf_t *cf, void *parent, void *child);

#define NGX_HTTP_LUCET_ANYWHERE (NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF)

static ngx_command_t ngx_http_lucet_commands[] = {
    {
        .name = ngx_string("lucet_handler"),
        .type = NGX_HTTP_LOC_CONF | NGX_CONF_TAKE1,
        .set = ngx_http_lucet_set_handler,
        .conf = NGX_HTTP_LOC_CONF_OFFSET,
    },
    {
        .name = ngx_string("lucet_timeout"),
        .type = NGX_HTTP_LUCET_ANYWHERE | NGX_CONF_TAKE1,
        .set = ngx_conf_set_msec_slot,
        .conf = NGX_HTTP_LOC_CONF_OFFSET,
        .offset = offsetof(ngx_http_lucet_conf_t, timeout),
    },
    {
        .name = ngx_string("lucet_memory"),
        .type = NGX_HTTP_LUCET_ANYWHERE | NGX_CONF_TAKE1,
        .set = ngx_conf_set_size_slot,
        .conf = NGX_HTTP_LOC_CONF_OFFSET,
        .offset = offsetof(ngx_http_lucet_conf_t, memory),
    },
    {
        .name = ngx_string("lucet_response_size"),
        .type = NGX_HTTP_LUCET_ANYWHERE | NGX_CONF_TAKE1,
        .set = ngx_conf_set_size_slot,
        .conf = NGX_HTTP_LOC_CONF_OFFSET,
        .offset = offsetof(ngx_http_lucet_conf_t, response_size),
    },
    {
        .name = ngx_string("lucet_instances"),
        .type = NGX_HTTP_LUCET_ANYWHERE | NGX_CONF_TAKE1,
        .set = ngx_conf_set_num_slot,
        .conf = NGX_HTTP_LOC_CONF_OFFSET,
        .offset = offsetof(ngx_http_lucet_conf_t, instances),
    },
    ngx_null_command,
};

static ngx_http_module_t ngx_http_lucet_module_ctx = {
    .create_loc_conf = ngx_http_lucet_create_conf,
    .merge_loc_conf = ngx_http_lucet_merge_conf,
};

ngx_module_t ngx_http_lucet_module = {
    NGX_MODULE_V1,
    .ctx = &ngx_http_lucet_module_ctx,
    .commands = ngx_http_lucet_commands,
    .type = NGX_HTTP_MODULE,
    NGX_MODULE_V1_PADDING,
};

static void *ngx_http_lucet_create_conf(ngx_conf_t *cf)
{
    ngx_http_lucet_conf_t *conf = ngx_pcalloc(cf->pool, sizeof *conf);

    if (!conf)
        return NULL;
    conf->timeout = NGX_CONF_UNSET_MSEC;
    conf->memory = NGX_CONF_UNSET_SIZE;
    conf->response_size = NGX_CONF_UNSET_SIZE;
    conf->instances = NGX_CONF_UNSET_UINT;
    return conf;
}

static char *ngx_http_lucet_set_handler(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_lucet_conf_t *lucet = conf;
    ngx_http_core_loc_conf_t *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    const ngx_str_t *value = cf->args->elts;

    (void)cmd;
    if (lucet->artifact.data)
        return "is duplicate";
    lucet->artifact = value[1];
    if (ngx_conf_full_name(cf->cycle, &lucet->artifact, 1) != NGX_OK)
        return NGX_CONF_ERROR;
    core->handler = ngx_http_lucet_handler;
    return NGX_CONF_OK;
}

static void ngx_http_lucet_release(void *data)
{
    ngx_http_lucet_conf_t *conf = data;

    lucet_region_release(conf->region);
    lucet_linker_release(conf->linker);
    lucet_dl_module_release(conf->module);
}

static char *ngx_http_lucet_refuse(ngx_conf_t *cf, const ngx_http_lucet_conf_t *conf,
                                   enum lucet_error error)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "lucet_handler \"%V\": %s %s", &conf->artifact,
                       lucet_error_message(error), lucet_error_detail());
    return NGX_CONF_ERROR;
}

/* Limits are multiples of pages. */
static size_t ngx_http_lucet_pages(size_t bytes)
{
    const size_t page = 4096;

    return bytes > SIZE_MAX - page ? SIZE_MAX / page * page : ngx_align(bytes, page);
}

/* What is missing for requests shows with the first instance. */
static enum lucet_error ngx_http_lucet_try(const ngx_http_lucet_conf_t *conf)
{
    const struct lucet_instance_options options = {.linker = conf->linker};
    struct lucet_instance *instance;
    const enum lucet_error error =
        lucet_region_new_instance_with(conf->region, conf->module, &options, &instance);

    if (error != lucet_error_ok)
        return error;
    const bool starts = lucet_instance_status(instance) == lucet_instance_status_needs_start;
    lucet_instance_release(instance);
    return starts ? lucet_error_instance_needs_start : lucet_error_ok; /* it would have no limits */
}

static char *ngx_http_lucet_load(ngx_conf_t *cf, ngx_http_lucet_conf_t *conf)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(cf->pool, 0);
    enum lucet_error error;

    if (!cleanup)
        return NGX_CONF_ERROR;
    cleanup->handler = ngx_http_lucet_release;
    cleanup->data = conf;
    limits.heap_memory_size = ngx_http_lucet_pages(conf->memory);
    if ((error = lucet_dl_module_load((const char *)conf->artifact.data, &conf->module)) ||
        (error = lucet_dl_module_func(conf->module, "handle", ":", &conf->handle)) ||
        (error = lucet_mmap_region_create(conf->instances, &limits, &conf->region)) ||
        (error = ngx_http_lucet_linker(&conf->linker)) || (error = ngx_http_lucet_try(conf)))
        return ngx_http_lucet_refuse(cf, conf, error);
    return NGX_CONF_OK;
}

/* What is in an "if" or a "limit_except" of a location is a location, too: the same guest's, with
 * limits of its own but for those that belong to the region. The outer one releases all. */
static void ngx_http_lucet_inherit(ngx_http_lucet_conf_t *conf, const ngx_http_lucet_conf_t *prev)
{
    conf->artifact = prev->artifact;
    conf->module = prev->module;
    conf->region = prev->region;
    conf->linker = prev->linker;
    conf->handle = prev->handle;
    conf->instances = prev->instances;
    conf->memory = prev->memory;
}

static char *ngx_http_lucet_merge_conf(ngx_conf_t *cf, void *parent, void *child)
{
    const ngx_http_lucet_conf_t *prev = parent;
    ngx_http_lucet_conf_t *conf = child;
    ngx_http_core_loc_conf_t *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    ngx_conf_merge_msec_value(conf->timeout, prev->timeout, 1000);
    ngx_conf_merge_size_value(conf->memory, prev->memory, 16 << 20);
    ngx_conf_merge_size_value(conf->response_size, prev->response_size, 1 << 20);
    ngx_conf_merge_uint_value(conf->instances, prev->instances, 64);
    if (core->noname && conf->artifact.len == 0 && prev->artifact.len > 0) {
        ngx_http_lucet_inherit(conf, prev);
        if (core->lmt_excpt && !core->handler)
            core->handler = ngx_http_lucet_handler;
        return NGX_CONF_OK;
    }
    return conf->artifact.len > 0 ? ngx_http_lucet_load(cf, conf) : NGX_CONF_OK;
}
