/* Which CPU features this machine offers, and what LLVM calls them. */
#include "module/cpu.h"

#include <string.h>
#include <sys/auxv.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const llvm_names[] = {
    [LUCET_CPU_sse3] = "sse3",
    [LUCET_CPU_ssse3] = "ssse3",
    [LUCET_CPU_sse4_1] = "sse4.1",
    [LUCET_CPU_sse4_2] = "sse4.2",
    [LUCET_CPU_popcnt] = "popcnt",
    [LUCET_CPU_cx16] = "cx16",
    [LUCET_CPU_sahf] = "sahf",
    [LUCET_CPU_avx] = "avx",
    [LUCET_CPU_avx2] = "avx2",
    [LUCET_CPU_bmi] = "bmi",
    [LUCET_CPU_bmi2] = "bmi2",
    [LUCET_CPU_lzcnt] = "lzcnt",
    [LUCET_CPU_movbe] = "movbe",
    [LUCET_CPU_fma] = "fma",
    [LUCET_CPU_f16c] = "f16c",
    [LUCET_CPU_fsgsbase] = "fsgsbase",
    [LUCET_CPU_adx] = "adx",
    [LUCET_CPU_aes] = "aes",
    [LUCET_CPU_pclmul] = "pclmul",
    [LUCET_CPU_sha] = "sha",
    [LUCET_CPU_gfni] = "gfni",
    [LUCET_CPU_vaes] = "vaes",
    [LUCET_CPU_vpclmulqdq] = "vpclmulqdq",
    [LUCET_CPU_avx512f] = "avx512f",
    [LUCET_CPU_avx512bw] = "avx512bw",
    [LUCET_CPU_avx512dq] = "avx512dq",
    [LUCET_CPU_avx512vl] = "avx512vl",
    [LUCET_CPU_avx512cd] = "avx512cd",
    [LUCET_CPU_avx512ifma] = "avx512ifma",
    [LUCET_CPU_avx512vbmi] = "avx512vbmi",
    [LUCET_CPU_avx512vbmi2] = "avx512vbmi2",
    [LUCET_CPU_avx512vnni] = "avx512vnni",
    [LUCET_CPU_avx512bitalg] = "avx512bitalg",
    [LUCET_CPU_avx512vpopcntdq] = "avx512vpopcntdq",
    [LUCET_CPU_avxvnni] = "avxvnni",
    [LUCET_CPU_other] = NULL,
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

const char *lucet_cpu_feature_llvm_name(unsigned bit)
{
    return bit < LENGTH(llvm_names) ? llvm_names[bit] : NULL;
}

int lucet_cpu_feature_from_llvm_name(const char *name)
{
    for (unsigned i = 0; i < LENGTH(llvm_names); i++)
        if (llvm_names[i] && strcmp(llvm_names[i], name) == 0)
            return (int)i;
    return -1;
}

void lucet_cpu_feature_list(uint64_t set, char *buf, size_t size)
{
    size_t used = 0;

    if (size == 0)
        return;
    buf[0] = '\0';
    for (unsigned bit = 0; bit < 64; bit++) {
        if (!(set >> bit & 1))
            continue;
        const char *name = lucet_cpu_feature_llvm_name(bit);
        name = name ? name : bit == LUCET_CPU_other ? "other" : "unknown";
        size_t length = strlen(name);
        if (used + length + 2 > size)
            return;
        if (used)
            buf[used++] = ' ';
        memcpy(buf + used, name, length + 1);
        used += length;
    }
}

/* ---- What features need ---- */

#define BIT(name) (UINT64_C(1) << LUCET_CPU_##name)

/* As LLVM has it: asking for one switches on what it needs, and switching one off what needs it. */
static const uint64_t needs[64] = {
    [LUCET_CPU_ssse3] = BIT(sse3),
    [LUCET_CPU_sse4_1] = BIT(ssse3),
    [LUCET_CPU_sse4_2] = BIT(sse4_1),
    [LUCET_CPU_avx] = BIT(sse4_2),
    [LUCET_CPU_avx2] = BIT(avx),
    [LUCET_CPU_fma] = BIT(avx),
    [LUCET_CPU_f16c] = BIT(avx),
    [LUCET_CPU_vaes] = BIT(avx2) | BIT(aes),
    [LUCET_CPU_vpclmulqdq] = BIT(avx) | BIT(pclmul),
    [LUCET_CPU_avxvnni] = BIT(avx2),
    [LUCET_CPU_avx512f] = BIT(avx2) | BIT(fma) | BIT(f16c),
    [LUCET_CPU_avx512bw] = BIT(avx512f),
    [LUCET_CPU_avx512dq] = BIT(avx512f),
    [LUCET_CPU_avx512vl] = BIT(avx512f),
    [LUCET_CPU_avx512cd] = BIT(avx512f),
    [LUCET_CPU_avx512ifma] = BIT(avx512f),
    [LUCET_CPU_avx512vbmi] = BIT(avx512bw),
    [LUCET_CPU_avx512vbmi2] = BIT(avx512bw),
    [LUCET_CPU_avx512vnni] = BIT(avx512f),
    [LUCET_CPU_avx512bitalg] = BIT(avx512bw),
    [LUCET_CPU_avx512vpopcntdq] = BIT(avx512f),
};

uint64_t lucet_cpu_with(uint64_t set, unsigned bit)
{
    uint64_t before = 0;

    set |= UINT64_C(1) << bit;
    while (set != before) {
        before = set;
        for (unsigned i = 0; i < 64; i++)
            if (set >> i & 1)
                set |= needs[i];
    }
    return set;
}

uint64_t lucet_cpu_without(uint64_t set, unsigned bit)
{
    uint64_t before = 0;

    set &= ~(UINT64_C(1) << bit);
    while (set != before) {
        before = set;
        for (unsigned i = 0; i < 64; i++)
            if (needs[i] & ~set)
                set &= ~(UINT64_C(1) << i);
    }
    return set;
}

bool lucet_cpu_is_avx512(uint64_t set)
{
    for (unsigned i = 0; i < 64; i++)
        if (set >> i & 1 && (i == LUCET_CPU_avx512f || needs[i] & (BIT(avx512f) | BIT(avx512bw))))
            return true;
    return false;
}

#if defined(__x86_64__)

bool lucet_cpu_has_fsgsbase(void)
{
    /* The CPUID bit is not enough: the kernel must have set CR4.FSGSBASE, which it says here. */
    return (getauxval(AT_HWCAP2) & 2) != 0;
}

struct feature_bit {
    uint8_t feature, bit;
};

static uint64_t collect(uint32_t reg, const struct feature_bit *bits, size_t count)
{
    uint64_t set = 0;

    for (size_t i = 0; i < count; i++)
        if (reg >> bits[i].bit & 1)
            set |= UINT64_C(1) << bits[i].feature;
    return set;
}
#define COLLECT(reg, ...)                                                                          \
    collect((reg), (const struct feature_bit[]){__VA_ARGS__},                                      \
            LENGTH(((const struct feature_bit[]){__VA_ARGS__})))

static uint64_t features_without_state(const struct lucet_cpuid *id)
{
    return COLLECT(id->leaf1_ecx, {LUCET_CPU_sse3, 0}, {LUCET_CPU_ssse3, 9}, {LUCET_CPU_sse4_1, 19},
                   {LUCET_CPU_sse4_2, 20}, {LUCET_CPU_popcnt, 23}, {LUCET_CPU_cx16, 13},
                   {LUCET_CPU_movbe, 22}, {LUCET_CPU_aes, 25}, {LUCET_CPU_pclmul, 1}) |
           COLLECT(id->leaf7_ebx, {LUCET_CPU_bmi, 3}, {LUCET_CPU_bmi2, 8}, {LUCET_CPU_adx, 19},
                   {LUCET_CPU_sha, 29}) |
           COLLECT(id->leaf7_ecx, {LUCET_CPU_gfni, 8}) |
           COLLECT(id->extended_ecx, {LUCET_CPU_sahf, 0}, {LUCET_CPU_lzcnt, 5}) |
           (id->fsgsbase ? BIT(fsgsbase) : 0);
}

static uint64_t avx_features(const struct lucet_cpuid *id)
{
    return COLLECT(id->leaf1_ecx, {LUCET_CPU_avx, 28}, {LUCET_CPU_fma, 12}, {LUCET_CPU_f16c, 29}) |
           COLLECT(id->leaf7_ebx, {LUCET_CPU_avx2, 5}) |
           COLLECT(id->leaf7_ecx, {LUCET_CPU_vaes, 9}, {LUCET_CPU_vpclmulqdq, 10}) |
           COLLECT(id->leaf7_1_eax, {LUCET_CPU_avxvnni, 4});
}

static uint64_t avx512_features(const struct lucet_cpuid *id)
{
    return COLLECT(id->leaf7_ebx, {LUCET_CPU_avx512f, 16}, {LUCET_CPU_avx512bw, 30},
                   {LUCET_CPU_avx512dq, 17}, {LUCET_CPU_avx512vl, 31}, {LUCET_CPU_avx512cd, 28},
                   {LUCET_CPU_avx512ifma, 21}) |
           COLLECT(id->leaf7_ecx, {LUCET_CPU_avx512vbmi, 1}, {LUCET_CPU_avx512vbmi2, 6},
                   {LUCET_CPU_avx512vnni, 11}, {LUCET_CPU_avx512bitalg, 12},
                   {LUCET_CPU_avx512vpopcntdq, 14});
}

uint64_t lucet_cpu_features_of(const struct lucet_cpuid *id)
{
    enum { YMM = 0x06, ZMM = 0xe6 }; /* bits of XCR0 */
    uint64_t set = features_without_state(id);

    if ((id->xcr0 & YMM) == YMM)
        set |= avx_features(id);
    if ((id->xcr0 & ZMM) == ZMM)
        set |= avx512_features(id);
    /* The runtime clears xmm16 to xmm31 with instructions of VL. AVX-512 without them, as the first
     * processors had it, is as good as none. */
    if (!(set & BIT(avx512vl)))
        set = lucet_cpu_without(set, LUCET_CPU_avx512f);
    return lucet_cpu_without(set, LUCET_CPU_other);
}

uint64_t lucet_cpu_features(void)
{
    struct lucet_cpuid id = {.fsgsbase = lucet_cpu_has_fsgsbase()};
    uint32_t a, b, c, d;

    if (__get_cpuid(1, &a, &b, &c, &d))
        id.leaf1_ecx = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        id.leaf7_ebx = b;
        id.leaf7_ecx = c;
    }
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d))
        id.leaf7_1_eax = a;
    if (__get_cpuid(0x80000001, &a, &b, &c, &d))
        id.extended_ecx = c;
    if (id.leaf1_ecx & bit_OSXSAVE)
        __asm__ volatile("xgetbv" : "=a"(id.xcr0), "=d"(d) : "c"(0));
    return lucet_cpu_features_of(&id);
}

#else

bool lucet_cpu_has_fsgsbase(void)
{
    return false;
}

uint64_t lucet_cpu_features(void)
{
    return 0;
}

#endif
