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

#if defined(__x86_64__)

bool lucet_cpu_has_fsgsbase(void)
{
    /* The CPUID bit is not enough: the kernel must have set CR4.FSGSBASE, which it says here. */
    return (getauxval(AT_HWCAP2) & 2) != 0;
}

/* Register sets whose state the operating system saves. */
static uint32_t enabled_state(uint32_t leaf1_ecx)
{
    uint32_t low, high;

    if (!(leaf1_ecx & bit_OSXSAVE))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
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

static uint64_t features_without_state(uint32_t *leaf1_ecx)
{
    uint32_t a, b, c, d;
    uint64_t set = 0;

    *leaf1_ecx = 0;
    if (__get_cpuid(1, &a, &b, &c, &d)) {
        *leaf1_ecx = c;
        set |= COLLECT(c, {LUCET_CPU_sse3, 0}, {LUCET_CPU_ssse3, 9}, {LUCET_CPU_sse4_1, 19},
                       {LUCET_CPU_sse4_2, 20}, {LUCET_CPU_popcnt, 23}, {LUCET_CPU_cx16, 13},
                       {LUCET_CPU_movbe, 22}, {LUCET_CPU_aes, 25}, {LUCET_CPU_pclmul, 1});
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        set |= COLLECT(b, {LUCET_CPU_bmi, 3}, {LUCET_CPU_bmi2, 8}, {LUCET_CPU_adx, 19},
                       {LUCET_CPU_sha, 29});
        set |= COLLECT(c, {LUCET_CPU_gfni, 8});
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d))
        set |= COLLECT(c, {LUCET_CPU_sahf, 0}, {LUCET_CPU_lzcnt, 5});
    if (lucet_cpu_has_fsgsbase())
        set |= UINT64_C(1) << LUCET_CPU_fsgsbase;
    return set;
}

static uint64_t avx_features(uint32_t leaf1_ecx)
{
    uint32_t a, b, c, d;
    uint64_t set =
        COLLECT(leaf1_ecx, {LUCET_CPU_avx, 28}, {LUCET_CPU_fma, 12}, {LUCET_CPU_f16c, 29});

    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        set |= COLLECT(b, {LUCET_CPU_avx2, 5});
        set |= COLLECT(c, {LUCET_CPU_vaes, 9}, {LUCET_CPU_vpclmulqdq, 10});
    }
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d))
        set |= COLLECT(a, {LUCET_CPU_avxvnni, 4});
    return set;
}

static uint64_t avx512_features(void)
{
    uint32_t a, b, c, d;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    return COLLECT(b, {LUCET_CPU_avx512f, 16}, {LUCET_CPU_avx512bw, 30}, {LUCET_CPU_avx512dq, 17},
                   {LUCET_CPU_avx512vl, 31}, {LUCET_CPU_avx512cd, 28}, {LUCET_CPU_avx512ifma, 21}) |
           COLLECT(c, {LUCET_CPU_avx512vbmi, 1}, {LUCET_CPU_avx512vbmi2, 6},
                   {LUCET_CPU_avx512vnni, 11}, {LUCET_CPU_avx512bitalg, 12},
                   {LUCET_CPU_avx512vpopcntdq, 14});
}

uint64_t lucet_cpu_features(void)
{
    enum { YMM = 0x06, ZMM = 0xe6 }; /* bits of XCR0 */
    uint32_t leaf1_ecx;
    uint64_t set = features_without_state(&leaf1_ecx);
    uint32_t state = enabled_state(leaf1_ecx);

    if ((state & YMM) == YMM)
        set |= avx_features(leaf1_ecx);
    if ((state & ZMM) == ZMM)
        set |= avx512_features();
    return set;
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
