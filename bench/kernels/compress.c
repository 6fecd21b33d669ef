/* Compression by references to what came before, and its undoing: unaligned bytes, hashing,
 * copies. */
#include "kernel.h"

#define SIZE (1 << 21)

static unsigned char input[SIZE], packed[SIZE * 2], output[SIZE];
static uint32_t last[1 << 14];

static uint32_t four(const unsigned char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

/* Tokens: LENGTH DISTANCE(2), a copy, when LENGTH > 0; else 0 BYTE. */
static size_t pack(void)
{
    size_t out = 0;
    memset(last, 0, sizeof last);
    for (size_t i = 0; i < SIZE;) {
        size_t length = 0, from = 0;
        if (i + 4 <= SIZE) {
            const uint32_t h = four(input + i) * 2654435761u >> 18;
            from = last[h];
            last[h] = (uint32_t)i;
            if (from < i && i - from < 65536)
                while (length < 255 && i + length < SIZE &&
                       input[from + length] == input[i + length])
                    length++;
        }
        packed[out++] = length >= 4 ? (unsigned char)length : 0;
        if (length >= 4) {
            packed[out++] = (unsigned char)(i - from);
            packed[out++] = (unsigned char)((i - from) >> 8);
            i += length;
        } else {
            packed[out++] = input[i++];
        }
    }
    return out;
}

static void unpack(size_t size)
{
    size_t out = 0;
    for (size_t i = 0; i < size;) {
        const size_t length = packed[i++];
        if (length == 0) {
            output[out++] = packed[i++];
            continue;
        }
        const size_t distance = packed[i] | (size_t)packed[i + 1] << 8;
        i += 2;
        for (size_t k = 0; k < length; k++, out++)
            output[out] = output[out - distance];
    }
}

static uint64_t kernel(void)
{
    uint32_t state = 7;
    for (size_t i = 0; i < SIZE; i++)
        input[i] = random_next(&state) % 5 || i < 64 ? (unsigned char)(i % 61)
                                                     : input[i - 1 - random_next(&state) % 64];
    const size_t size = pack();
    unpack(size);
    return (uint64_t)size << 1 | (memcmp(input, output, SIZE) == 0);
}
