/* What this processor has: looked at once, before the first region exists. */
#include "runtime/x86_64/machine.h"

#include <cpuid.h>

#include "module/cpu.h"
#include "runtime/activation.h"

bool lucet__have_fsgsbase;
uint8_t lucet__vector_level;
uint8_t lucet__xsave_kind;
uint64_t lucet__xsave_mask;
uint32_t lucet__xsave_size, lucet__xsave_standard_size, lucet__xsave_largest;
struct xsave_component lucet__xsave_components[63];

#define FXSAVE_SIZE 512u
#define LEGACY_SIZE 416u /* components 0 and 1; what follows is nobody's */
#define XSAVE_HEADER 64u
/* Components that are no registers of guests: the rights of memory keys, which are the thread's,
 * and tiles (AMX), which guests have no instructions for and which are large. */
#define NOT_GUESTS (UINT64_C(1) << LUCET__XSAVE_RIGHTS | UINT64_C(3) << 17)

static uint64_t enabled_components(void)
{
    uint32_t low, high;

    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Some kernels that do without keys of memory (`nopku`) leave the component enabled. */
static bool has_rights(void)
{
    uint32_t a, b, c, d;

    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && c >> 4 & 1; /* OSPKE */
}

/* Where the enabled components are in the standard format; room for those of guests in it, and in
 * the compacted one. */
static void look_at_components(uint64_t enabled)
{
    const uint64_t mask = lucet__xsave_mask;
    uint32_t standard = FXSAVE_SIZE + XSAVE_HEADER, compacted = standard;
    uint32_t size, offset, flags, unused;

    for (unsigned i = 2; i < 63; i++) {
        if (!(enabled >> i & 1) || !__get_cpuid_count(0xd, i, &size, &offset, &flags, &unused))
            continue;
        if (i != LUCET__XSAVE_RIGHTS || has_rights())
            lucet__xsave_components[i] = (struct xsave_component){offset, size};
        lucet__xsave_largest =
            offset + size > lucet__xsave_largest ? offset + size : lucet__xsave_largest;
        if (!(mask >> i & 1))
            continue;
        standard = offset + size > standard ? offset + size : standard;
        compacted = (flags & 2 ? (compacted + 63) & ~63u : compacted) + size;
    }
    lucet__xsave_components[0].size = LEGACY_SIZE;
    lucet__xsave_standard_size = standard;
    lucet__xsave_size = standard > compacted ? standard : compacted;
}

static void look_at_xsave(void)
{
    uint32_t a, b, c, d;

    lucet__xsave_kind = 0;
    lucet__xsave_size = FXSAVE_SIZE;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) /* OSXSAVE */
        return;
    lucet__xsave_mask = enabled_components() & ~NOT_GUESTS;
    look_at_components(enabled_components());
    lucet__xsave_kind = __get_cpuid_count(0xd, 1, &a, &b, &c, &d) && a >> 1 & 1 ? 2 : 1;
}

void machine_look(void)
{
    uint64_t features = lucet_cpu_features();

    lucet__have_fsgsbase = lucet_cpu_has_fsgsbase();
    lucet__vector_level = lucet_cpu_is_avx512(features) ? 2 : features >> LUCET_CPU_avx & 1;
    look_at_xsave();
}
