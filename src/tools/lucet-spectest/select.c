/* Which files are run: those on the command line, and those of a manifest. */
#include "tools/lucet-spectest/spectest.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

struct selection {
    const struct options *o;
    struct file_result *results;
    size_t n;
};

/* Patterns are the shell's, anywhere in the name when they have no wildcard. */
static bool matches(const char *pattern, const struct file_result *r)
{
    const char *slash = r->group ? strchr(r->name, '/') : NULL;

    if (!strpbrk(pattern, "*?["))
        return strstr(r->name, pattern) != NULL;
    return fnmatch(pattern, r->name, 0) == 0 || (slash && fnmatch(pattern, slash + 1, 0) == 0);
}

static void skip(struct file_result *r, const char *reason)
{
    r->done = true;
    r->total = 1;
    result_skip(r, reason, 1);
}

/* NULL when the filter does not let it through. */
static struct file_result *add(struct selection *s, const char *path, const char *group)
{
    struct file_result *more = realloc(s->results, (s->n + 1) * sizeof *more);

    if (!more)
        abort();
    s->results = more;
    struct file_result *r = &more[s->n];
    result_init(r, path, group);
    if (s->o->filter && !matches(s->o->filter, r)) {
        result_free(r);
        return NULL;
    }
    s->n++;
    for (size_t i = 0; i < s->o->nskips && !r->done; i++) {
        if (matches(s->o->skips[i], r))
            skip(r, "files left out by name");
    }
    return r;
}

static _Noreturn void bad_manifest(const struct options *o, unsigned line, const char *what)
{
    fprintf(stderr, "lucet-spectest: %s:%u: %s\n", o->manifest, line, what);
    exit(2);
}

/* "12,345 REASON" */
static bool add_exceptions(struct file_result *r, char *text)
{
    char *lines = strsep(&text, " "), *line;

    while (text && (line = strsep(&lines, ","))) {
        if (r->nexceptions == MAX_EXCEPTIONS)
            return false;
        r->exceptions[r->nexceptions++] =
            (struct exception){(unsigned)strtoul(line, NULL, 10), strdup(text)};
    }
    return text != NULL;
}

static bool apply(struct file_result *r, char *what)
{
    if (strncmp(what, "skip ", 5) == 0)
        skip(r, what + 5);
    else if (strcmp(what, "gc") == 0)
        r->some_gc = true;
    else if (strncmp(what, "features ", 9) == 0)
        r->features = strdup(what + 9);
    else if (strncmp(what, "except ", 7) == 0)
        return add_exceptions(r, what + 7);
    else
        return strcmp(what, "run") == 0;
    return true;
}

static void add_line(struct selection *s, char *text, unsigned line)
{
    const char *group = strsep(&text, "\t"), *path = strsep(&text, "\t");
    char *what;

    if (!path || !text)
        bad_manifest(s->o, line, "not three fields");
    struct file_result *r = add(s, path, group);
    while (r && !r->done && (what = strsep(&text, "\t"))) {
        if (!apply(r, what))
            bad_manifest(s->o, line, "something else than run, features, gc, except and skip");
    }
}

static void add_manifest(struct selection *s)
{
    FILE *in = fopen(s->o->manifest, "r");
    char *text = NULL;
    size_t room = 0;

    if (!in)
        bad_manifest(s->o, 0, strerror(errno));
    for (unsigned line = 1; getline(&text, &room, in) >= 0; line++) {
        text[strcspn(text, "\n")] = '\0';
        add_line(s, text, line);
    }
    free(text);
    fclose(in);
}

struct file_result *select_files(const struct options *o, size_t *n)
{
    struct selection s = {.o = o};

    if (o->manifest)
        add_manifest(&s);
    for (size_t i = 0; i < o->nfiles; i++)
        add(&s, o->files[i], NULL);
    *n = s.n;
    return s.results;
}
