#include "lucetc/image.h"

#include <stdlib.h>
#include <string.h>

/* Makes room for one more element; false when out of memory. */
static bool reserve(void **array, size_t *capacity, size_t need, size_t element)
{
    if (need <= *capacity)
        return true;
    size_t grown = *capacity ? *capacity : 256;
    while (grown < need)
        grown *= 2;
    void *p = realloc(*array, grown * element);
    if (!p)
        return false;
    *array = p;
    *capacity = grown;
    return true;
}

uint32_t image_append(struct image *m, const void *data, size_t size)
{
    const size_t at = m->size;
    if (m->failed || size > UINT32_MAX - at ||
        !reserve((void **)&m->bytes, &m->capacity, at + size, 1)) {
        m->failed = true;
        return 0;
    }
    if (size > 0)
        memcpy(m->bytes + at, data, size);
    m->size += size;
    return (uint32_t)at;
}

void image_align(struct image *m, size_t alignment)
{
    static const uint8_t zeros[64];
    image_append(m, zeros, (alignment - m->size % alignment) % alignment);
}

void image_fixup(struct image *m, size_t offset, LLVMValueRef func)
{
    if (m->failed ||
        !reserve((void **)&m->fixups, &m->fixups_capacity, m->nfixups + 1, sizeof *m->fixups)) {
        m->failed = true;
        return;
    }
    m->fixups[m->nfixups++] = (struct image_fixup){(uint32_t)offset, func};
}

void image_free(struct image *m)
{
    free(m->bytes);
    free(m->fixups);
    *m = (struct image){0};
}

static LLVMValueRef bytes_constant(const struct emitter *e, const uint8_t *bytes, size_t size)
{
    return LLVMConstStringInContext2(e->llvm, (const char *)bytes, size, true);
}

static LLVMValueRef difference(const struct emitter *e, LLVMValueRef func, LLVMValueRef base)
{
    LLVMValueRef d = LLVMConstSub(LLVMConstPtrToInt(func, e->i64), LLVMConstPtrToInt(base, e->i64));
    return LLVMConstTrunc(d, e->i32);
}

/* Bytes and differences in turn. Two passes, the first without values: the type must be known
 * before the global that the differences refer to exists. */
static unsigned pieces(const struct image *m, const struct emitter *e, LLVMValueRef base,
                       LLVMValueRef *values, LLVMTypeRef *types)
{
    unsigned n = 0;
    size_t at = 0;
    for (size_t i = 0; i <= m->nfixups; i++) {
        const size_t end = i < m->nfixups ? m->fixups[i].offset : m->size;
        types[n] = LLVMArrayType2(e->i8, end - at);
        if (values)
            values[n] = bytes_constant(e, m->bytes + at, end - at);
        n++;
        if (i == m->nfixups)
            break;
        types[n] = e->i32;
        if (values)
            values[n] = difference(e, m->fixups[i].func, base);
        n++;
        at = end + sizeof(lucet_code);
    }
    return n;
}

bool image_emit(const struct image *m, struct emitter *e, const char *name, const char *section)
{
    const size_t n = 2 * m->nfixups + 1;
    LLVMTypeRef *types = calloc(n, sizeof *types);
    LLVMValueRef *values = calloc(n, sizeof *values);
    const bool ok = types && values;
    if (ok) {
        pieces(m, e, NULL, NULL, types);
        LLVMTypeRef type = LLVMStructTypeInContext(e->llvm, types, (unsigned)n, true);
        LLVMValueRef global = LLVMAddGlobal(e->module, type, name);
        pieces(m, e, global, values, types);
        LLVMSetInitializer(global, LLVMConstStructInContext(e->llvm, values, (unsigned)n, true));
        LLVMSetGlobalConstant(global, true);
        LLVMSetSection(global, section);
        LLVMSetAlignment(global, 4096);
        LLVMSetVisibility(global, LLVMHiddenVisibility);
    }
    free(types);
    free(values);
    return ok;
}
