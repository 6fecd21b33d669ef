/* Instructions of AVX-512 are found in objects, each form of them alone; others are not taken for
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <llvm-c/Core.h>
#include <llvm-c/Target.h>

#include "lucetc/evex.h"
#include "lucetc/target.h"

static char path[] = "/tmp/lucet-evex-XXXXXX";
static struct compilation c;
static LLVMTargetMachineRef machine;
static const struct lucetc_options options = {.target_cpu = "icelake-server"};

static int begin(void **state)
{
    (void)state;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    c.options = &options;
    assert_int_equal(target_resolve(&c), lucet_error_ok);
    machine = target_machine(&c, lucetc_opt_none);
    LLVMInitializeX86AsmParser();
    return machine ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    LLVMDisposeTargetMachine(machine);
    target_free(&c.target);
    return unlink(path);
}

static bool is_found(const char *assembly)
{
    char text[256], *message = NULL;
    LLVMContextRef context = LLVMContextCreate();
    LLVMModuleRef module = LLVMModuleCreateWithNameInContext("evex", context);
    const int n =
        snprintf(text, sizeof text, ".intel_syntax noprefix\n%s\n.att_syntax\n", assembly);

    LLVMSetTarget(module, c.target.triple);
    LLVMSetModuleInlineAsm2(module, text, (size_t)n);
    if (LLVMTargetMachineEmitToFile(machine, module, path, LLVMObjectFile, &message))
        fail_msg("%s: %s", assembly, message);
    LLVMDisposeModule(module);
    LLVMContextDispose(context);
    return evex_in_object(&c, path);
}

static void each_form_is_found(void **state)
{
    static const char *const forms[] = {
        "vpxord zmm16, zmm16, zmm16",
        "vpmullq xmm0, xmm1, xmm2",
        "vmovdqu64 xmm17, [rdi]",
        "vmovdqu64 xmm0, gs:[edi]",
        "vcvtusi2sd xmm0, xmm0, rdi",
        "vaddsd xmm20, xmm0, xmm0",
        "vpcmpeqb k1, xmm0, xmm1",
        "vpmovm2b xmm0, k1",
        "kmovb eax, k1",
        "kmovw k1, eax",
        "kmovd k1, eax",
        "kmovq rax, k1",
        "kmovq k1, gs:[edi]",
        "kmovq [r9], k1",
        "kandw k1, k2, k3",
        "kandnq k1, k2, k3",
        "knotb k1, k2",
        "korq k1, k2, k3",
        "kxnord k1, k2, k3",
        "kxorw k1, k2, k3",
        "kaddq k1, k2, k3",
        "kunpckbw k1, k2, k3",
        "kortestw k0, k1",
        "ktestb k0, k1",
        "kshiftrb k1, k2, 3",
        "kshiftrw k1, k2, 3",
        "kshiftrd k1, k2, 3",
        "kshiftrq k1, k2, 3",
        "kshiftlb k1, k2, 3",
        "kshiftlw k1, k2, 3",
        "kshiftld k1, k2, 3",
        "kshiftlq k1, k2, 3",
    };

    (void)state;
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++)
        if (!is_found(forms[k]))
            fail_msg("%s is not found", forms[k]);
}

/* Some have the opcodes of the others in another map or encoding, or 0x62 inside. */
static void others_are_not(void **state)
{
    static const char *const others[] = {
        "nop",
        "xor eax, eax\nret",
        "mov eax, 0x62626262",
        "cmovb eax, ecx",
        "seta al",
        "cpuid",
        "ud1 eax, dword ptr [eax + 98]",
        "vpxor ymm15, ymm15, ymm15",
        "vmovdqu ymm0, gs:[edi]",
        "vpshufb xmm9, xmm9, xmm10",
        "vpunpcklbw xmm0, xmm0, xmm1",
        "vfmadd213sd xmm0, xmm1, xmm2",
        "vinserti128 ymm0, ymm1, xmm2, 1",
        "vblendvps ymm0, ymm1, ymm2, ymm3",
        "vpblendvb xmm0, xmm1, xmm2, xmm3",
        "vpmovsxwd xmm0, xmm1",
        "vpmovzxwd ymm0, xmm1",
        "vaesenc xmm0, xmm1, xmm2",
        "rorx rax, rcx, 48",
        "lock xadd qword ptr gs:[edi], rax",
        ".p2align 6\nret\n.p2align 6\nret",
    };

    (void)state;
    for (size_t k = 0; k < sizeof others / sizeof *others; k++)
        if (is_found(others[k]))
            fail_msg("%s is taken for one", others[k]);
}

static void what_cannot_be_read_counts(void **state)
{
    (void)state;
    assert_true(is_found("nop\n.byte 6")); /* no instruction in this mode */
    assert_true(evex_in_object(&c, "/nonexistent"));
    FILE *f = fopen(path, "w");
    assert_true(f != NULL);
    if (f) {
        fputs("no object", f);
        fclose(f);
    }
    assert_true(evex_in_object(&c, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_found),
        cmocka_unit_test(others_are_not),
        cmocka_unit_test(what_cannot_be_read_counts),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
