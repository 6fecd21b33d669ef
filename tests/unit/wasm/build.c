#include "build.h"

#include <stdlib.h>
#include <string.h>

void put(struct bytes *b, const void *data, size_t size)
{
    if (b->size + size > b->capacity) {
        b->capacity = (b->size + size) * 2;
        b->data = realloc(b->data, b->capacity);
        assert_non_null(b->data);
    }
    if (size > 0)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}

void put_byte(struct bytes *b, uint8_t byte)
{
    put(b, &byte, 1);
}

void put_times(struct bytes *b, uint8_t byte, size_t times)
{
    uint8_t block[256];
    memset(block, byte, sizeof block);
    for (; times > sizeof block; times -= sizeof block)
        put(b, block, sizeof block);
    put(b, block, times);
}

void put_u32(struct bytes *b, uint32_t value)
{
    while (value >= 0x80) {
        put_byte(b, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    put_byte(b, (uint8_t)value);
}

void put_name(struct bytes *b, const char *name)
{
    put_u32(b, (uint32_t)strlen(name));
    put(b, name, strlen(name));
}

void put_sized(struct bytes *b, struct bytes *payload)
{
    put_u32(b, (uint32_t)payload->size);
    put(b, payload->data, payload->size);
    bytes_free(payload);
}

void put_section(struct bytes *b, uint8_t id, struct bytes *payload)
{
    put_byte(b, id);
    put_sized(b, payload);
}

void bytes_free(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){NULL, 0, 0};
}

struct bytes start_module(void)
{
    struct bytes b = {NULL, 0, 0};
    put(&b, B(HEADER));
    return b;
}

struct bytes module_with_code(const uint8_t *type, size_t type_size, const uint8_t *code,
                              size_t code_size)
{
    struct bytes m = start_module(), section = {0}, body = {0};
    put_byte(&section, 1);
    put(&section, type, type_size);
    put_section(&m, 1, &section);
    put(&m, B(3, 2, 1, 0));
    put(&m, B(5, 3, 1, 0, 1));

    put_byte(&body, 0); /* no locals */
    put(&body, code, code_size);
    put_byte(&section, 1);
    put_sized(&section, &body);
    put_section(&m, 10, &section);
    return m;
}

static size_t skip_leb128(const struct bytes *b, size_t at, uint32_t *value)
{
    *value = 0;
    for (unsigned shift = 0;; shift += 7) {
        *value |= (uint32_t)(b->data[at] & 0x7f) << shift;
        if (!(b->data[at++] & 0x80))
            return at;
    }
}

size_t code_offset(const struct bytes *module)
{
    size_t at = 8;
    uint32_t size;
    while (module->data[at] != 10)
        at = skip_leb128(module, at + 1, &size), at += size;
    at = skip_leb128(module, at + 1, &size); /* of the section */
    at = skip_leb128(module, at, &size);     /* one body */
    at = skip_leb128(module, at, &size);     /* its size */
    return at + 1;                           /* no locals */
}

enum wasm_status decode_with(const uint8_t *data, size_t size, uint32_t features,
                             const struct wasm_limits_config *limits, struct wasm_error *err)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, data, size);
    struct wasm_module m;
    enum wasm_status status = wasm_module_decode(copy, size, features, limits, &m, err);
    assert_int_equal(err->status, status);
    if (status == WASM_OK) {
        wasm_module_free(&m);
    } else {
        assert_null(m.arena);
        assert_true(err->offset <= size);
        assert_true(strlen(err->message) > 0);
    }
    free(copy);
    return status;
}

void assert_valid(const uint8_t *data, size_t size)
{
    struct wasm_error err;
    if (decode_with(data, size, WASM_FEATURES_ALL, NULL, &err) != WASM_OK)
        fail_msg("0x%llx: %s", (unsigned long long)err.offset, err.message);
}

void assert_error_with(const uint8_t *data, size_t size, uint32_t features,
                       const struct wasm_limits_config *limits, enum wasm_status status,
                       uint64_t offset, const char *message)
{
    struct wasm_error err;
    decode_with(data, size, features, limits, &err);
    if (err.status != status || err.offset != offset ||
        strncmp(err.message, message, strlen(message)) != 0)
        fail_msg("expected %d 0x%llx \"%s\", found %d 0x%llx \"%s\"", (int)status,
                 (unsigned long long)offset, message, (int)err.status,
                 (unsigned long long)err.offset, err.message);
}

void assert_error(const uint8_t *data, size_t size, enum wasm_status status, uint64_t offset,
                  const char *message)
{
    assert_error_with(data, size, WASM_FEATURES_ALL, NULL, status, offset, message);
}

void assert_built_valid(struct bytes *b)
{
    assert_valid(b->data, b->size);
    bytes_free(b);
}

void assert_built_error(struct bytes *b, enum wasm_status status, uint64_t offset,
                        const char *message)
{
    assert_error(b->data, b->size, status, offset, message);
    bytes_free(b);
}

void assert_code_valid(const uint8_t *code, size_t size)
{
    struct bytes m = module_with_code(TYPE_VOID, code, size);
    assert_built_valid(&m);
}

void assert_code_error(const uint8_t *code, size_t size, enum wasm_status status, uint64_t offset,
                       const char *message)
{
    struct bytes m = module_with_code(TYPE_VOID, code, size);
    assert_built_error(&m, status, code_offset(&m) + offset, message);
}
