#include "changes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void expect_read(struct sample *s, const char *refused, const char *what)
{
    struct lucet_artifact a;
    struct lucet_artifact_error err;
    const bool good = lucet_artifact_read(s->bytes, s->size, &a, &err);

    if (good && refused)
        fail_msg("%s: accepted instead of \"%s\"", what, refused);
    if (!good && !refused)
        fail_msg("%s: refused: %s", what, err.text);
    if (!good && !strstr(err.text, refused))
        fail_msg("%s: \"%s\" is not in \"%s\"", what, refused, err.text);
    free(s->bytes);
}

void expect_changes(const struct change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sample s = sample_build_roomy(32 << 10);
        char what[32];
        snprintf(what, sizeof what, "change %zu", i);
        changes[i].apply(&s, sample_header(&s));
        expect_read(&s, changes[i].refused, what);
    }
}
