/* For programs that were written for the lucet.h of the Lucet that ended in 2022: include this
 * instead.
 *
 * Host functions were found by their names among the symbols of the program (linked with
 * -rdynamic). Here lucet_region_new_instance() and lucet_region_new_instance_with_ctx() do the
 * same: their types are those that the guest declares, and nobody checks them.
 *
 * It is lucet.h, the types that host functions were declared with, the macros for results, and
 * lucet_retval_gp() as it was, with a union for its value. Names that have changed are listed in
 * docs/embedding.md. */
#ifndef LUCET_COMPAT_H
#define LUCET_COMPAT_H

#include <dlfcn.h>

#include "lucet/lucet.h"

#define LUCET_WASM_PAGE_SIZE (64 * 1024)

typedef uint32_t guest_int;
typedef uint32_t guest_ptr_t;
typedef uint32_t guest_size_t;

#define lucet_trapcode_user lucet_trapcode_unreachable

union lucet_retval_gp {
    char as_untyped[8];
    void *as_c_ptr;
    uint64_t as_u64;
    int64_t as_i64;
};

static inline union lucet_retval_gp lucet_compat_retval_gp(const struct lucet_untyped_retval *r)
{
    union lucet_retval_gp value;

    value.as_u64 = (lucet_retval_gp)(r);
    return value;
}
#define lucet_retval_gp(r) lucet_compat_retval_gp(r)

/* Host functions by the symbols that lucetc's bindings gave them. */
static inline enum lucet_error lucet_compat_instance(struct lucet_region *region,
                                                     struct lucet_dl_module *module,
                                                     void *embed_ctx, struct lucet_instance **out)
{
    struct lucet_instance_options options = {NULL, embed_ctx, 0, false, false, NULL, 0, NULL};
    void *program = dlopen(NULL, RTLD_NOW);
    enum lucet_error e = lucet_linker_new(&options.linker);

    for (size_t i = 0; e == lucet_error_ok && i < lucet_dl_module_import_count(module); i++) {
        struct lucet_extern_desc import;
        e = lucet_dl_module_import(module, i, &import);
        void *found = e == lucet_error_ok && import.symbol ? dlsym(program, import.symbol) : NULL;
        if (found) {
            struct lucet_hostcall call = {import.symbol, import.signature, NULL};
            *(void **)(&call.func) = found;
            e = lucet_linker_hostcalls(options.linker, &call, 1);
        }
    }
    if (e == lucet_error_ok)
        e = lucet_region_new_instance_with(region, module, &options, out);
    lucet_linker_release(options.linker);
    if (program)
        dlclose(program);
    return e;
}
#define lucet_region_new_instance_with_ctx(region, module, embed_ctx, out)                         \
    lucet_compat_instance(region, module, embed_ctx, out)
#define lucet_region_new_instance(region, module, out)                                             \
    lucet_compat_instance(region, module, NULL, out)

#define lucet_vmctx_get_func_from_idx(vmctx, table, index)                                         \
    ((void *)(uintptr_t)(lucet_vmctx_get_func_from_idx)(vmctx, table, index))

#define LUCET_UNTYPED_RETVAL_TO_GP_T(t, field, x) ((t)lucet_retval_gp(&(x)).field)
#define LUCET_UNTYPED_RETVAL_TO_C_PTR(x) LUCET_UNTYPED_RETVAL_TO_GP_T(void *, as_c_ptr, x)
#define LUCET_UNTYPED_RETVAL_TO_GUEST_PTR(x) LUCET_UNTYPED_RETVAL_TO_GP_T(guest_ptr_t, as_u64, x)
#define LUCET_UNTYPED_RETVAL_TO_U8(x) LUCET_UNTYPED_RETVAL_TO_GP_T(uint8_t, as_u64, x)
#define LUCET_UNTYPED_RETVAL_TO_U16(x) LUCET_UNTYPED_RETVAL_TO_GP_T(uint16_t, as_u64, x)
#define LUCET_UNTYPED_RETVAL_TO_U32(x) LUCET_UNTYPED_RETVAL_TO_GP_T(uint32_t, as_u64, x)
#define LUCET_UNTYPED_RETVAL_TO_U64(x) LUCET_UNTYPED_RETVAL_TO_GP_T(uint64_t, as_u64, x)
#define LUCET_UNTYPED_RETVAL_TO_I8(x) LUCET_UNTYPED_RETVAL_TO_GP_T(int8_t, as_i64, x)
#define LUCET_UNTYPED_RETVAL_TO_I16(x) LUCET_UNTYPED_RETVAL_TO_GP_T(int16_t, as_i64, x)
#define LUCET_UNTYPED_RETVAL_TO_I32(x) LUCET_UNTYPED_RETVAL_TO_GP_T(int32_t, as_i64, x)
#define LUCET_UNTYPED_RETVAL_TO_I64(x) LUCET_UNTYPED_RETVAL_TO_GP_T(int64_t, as_i64, x)
#define LUCET_UNTYPED_RETVAL_TO_BOOL(x) LUCET_UNTYPED_RETVAL_TO_GP_T(bool, as_u64, x)
#define LUCET_UNTYPED_RETVAL_TO_F32(x) lucet_retval_f32(&(x))
#define LUCET_UNTYPED_RETVAL_TO_F64(x) lucet_retval_f64(&(x))

#endif
