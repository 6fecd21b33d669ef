/* Words counted in a hash table with chains: strings, bytes, pointers. */
#include "kernel.h"

#define BUCKETS 4096

struct entry {
    struct entry *next;
    uint32_t count;
    char word[12];
};

static struct entry *table[BUCKETS];
static char text[1 << 20];

static void make_text(void)
{
    uint32_t state = 99;
    size_t i = 0;
    while (i + 12 < sizeof text) {
        const uint32_t length = 2 + random_next(&state) % 4;
        for (uint32_t k = 0; k < length; k++)
            text[i++] = (char)('a' + random_next(&state) % 11);
        text[i++] = ' ';
    }
}

static void count(const char *word, size_t length)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)word[i]) * 16777619u;
    struct entry **slot = &table[h % BUCKETS];
    for (struct entry *e = *slot; e; e = e->next)
        if (strncmp(e->word, word, length) == 0 && e->word[length] == 0) {
            e->count++;
            return;
        }
    struct entry *e = calloc(1, sizeof *e);
    memcpy(e->word, word, length);
    e->count = 1;
    e->next = *slot;
    *slot = e;
}

static uint64_t kernel(void)
{
    uint64_t sum = 0;
    make_text();
    for (const char *p = text, *end; *p; p = end + 1) {
        end = strchr(p, ' ');
        count(p, (size_t)(end - p));
    }
    for (int i = 0; i < BUCKETS; i++)
        while (table[i]) {
            struct entry *e = table[i];
            sum = sum * 3 + e->count;
            table[i] = e->next;
            free(e);
        }
    return sum;
}
