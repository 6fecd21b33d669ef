#include "module/siphash.h"

#include <string.h>
#include <sys/random.h>

struct lucet_siphash_key lucet_siphash_key(void)
{
    struct lucet_siphash_key key = {{(uintptr_t)&key, 0}};

    if (getrandom(&key, sizeof(key), 0) < 0)
        key.words[1] = (uintptr_t)&lucet_siphash_key;
    return key;
}

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static void rounds(uint64_t v[4], unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
        v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
    }
}

uint64_t lucet_siphash(struct lucet_siphash_key key, const void *bytes, size_t size)
{
    const uint64_t k0 = key.words[0], k1 = key.words[1];
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                     k1 ^ 0x7465646279746573u};
    const uint8_t *p = bytes;

    for (size_t left = size;; left -= 8, p += 8) {
        uint64_t word = left < 8 ? (uint64_t)size << 56 : 0; /* the last one tells the length */
        for (unsigned i = 0; i < 8 && i < left; i++)
            word |= (uint64_t)p[i] << 8 * i;
        v[3] ^= word;
        rounds(v, 2);
        v[0] ^= word;
        if (left < 8)
            break;
    }
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
