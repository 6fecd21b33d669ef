/* SipHash-2-4: for hash tables whose keys somebody chose who must not be able to make them collide.
 * The key is to be random, from lucet_siphash_key(). */
#ifndef LUCET_MODULE_SIPHASH_H
#define LUCET_MODULE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct lucet_siphash_key {
    uint64_t words[2];
};

/* From the system; without randomness (which no supported kernel refuses) what there is. */
struct lucet_siphash_key lucet_siphash_key(void);
uint64_t lucet_siphash(struct lucet_siphash_key key, const void *bytes, size_t size);

#endif
