/* The public ways of calling into an instance: by export, by table index, its start function. */
#include <string.h>

#include "runtime/call.h"
#include "runtime/error.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/names.h"
#include "runtime/record.h"
#include "runtime/table.h"

static enum lucet_error call(const struct call *c, struct lucet_result *result)
{
    struct lucet_result unwanted;

    return lucet__call(c, result ? result : &unwanted);
}

enum lucet_error lucet_instance_call(struct lucet_instance *i, const char *name, size_t name_len,
                                     size_t argc, const struct lucet_val *argv, size_t nresults,
                                     struct lucet_val *results, struct lucet_result *result)
{
    char text[LUCET__NAME_MAX];

    lucet__clear_error();
    if (!i || !name)
        return lucet__errored(
            lucet__fail(lucet_error_invalid_argument, "lucet_instance_call: NULL"), result);
    const struct lucet_module_export *e =
        lucet_artifact_export(&i->module->artifact, name, name_len);
    if (!e || e->kind != LUCET_EXTERN_FUNC)
        return lucet__errored(lucet__fail(lucet_error_symbol_not_found,
                                          "no exported function \"%s\"",
                                          lucet__printable(text, sizeof(text), name, name_len)),
                              result);
    return call(&(struct call){.instance = i,
                               .ctx = i->ctx,
                               .module = i->module,
                               .func = e->index,
                               .argc = argc,
                               .argv = argv,
                               .nresults = nresults,
                               .results = results},
                result);
}

enum lucet_error lucet_instance_run(struct lucet_instance *i, const char *entrypoint, size_t argc,
                                    const struct lucet_val *argv, struct lucet_result *result)
{
    if (!i || !entrypoint)
        return lucet__errored(lucet__fail(lucet_error_invalid_argument, "lucet_instance_run: NULL"),
                              result);
    return lucet_instance_call(i, entrypoint, strlen(entrypoint), argc, argv, 0, NULL, result);
}

enum lucet_error lucet_instance_run_func_idx(struct lucet_instance *i, uint32_t table,
                                             uint32_t index, size_t argc,
                                             const struct lucet_val *argv,
                                             struct lucet_result *result)
{
    const struct record *r = NULL;

    lucet__clear_error();
    if (!i)
        return lucet__errored(lucet__fail(lucet_error_invalid_argument,
                                          "lucet_instance_run_func_idx: "
                                          "NULL"),
                              result);
    if (table < i->module->artifact.ntables) {
        const struct lucet_table *t = lucet__table_desc(i, table);
        const struct table *own = t->owner;
        if (lucet_valtype_plain(own->elem & 0xff) == LUCET_FUNCREF && index < t->size)
            r = (const struct record *)(uintptr_t)t->elems[index];
    }
    if (!r)
        return lucet__errored(
            lucet__fail(lucet_error_func_not_found, "no function at %u of table %u", index, table),
            result);
    return call(&(struct call){.instance = i,
                               .ctx = r->owner ? r->owner->ctx : i->ctx,
                               .module = r->module,
                               .func = r->func,
                               .argc = argc,
                               .argv = argv},
                result);
}

enum lucet_error lucet_instance_call_start(struct lucet_instance *i, struct lucet_result *result)
{
    lucet__clear_error();
    if (!i)
        return lucet__errored(
            lucet__fail(lucet_error_invalid_argument, "lucet_instance_run_start: NULL"), result);
    if (i->start_done)
        return lucet__errored(lucet__fail(lucet_error_start_already_run,
                                          "the start function has run, or there is none"),
                              result);
    return call(&(struct call){.instance = i,
                               .ctx = i->ctx,
                               .module = i->module,
                               .func = i->module->artifact.header->start,
                               .is_start = true},
                result);
}

enum lucet_error lucet_instance_run_start(struct lucet_instance *i)
{
    struct lucet_result result;
    enum lucet_error e = lucet_instance_call_start(i, &result);

    if (e == lucet_error_ok && result.tag == lucet_result_tag_yielded)
        return lucet__fail(lucet_error_start_yielded, "the start function yielded");
    return e;
}
