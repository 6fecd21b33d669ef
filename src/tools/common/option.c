#include "tools/common/option.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST_NAME = 40 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters must be inserted, left out or changed to make `b` of `a`. */
static size_t distance(const char *a, size_t a_size, const char *b)
{
    const size_t b_size = strlen(b);
    size_t row[LONGEST_NAME + 1];

    if (a_size > LONGEST_NAME || b_size > LONGEST_NAME)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            const size_t above = row[j];
            row[j] = least(diagonal + (a[i - 1] != b[j - 1]), least(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[b_size];
}

/* The one that a slip of the fingers explains, or NULL. */
static const char *nearest(const struct option *options, int hidden, const char *name, size_t size)
{
    const char *found = NULL;
    size_t best = size < 5 ? 2 : 3; /* less than that */

    for (const struct option *o = options; o->name; o++) {
        const size_t d = o->val == hidden ? SIZE_MAX : distance(name, size, o->name);
        if (d < best) {
            best = d;
            found = o->name;
        }
    }
    return found;
}

/* Of an abbreviation that stands for several: writes them all. */
static bool is_ambiguous(const struct option *options, int hidden, const char *name, size_t size,
                         char *list, size_t list_size)
{
    size_t count = 0;

    list[0] = '\0';
    for (const struct option *o = options; o->name; o++) {
        const size_t used = strlen(list);
        if (o->val == hidden || strncmp(o->name, name, size) != 0)
            continue;
        snprintf(list + used, list_size - used, "%s--%s", count++ ? ", " : "", o->name);
    }
    return count > 1;
}

static const struct option *by_value(const struct option *options, int value)
{
    while (options->name && options->val != value)
        options++;
    return options->name ? options : NULL;
}

/* An option by its long name, of which more than one or none begins like that. */
static void explain_name(const struct option *options, int hidden, const char *name, size_t length,
                         char *text, size_t size)
{
    const int shown = (int)least(length, 100);
    const char *meant = nearest(options, hidden, name, length);
    char list[200];

    if (is_ambiguous(options, hidden, name, length, list, sizeof list))
        snprintf(text, size, "--%.*s may be %s", shown, name, list);
    else if (meant)
        snprintf(text, size, "there is no option --%.*s; did you mean --%s?", shown, name, meant);
    else
        snprintf(text, size, "there is no option --%.*s", shown, name);
}

const char *tool_option_problem(const struct option *options, int hidden, int verdict, char **argv,
                                char *text, size_t size)
{
    const char *culprit = argv[optind - 1];
    const struct option *known = by_value(options, optopt);

    if (verdict == ':')
        snprintf(text, size, "%.100s needs an argument", culprit);
    else if (optopt == 0)
        explain_name(options, hidden, culprit + 2, strcspn(culprit + 2, "="), text, size);
    else if (known)
        snprintf(text, size, "--%s takes no argument", known->name);
    else
        snprintf(text, size, "there is no option -%c", optopt);
    return text;
}
