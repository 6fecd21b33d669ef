#include "tools/lucet-spectest/spectest.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Other words of the suite for a trap, beside lucet_trapcode_message(). */
static const struct {
    const char *text;
    enum lucet_trapcode code;
} other_words[] = {
    {"undefined", lucet_trapcode_table_out_of_bounds},
    {"out of bounds table access", lucet_trapcode_table_out_of_bounds},
    {"element segment dropped", lucet_trapcode_table_out_of_bounds},
    {"elements segment does not fit", lucet_trapcode_table_out_of_bounds},
    {"data segment does not fit", lucet_trapcode_heap_out_of_bounds},
    {"data segment dropped", lucet_trapcode_heap_out_of_bounds},
    {"call stack exhausted", lucet_trapcode_stack_overflow},
    {"null function", lucet_trapcode_indirect_call_to_null},
};

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool expect_trap(const char *text, enum lucet_trapcode code)
{
    const char *message = lucet_trapcode_message(code);

    /* "uninitialized element 2" is the suite's "uninitialized element". */
    if (begins(text, message) || begins(message, text))
        return true;
    for (size_t i = 0; i < sizeof other_words / sizeof other_words[0]; i++) {
        if (other_words[i].code == code && begins(text, other_words[i].text))
            return true;
    }
    return false;
}

bool expect_unlinkable(const char *text, const struct module_outcome *o)
{
    if (o->failed_at != STAGE_INSTANTIATE)
        return false;
    if (begins(text, "unknown import"))
        return o->error == lucet_error_module;
    if (begins(text, "incompatible import type"))
        return o->error == lucet_error_type_mismatch;
    /* WebAssembly 1.0 counted segments out of bounds among the linker's errors. */
    if (o->error == lucet_error_runtime_fault)
        return expect_trap(text, o->trap);
    return o->error == lucet_error_module || o->error == lucet_error_type_mismatch;
}

/* Whether `word` of `length` characters stands in `text`, in either case. */
static bool has_word(const char *text, const char *word, size_t length)
{
    for (; *text; text++) {
        if (strncasecmp(text, word, length) == 0)
            return true;
    }
    return false;
}

bool expect_similar(const char *expected, const char *actual)
{
    const char *p = expected;
    unsigned words = 0, found = 0;

    while (*p) {
        const char *word = p;
        while (isalnum((unsigned char)*p) || *p == '_' || *p == '.')
            p++;
        if (p - word > 3) {
            words++;
            found += has_word(actual, word, (size_t)(p - word));
        }
        if (*p)
            p++;
    }
    return found * 2 >= words;
}
