/* Lane k takes the blocks k, k+4, k+8, ... of the file. The result is the hash of the lanes' hashes
 * and sizes: a tree of height one, as sound as the hash itself. The number of lanes is fixed, so
 * that the result is the same everywhere. */
#include "tools/lucet-wasi/hash.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

enum { LANES = 4, BLOCK = 256 << 10 };

struct lane {
    int fd;
    off_t begin;
    uint64_t size;
    uint8_t hash[HASH_SIZE];
    int error;
    pthread_t thread;
    bool threaded;
};

/* Reads a whole block, or up to the end of the file. */
static ssize_t read_block(int fd, uint8_t *to, off_t at)
{
    size_t done = 0;
    while (done < BLOCK) {
        ssize_t n = pread(fd, to + done, BLOCK - done, at + (off_t)done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static void *run_lane(void *arg)
{
    struct lane *l = arg;
    crypto_generichash_state state;
    uint8_t *block = malloc(BLOCK);
    ssize_t n = block ? BLOCK : -1;

    crypto_generichash_init(&state, NULL, 0, HASH_SIZE);
    for (off_t at = l->begin; n == BLOCK; at += (off_t)LANES * BLOCK) {
        n = read_block(l->fd, block, at);
        if (n > 0) {
            crypto_generichash_update(&state, block, (size_t)n);
            l->size += (uint64_t)n;
        }
    }
    l->error = n < 0 ? errno : 0;
    crypto_generichash_final(&state, l->hash, HASH_SIZE);
    free(block);
    return NULL;
}

bool hash_file(int fd, uint8_t out[HASH_SIZE])
{
    struct lane lane[LANES];
    crypto_generichash_state state;
    int error = 0;

    for (int i = 0; i < LANES; i++) {
        lane[i] = (struct lane){.fd = fd, .begin = (off_t)i * BLOCK};
        lane[i].threaded = i > 0 && pthread_create(&lane[i].thread, NULL, run_lane, &lane[i]) == 0;
    }
    crypto_generichash_init(&state, NULL, 0, HASH_SIZE);
    for (int i = 0; i < LANES; i++) {
        if (lane[i].threaded) {
            pthread_join(lane[i].thread, NULL);
        } else {
            run_lane(&lane[i]);
        }
        error = error ? error : lane[i].error;
        crypto_generichash_update(&state, lane[i].hash, HASH_SIZE);
        crypto_generichash_update(&state, (const uint8_t *)&lane[i].size, sizeof lane[i].size);
    }
    crypto_generichash_final(&state, out, HASH_SIZE);
    errno = error;
    return error == 0;
}
