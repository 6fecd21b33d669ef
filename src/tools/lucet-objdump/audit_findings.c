#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/lucet-objdump/audit_unit.h"

static bool make_room(struct audit_report *r)
{
    if (r->nfindings < r->room)
        return true;
    const uint32_t room = r->room ? 2 * r->room : 64;
    struct audit_finding *more = realloc(r->findings, room * sizeof *more);
    if (!more)
        return false;
    r->findings = more;
    r->room = room;
    return true;
}

bool audit_found(struct audit_report *r, const struct audit_unit *u, enum audit_finding_kind kind,
                 bool violation, uint32_t at, const char *format, ...)
{
    struct audit_counts *counts = &r->classes[u->fn->class];
    va_list args;

    counts->findings[kind]++;
    counts->violations += violation;
    if (r->nfindings == AUDIT_MAX_FINDINGS)
        return true;
    if (!make_room(r))
        return false;
    struct audit_finding *f = &r->findings[r->nfindings++];
    *f = (struct audit_finding){
        .function = u->number, .at = at, .kind = kind, .violation = violation};
    va_start(args, format);
    vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
    return true;
}
