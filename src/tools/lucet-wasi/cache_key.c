/* What an artifact's bytes depend on, in one hash. Compared with asking LLVM for its version and
 * the processor, which would cost a start of lucetc for every run, the files that hold the compiler
 * are named here, and the processor's own words. */
#include "tools/lucet-wasi/cache.h"

#include "lucet/types.h"

#include "module/cpu.h"
#include "module/format.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static void add(crypto_generichash_state *h, const void *bytes, size_t size)
{
    const uint64_t n = size; /* so that no two lists of fields look the same */
    crypto_generichash_update(h, (const uint8_t *)&n, sizeof n);
    crypto_generichash_update(h, bytes, size);
}

static void add_text(crypto_generichash_state *h, const char *text)
{
    add(h, text, strlen(text));
}

static void add_number(crypto_generichash_state *h, uint64_t number)
{
    add(h, &number, sizeof number);
}

/* Which file it is and when it was last changed. Nothing, when it is not there. */
static void add_file(crypto_generichash_state *h, const char *path)
{
    struct stat st;
    add_text(h, path);
    if (path[0] == '\0' || stat(path, &st) != 0) {
        return;
    }
    add_number(h, st.st_dev);
    add_number(h, st.st_ino);
    add_number(h, (uint64_t)st.st_size);
    add_number(h, (uint64_t)st.st_mtim.tv_sec);
    add_number(h, (uint64_t)st.st_mtim.tv_nsec);
}

/* Model and features: code is tuned for the one and uses the other. */
static void add_processor(crypto_generichash_state *h)
{
    add_number(h, lucet_cpu_features());
    add_number(h, lucet_cpu_has_fsgsbase());
#if defined(__x86_64__)
    static const unsigned leaves[][2] = {{0, 0}, {1, 0}, {7, 0}, {7, 1}, {0x80000001, 0}};
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
        unsigned r[4] = {0};
        __get_cpuid_count(leaves[i][0], leaves[i][1], &r[0], &r[1], &r[2], &r[3]);
        if (leaves[i][0] == 1) {
            r[1] = 0; /* which processor this thread runs on */
        }
        add(h, r, sizeof r);
    }
#endif
}

void cache_name(const struct cli *cli, const char *lucetc, const uint8_t wasm[HASH_SIZE],
                char name[CACHE_NAME_SIZE])
{
    crypto_generichash_state h;
    uint8_t key[HASH_SIZE];

    crypto_generichash_init(&h, NULL, 0, HASH_SIZE);
    add_text(&h, "lucet cache 4");
    add(&h, wasm, HASH_SIZE);
    add_text(&h, LUCET_VERSION);
    add_number(&h, LUCET_ABI_VERSION);
    add_number(&h, LUCET_FORMAT_VERSION);
    add_file(&h, lucetc);
    add_file(&h, LUCET_LLVM_LIBRARY);
    add_processor(&h);
    add_text(&h, cli->opt_level ? cli->opt_level : "");
    add_number(&h, cli->precise_traps);
    add_number(&h, cli->debug_info);
    add_number(&h, cli->max_instructions != 0);
    add_text(&h, cli->features ? cli->features : "");
    crypto_generichash_final(&h, key, HASH_SIZE);
    sodium_bin2hex(name, CACHE_NAME_SIZE, key, sizeof key);
    strcat(name, ".so");
}
