/* Modules made by hand, byte by byte, and what must be said about them. */
#ifndef TESTS_UNIT_WASM_BUILD_H
#define TESTS_UNIT_WASM_BUILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wasm/wasm.h"

struct bytes {
    uint8_t *data;
    size_t size, capacity;
};

void put(struct bytes *b, const void *data, size_t size);
void put_byte(struct bytes *b, uint8_t byte);
void put_times(struct bytes *b, uint8_t byte, size_t times);
void put_u32(struct bytes *b, uint32_t value);
void put_name(struct bytes *b, const char *name);
/* The size of `payload`, then its bytes. `payload` is emptied. */
void put_sized(struct bytes *b, struct bytes *payload);
/* Section number `id`; `payload` is emptied. */
void put_section(struct bytes *b, uint8_t id, struct bytes *payload);
void bytes_free(struct bytes *b);

/* As arguments of put(): the bytes given. */
#define B(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define HEADER 0x00, 'a', 's', 'm', 0x01, 0x00, 0x00, 0x00

struct bytes start_module(void);

/* A module with the function type 0 = () -> () unless `type` says otherwise, one function of it, a
 * memory and this code, which must bring its own end. */
struct bytes module_with_code(const uint8_t *type, size_t type_size, const uint8_t *code,
                              size_t code_size);
#define TYPE_VOID B(0x60, 0x00, 0x00)
/* Where in such a module the code begins. */
size_t code_offset(const struct bytes *module);

/* Decodes a copy of exactly `size` bytes, so that a sanitizer sees reads past the end. */
enum wasm_status decode_with(const uint8_t *data, size_t size, uint32_t features,
                             const struct wasm_limits_config *limits, struct wasm_error *err);

void assert_valid(const uint8_t *data, size_t size);
/* The message must begin with `message`. */
void assert_error(const uint8_t *data, size_t size, enum wasm_status status, uint64_t offset,
                  const char *message);
void assert_error_with(const uint8_t *data, size_t size, uint32_t features,
                       const struct wasm_limits_config *limits, enum wasm_status status,
                       uint64_t offset, const char *message);

/* The same of a module under construction, which is freed. */
void assert_built_valid(struct bytes *b);
void assert_built_error(struct bytes *b, enum wasm_status status, uint64_t offset,
                        const char *message);

/* Code of a function () -> () in a module with a memory; `offset` counts from the code's start. */
void assert_code_valid(const uint8_t *code, size_t size);
void assert_code_error(const uint8_t *code, size_t size, enum wasm_status status, uint64_t offset,
                       const char *message);

/* Every section and every instruction with a signature, in one valid module. `cuts` receives the
 * sizes at which sections end, zero-terminated. */
enum { EVERYTHING_CUTS = 20 };
struct bytes module_with_everything(size_t cuts[EVERYTHING_CUTS]);

#endif
