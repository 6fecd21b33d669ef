/* SHA-256: rotations and additions of 32-bit numbers in straight lines. The constants are computed,
 * as the standard defines them: from roots of primes. */
#include <math.h>

#include "kernel.h"

static uint32_t constants[64];

static uint32_t rotated(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void make_constants(void)
{
    int found = 0;
    for (int n = 2; found < 64; n++) {
        int prime = 1;
        for (int d = 2; d * d <= n; d++)
            prime &= n % d != 0;
        if (prime) {
            const double root = cbrt((double)n);
            constants[found++] = (uint32_t)((root - floor(root)) * 4294967296.0);
        }
    }
}

static void block(uint32_t state[8], const unsigned char *p)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        const uint32_t x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (rotated(x, 7) ^ rotated(x, 18) ^ x >> 3) +
               (rotated(y, 17) ^ rotated(y, 19) ^ y >> 10);
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        const uint32_t e = s[4], a = s[0];
        const uint32_t t1 = s[7] + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) +
                            ((e & s[5]) ^ (~e & s[6])) + constants[i] + w[i];
        const uint32_t t2 = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) +
                            ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

static uint64_t kernel(void)
{
    static unsigned char data[1 << 16];
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    make_constants();
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 31 >> 3);
    for (int round = 0; round < 160; round++)
        for (size_t i = 0; i < sizeof data; i += 64)
            block(state, data + i);
    return (uint64_t)state[0] << 32 | state[7];
}
