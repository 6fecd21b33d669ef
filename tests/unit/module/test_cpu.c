/* What artifacts may need of a processor, of forged ones. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "module/cpu.h"

#define BIT(name) (UINT64_C(1) << LUCET_CPU_##name)
#define AVX512                                                                                     \
    (BIT(avx512f) | BIT(avx512bw) | BIT(avx512dq) | BIT(avx512vl) | BIT(avx512cd) |                \
     BIT(avx512ifma) | BIT(avx512vbmi) | BIT(avx512vbmi2) | BIT(avx512vnni) | BIT(avx512bitalg) |  \
     BIT(avx512vpopcntdq))

enum { YMM = 0x07, ZMM = 0xe7 };

static const struct lucet_cpuid everything = {
    .leaf1_ecx = UINT32_MAX,
    .leaf7_ebx = UINT32_MAX,
    .leaf7_ecx = UINT32_MAX,
    .leaf7_1_eax = UINT32_MAX,
    .extended_ecx = UINT32_MAX,
    .xcr0 = ZMM,
    .fsgsbase = true,
};

static void a_processor_with_everything(void **state)
{
    (void)state;
    assert_int_equal(lucet_cpu_features_of(&everything), BIT(other) - 1);
    assert_int_equal(lucet_cpu_features_of(&(struct lucet_cpuid){.fsgsbase = false}), 0);
}

static void what_the_system_does_not_save_is_not_there(void **state)
{
    struct lucet_cpuid id = everything;

    (void)state;
    id.xcr0 = YMM;
    assert_int_equal(lucet_cpu_features_of(&id), (BIT(other) - 1) & ~AVX512);
    id.xcr0 = 3;
    assert_false(lucet_cpu_features_of(&id) &
                 (AVX512 | BIT(avx) | BIT(avx2) | BIT(fma) | BIT(f16c) | BIT(vaes) | BIT(avxvnni)));
    assert_true(lucet_cpu_features_of(&id) & BIT(sse4_2));
    id = everything;
    id.fsgsbase = false;
    assert_int_equal(lucet_cpu_features_of(&id), (BIT(other) - 1) & ~BIT(fsgsbase));
}

/* The runtime could not clear their registers. */
static void avx512_without_vl_is_none(void **state)
{
    struct lucet_cpuid id = everything;

    (void)state;
    id.leaf7_ebx &= ~(UINT32_C(1) << 31);
    assert_int_equal(lucet_cpu_features_of(&id), (BIT(other) - 1) & ~AVX512);
    assert_false(lucet_cpu_is_avx512(lucet_cpu_features_of(&id)));
    id = everything;
    id.leaf7_ebx &= ~(UINT32_C(1) << 16); /* nor others without F: a hypervisor's whim */
    assert_int_equal(lucet_cpu_features_of(&id), (BIT(other) - 1) & ~AVX512);
}

static void features_bring_what_they_need(void **state)
{
    const uint64_t f = lucet_cpu_with(0, LUCET_CPU_avx512f);

    (void)state;
    assert_int_equal(f, BIT(sse3) | BIT(ssse3) | BIT(sse4_1) | BIT(sse4_2) | BIT(avx) | BIT(avx2) |
                            BIT(fma) | BIT(f16c) | BIT(avx512f));
    assert_int_equal(lucet_cpu_with(0, LUCET_CPU_avx512vbmi), f | BIT(avx512bw) | BIT(avx512vbmi));
    assert_int_equal(lucet_cpu_without(BIT(other) - 1, LUCET_CPU_avx512f),
                     (BIT(other) - 1) & ~AVX512);
    assert_int_equal(lucet_cpu_without(f, LUCET_CPU_avx2), f & ~(BIT(avx2) | BIT(avx512f)));
    assert_int_equal(lucet_cpu_without(BIT(bmi) | BIT(bmi2), LUCET_CPU_bmi), BIT(bmi2));
}

static void any_of_avx512_has_its_registers(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < LUCET_CPU_other; bit++)
        assert_int_equal(lucet_cpu_is_avx512(UINT64_C(1) << bit), AVX512 >> bit & 1);
    assert_false(lucet_cpu_is_avx512((BIT(other) - 1) & ~AVX512));
}

/* This one's. */
static void nothing_lacks_what_it_needs(void **state)
{
    const uint64_t here = lucet_cpu_features();

    (void)state;
    for (unsigned bit = 0; bit < LUCET_CPU_other; bit++)
        if (here >> bit & 1)
            assert_int_equal(lucet_cpu_with(here, bit), here);
    assert_int_equal(lucet_cpu_is_avx512(here), here >> LUCET_CPU_avx512vl & 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_processor_with_everything),
        cmocka_unit_test(what_the_system_does_not_save_is_not_there),
        cmocka_unit_test(avx512_without_vl_is_none),
        cmocka_unit_test(features_bring_what_they_need),
        cmocka_unit_test(any_of_avx512_has_its_registers),
        cmocka_unit_test(nothing_lacks_what_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
