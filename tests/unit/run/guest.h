/* Guests for tests: WebAssembly text compiled, loaded, and run, all in this process. Every helper
 * ends the test when something fails that the test is not about. */
#ifndef LUCET_TEST_GUEST_H
#define LUCET_TEST_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lucet/lucet.h"
#include "lucet/lucetc.h"

/* The ways to compile that a test goes through. */
struct guest_mode {
    enum lucetc_opt_level opt_level;
    bool precise;
    const char *cpu;        /* NULL = this machine's */
    uint64_t guard_size;    /* 0 = the default */
    uint64_t reserved_size; /* likewise */
    bool count;             /* instructions */
    const struct lucetc_bindings *bindings;
};
extern const struct guest_mode guest_modes[6];
#define GUEST_MODES 6
extern const struct guest_mode guest_default; /* speed, default traps */

/* The beginning of every test: skips it when there is no wasm-tools, and puts the runtime's signal
 * handlers in front of those that cmocka installs around each test. */
void guest_begin(void);

/* The binary of a text, or of a file in tests/guests. Owned by the caller (free). */
uint8_t *guest_binary(const char *wat, size_t *size);
uint8_t *guest_binary_of_file(const char *name, size_t *size);

/* Compiled and loaded; imports are linked by name. Released by the caller. */
struct lucet_dl_module *guest_module(const char *wat, const struct guest_mode *mode);
struct lucet_dl_module *guest_module_of_file(const char *name, const struct guest_mode *mode);
/* The bytes of the artifact, for tests that damage it. Owned by the caller. */
uint8_t *guest_artifact(const char *wat, const struct guest_mode *mode, size_t *size);

/* Regions are those with pages on demand (LUCET_TEST_REGION=uffd). */
bool guest_on_demand(void);
/* How many mappings an instance may take. */
unsigned guest_mappings_each(void);
/* A region with the default limits, but 64 MiB for memories. */
struct lucet_region *guest_region(size_t capacity);
struct lucet_instance *guest_instance(struct lucet_region *region, struct lucet_dl_module *module,
                                      struct lucet_linker *linker, void *embed_ctx);

/* Looks up, calls, and expects what the name says. Arguments and results are as many as
 * the arrays have. */
struct lucet_func guest_func(const struct lucet_dl_module *module, const char *name,
                             const char *signature);
uint64_t guest_call(struct lucet_instance *inst, const char *name, size_t argc,
                    const struct lucet_val *argv);
enum lucet_trapcode guest_trap(struct lucet_instance *inst, const char *name, size_t argc,
                               const struct lucet_val *argv);
#define ARGS(...)                                                                                  \
    sizeof((struct lucet_val[]){__VA_ARGS__}) / sizeof(struct lucet_val), (struct lucet_val[])     \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define I32(x) LUCET_VAL_I32((int32_t)(x))
#define I64(x) LUCET_VAL_I64((int64_t)(x))

bool guest_all_zero(const uint8_t *p, size_t n);

/* A growing text. */
struct text {
    char *s;
    size_t size, room;
};
void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_free(struct text *t);

struct guest_called {
    const char *name;
    uint64_t arg, expected;
};

/* Instantiates the text in every mode and calls functions from i64 to i64. */
void guest_expect_calls(const char *wat, const struct guest_called *calls, size_t n);
#define GUEST_EXPECT_CALLS(wat, ...)                                                               \
    do {                                                                                           \
        static const struct guest_called calls_[] = {__VA_ARGS__};                                 \
        guest_expect_calls(wat, calls_, sizeof(calls_) / sizeof(*calls_));                         \
    } while (0)

#endif
