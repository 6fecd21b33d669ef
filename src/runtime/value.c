/* Values that cross the boundary: the host's types and the guest's. */
#include "runtime/value.h"

#include <string.h>

#include "runtime/error.h"
#include "runtime/exception.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/record.h"
#include "runtime/store.h"

uint8_t lucet__valtype_of(enum lucet_val_type t)
{
    switch (t) {
    case lucet_val_type_c_ptr:
    case lucet_val_type_u64:
    case lucet_val_type_i64: return LUCET_I64;
    case lucet_val_type_guest_ptr:
    case lucet_val_type_u8:
    case lucet_val_type_u16:
    case lucet_val_type_u32:
    case lucet_val_type_i8:
    case lucet_val_type_i16:
    case lucet_val_type_i32:
    case lucet_val_type_usize:
    case lucet_val_type_isize:
    case lucet_val_type_bool: return LUCET_I32;
    case lucet_val_type_f32: return LUCET_F32;
    case lucet_val_type_f64: return LUCET_F64;
    case lucet_val_type_v128: return LUCET_V128;
    case lucet_val_type_funcref: return LUCET_FUNCREF;
    case lucet_val_type_externref: return LUCET_EXTERNREF;
    case lucet_val_type_exnref: return LUCET_EXNREF;
    }
    return 0;
}

/* Integers extended to 64 bits as their sign says. */
static uint64_t integer(const struct lucet_val *v)
{
    switch (v->ty) {
    case lucet_val_type_u8: return v->inner_val.as_u8;
    case lucet_val_type_u16: return v->inner_val.as_u16;
    case lucet_val_type_u32:
    case lucet_val_type_guest_ptr: return v->inner_val.as_u32;
    case lucet_val_type_usize: return v->inner_val.as_usize;
    case lucet_val_type_i8: return (uint64_t)(int64_t)v->inner_val.as_i8;
    case lucet_val_type_i16: return (uint64_t)(int64_t)v->inner_val.as_i16;
    case lucet_val_type_i32: return (uint64_t)(int64_t)v->inner_val.as_i32;
    case lucet_val_type_isize: return (uint64_t)v->inner_val.as_isize;
    case lucet_val_type_bool: return v->inner_val.as_bool;
    default: return v->inner_val.as_u64;
    }
}

/* The small integers also stand for i64. */
static bool is_small(enum lucet_val_type t)
{
    return t == lucet_val_type_u8 || t == lucet_val_type_u16 || t == lucet_val_type_i8 ||
           t == lucet_val_type_i16 || t == lucet_val_type_bool;
}

bool lucet__value_store(const struct lucet_val *v, uint8_t valtype, void *out)
{
    uint64_t bits;

    if (lucet__valtype_of(v->ty) != valtype && !(valtype == LUCET_I64 && is_small(v->ty)))
        return false;
    switch (valtype) {
    case LUCET_V128: memcpy(out, v->inner_val.as_v128, 16); return true;
    case LUCET_I32: bits = (uint32_t)integer(v); break;
    case LUCET_F32: bits = v->inner_val.as_u32; break;
    case LUCET_I64: bits = integer(v); break;
    default: bits = v->inner_val.as_u64; break;
    }
    memcpy(out, &bits, sizeof(bits));
    return true;
}

bool lucet__value_fits(uint32_t exact, uint64_t type_id, const void *stored)
{
    uint64_t bits;

    if (exact == lucet_valtype_plain(exact))
        return true;
    memcpy(&bits, stored, sizeof(bits));
    if (bits == 0)
        return !(exact & LUCET_NON_NULL);
    switch (exact & 0x7f) {
    case LUCET_REF_TYPE: return ((const struct lucet_funcref *)(uintptr_t)bits)->type == type_id;
    case LUCET_NULLFUNCREF:
    case LUCET_NULLEXTERNREF:
    case LUCET_NULLEXNREF: return false;
    default: return true;
    }
}

bool lucet__value_is(const struct lucet_dl_module *m, uint32_t exact, const void *stored)
{
    const bool named = exact != lucet_valtype_plain(exact) && (exact & 0x7f) == LUCET_REF_TYPE;

    return lucet__value_fits(exact, named ? m->type_ids[exact >> 8] : 0, stored);
}

struct lucet_val lucet__value_load(uint8_t valtype, const void *in)
{
    struct lucet_val v = {0};
    uint64_t bits;

    memcpy(&bits, in, sizeof(bits));
    switch (valtype) {
    case LUCET_I32:
        v.ty = lucet_val_type_i32;
        v.inner_val.as_u32 = (uint32_t)bits;
        break;
    case LUCET_I64:
        v.ty = lucet_val_type_i64;
        v.inner_val.as_u64 = bits;
        break;
    case LUCET_F32:
        v.ty = lucet_val_type_f32;
        v.inner_val.as_u32 = (uint32_t)bits;
        break;
    case LUCET_F64:
        v.ty = lucet_val_type_f64;
        v.inner_val.as_u64 = bits;
        break;
    case LUCET_V128:
        v.ty = lucet_val_type_v128;
        memcpy(v.inner_val.as_v128, in, 16);
        break;
    case LUCET_FUNCREF:
        v.ty = lucet_val_type_funcref;
        v.inner_val.as_u64 = bits;
        break;
    case LUCET_EXNREF:
        v.ty = lucet_val_type_exnref;
        v.inner_val.as_u64 = bits;
        break;
    default:
        v.ty = lucet_val_type_externref;
        v.inner_val.as_u64 = bits;
        break;
    }
    return v;
}

void lucet__value_export(const struct lucet_instance *i, struct lucet_val *v)
{
    if (v->ty == lucet_val_type_exnref)
        v->inner_val.as_ref = lucet__exception_find(i->exceptions, v->inner_val.as_u64);
}

enum lucet_error lucet__arguments_admit(struct lucet_instance *i, const uint8_t *types, uint32_t n,
                                        const struct lucet_val *argv, uint64_t (*values)[2])
{
    uint64_t size = 0;

    for (uint32_t k = 0; k < n; k++) {
        const struct lucet_exception *e = argv[k].inner_val.as_ref;
        if (types[k] == LUCET_EXNREF && e && (!e->of || lucet__exception_set(e) != i->exceptions))
            size += lucet__exception_size(e->tag);
    }
    if (size && !lucet__exceptions_of(i))
        return lucet__no_memory();
    /* Room for all before the first: only their callers hold them yet. */
    if (size && !lucet__exceptions_room(i, NULL, size))
        return lucet__fail(lucet_error_limits_exceeded,
                           "the instance holds exceptions up to the region's exceptions_size");
    for (uint32_t k = 0; k < n; k++) {
        struct lucet_exception *e = (struct lucet_exception *)(uintptr_t)argv[k].inner_val.as_ref;
        if (types[k] != LUCET_EXNREF || !e)
            continue;
        enum lucet_error error = lucet__exception_admit(i, e, &values[k][0]);
        if (error != lucet_error_ok)
            return error;
    }
    return lucet_error_ok;
}

/* A function of another instance that the host hands over must live as long as the receiver. */
enum lucet_error lucet__value_hold(struct lucet_instance *i, const struct lucet_val *v)
{
    const struct record *r = v->inner_val.as_ref;
    struct store *one, *two;

    if (v->ty != lucet_val_type_funcref || !r || !r->owner || r->owner == i)
        return lucet_error_ok;
    one = lucet__store_of_instance(i);
    two = lucet__store_of_instance(r->owner);
    return one && two ? lucet__store_link(one, two, STORE_MUTUAL) : lucet__no_memory();
}

uint64_t lucet_retval_gp(const struct lucet_untyped_retval *r)
{
    uint64_t value = 0;

    if (r)
        memcpy(&value, r->gp, sizeof(value));
    return value;
}

float lucet_retval_f32(const struct lucet_untyped_retval *r)
{
    float value = 0;

    if (r)
        memcpy(&value, r->fp, sizeof(value));
    return value;
}

double lucet_retval_f64(const struct lucet_untyped_retval *r)
{
    double value = 0;

    if (r)
        memcpy(&value, r->fp, sizeof(value));
    return value;
}
