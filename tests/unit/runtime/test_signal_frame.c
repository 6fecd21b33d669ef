/* Vector registers out of a signal's frame: what the kernel makes is taken, and nothing that is
 * otherwise. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "lucet/lucet.h"
#include "runtime/activation.h"
#include "runtime/x86_64/machine.h"
#include "runtime/x86_64/signal_frame.h"

#define SOFTWARE 464u
#define HEADER 512u
#define MAGIC2 0x46505845u

/* A frame as a handler found it. */
static ucontext_t found;
static uint8_t image[65536] __attribute__((aligned(64)));
static struct _fpx_sw_bytes software;

static ucontext_t context; /* whose stack is `image` */
static struct registers *out;

static void on_signal(int sig, siginfo_t *info, void *u)
{
    (void)sig, (void)info;
    found = *(ucontext_t *)u;
    memcpy(&software, (const uint8_t *)found.uc_mcontext.fpregs + SOFTWARE, sizeof(software));
    memcpy(image, found.uc_mcontext.fpregs, software.extended_size);
}

static void *at(uint64_t offset)
{
    return image + offset;
}

static void put64(uint64_t offset, uint64_t value)
{
    memcpy(at(offset), &value, sizeof(value));
}

static void put_software(const struct _fpx_sw_bytes *s)
{
    memcpy(at(SOFTWARE), s, sizeof(*s));
}

/* The frame that was found, at the end of a stack of its own. */
static void take_frame(void)
{
    const struct sigaction ours = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction before;

    memset(image, 0xee, sizeof(image));
    assert_int_equal(sigaction(SIGUSR1, &ours, &before), 0);
    raise(SIGUSR1);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    context = found;
    context.uc_stack.ss_sp = image;
    context.uc_stack.ss_size = software.extended_size;
    context.uc_mcontext.fpregs = (void *)image;
    memset(out, 0xa5, sizeof(*out) + lucet__xsave_size);
}

static bool taken(void)
{
    const size_t size = sizeof(*out) + lucet__xsave_size;
    uint8_t *before = malloc(size);

    memcpy(before, out, size);
    const bool yes = lucet__signal_frame_vectors(&context, out);
    if (!yes) /* half of it would be worse than nothing */
        assert_memory_equal(out, before, size);
    free(before);
    return yes;
}

static uint64_t header_of(const struct registers *r, unsigned k)
{
    uint64_t value;

    memcpy(&value, r->vectors + HEADER + 8 * k, sizeof(value));
    return value;
}

static void what_the_kernel_makes_is_taken(void **state)
{
    (void)state;
    if (lucet__xsave_kind == 0) {
        printf("skipped: no XSAVE\n");
        skip();
    }
    take_frame();
    assert_true(taken());
    assert_memory_equal(out->vectors + 24, image + 24, 4);     /* mxcsr */
    assert_memory_equal(out->vectors + 160, image + 160, 256); /* xmm0 to 15 */
    assert_int_equal(header_of(out, 0) & ~lucet__xsave_mask, 0);
    for (unsigned k = 1; k < 8; k++)
        assert_true(header_of(out, k) == 0);
    /* What is not the guest's is left, and so is what is as in the beginning. */
    take_frame();
    put64(HEADER, 3 | UINT64_C(1) << 17 | UINT64_C(1) << 62 | (UINT64_C(1) << LUCET__XSAVE_RIGHTS));
    assert_true(taken());
    assert_true(header_of(out, 0) == 3);
    for (size_t k = HEADER + 64; k < lucet__xsave_size; k++)
        assert_int_equal(out->vectors[k], 0xa5);
    for (unsigned i = 2; i < 9; i++) {
        const struct xsave_component *c = &lucet__xsave_components[i];
        if (!(lucet__xsave_mask >> i & 1) || c->size == 0)
            continue;
        take_frame();
        put64(HEADER, 3 | UINT64_C(1) << i | (UINT64_C(1) << LUCET__XSAVE_RIGHTS));
        memset(at(c->offset), (int)(0x10 + i), c->size);
        assert_true(taken());
        assert_memory_equal(out->vectors + c->offset, image + c->offset, c->size);
    }
}

/* ---- Everything else ---- */

static void no_frame(void)
{
    context.uc_mcontext.fpregs = NULL;
}
static void misaligned(void)
{
    memmove(image + 8, image, software.extended_size);
    context.uc_mcontext.fpregs = (void *)(image + 8);
    context.uc_stack.ss_size += 8;
}
static void below_the_stack(void)
{
    context.uc_stack.ss_sp = image + 64;
}
static void above_the_stack(void)
{
    context.uc_stack.ss_size = 0;
}
static void at_the_end_of_memory(void)
{
    uint8_t *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(p, MAP_FAILED);
    assert_int_equal(munmap(p + 4096, 4096), 0);
    context.uc_stack.ss_sp = p;
    context.uc_stack.ss_size = 4096;
    context.uc_mcontext.fpregs = (void *)(p + 4096 - 64);
}
static void longer_than_the_stack(void)
{
    context.uc_stack.ss_size -= 1;
}
static void another_mark(void)
{
    software.magic1 ^= 1;
}
static void no_second_mark(void)
{
    memset(at(software.xstate_size), 0, 4);
}
static void too_short(void)
{
    const uint32_t mark = MAGIC2;

    software.xstate_size = lucet__xsave_standard_size - 64;
    memcpy(at(software.xstate_size), &mark, sizeof(mark));
}
static void huge(void)
{
    software.xstate_size = UINT32_MAX - 2;
    software.extended_size = 2;
}
static void huge_outside(void)
{
    software.xstate_size = 0x7ffffff0;
    software.extended_size = 0x7ffffff4;
}
static void no_room_for_the_second_mark(void)
{
    software.extended_size = software.xstate_size + 3;
}
static void fewer_components(void)
{
    software.xstate_bv &= ~UINT64_C(4);
}
static void compacted(void)
{
    put64(HEADER + 8, UINT64_C(1) << 63 | lucet__xsave_mask);
}
static void reserved_bits_of_mxcsr(void)
{
    put64(24, 0x10000 | 0x1f80);
}
static void other_rights(void)
{
    const uint32_t rights = machine_rights() ^ 8;

    put64(HEADER, 3 | UINT64_C(1) << LUCET__XSAVE_RIGHTS);
    memcpy(at(lucet__xsave_components[LUCET__XSAVE_RIGHTS].offset), &rights, sizeof(rights));
}
static void initial_rights(void)
{
    put64(HEADER, 3);
}
static void rights_that_were_not_saved(void)
{
    software.xstate_bv &= ~(UINT64_C(1) << LUCET__XSAVE_RIGHTS);
}

static void nothing_else_is(void **state)
{
    static const struct {
        const char *name;
        void (*change)(void);
        bool of_rights;
    } changes[] = {
        {"no frame", no_frame, false},
        {"misaligned", misaligned, false},
        {"below the stack", below_the_stack, false},
        {"above the stack", above_the_stack, false},
        {"at the end of memory", at_the_end_of_memory, false},
        {"longer than the stack", longer_than_the_stack, false},
        {"another mark", another_mark, false},
        {"no second mark", no_second_mark, false},
        {"too short", too_short, false},
        {"huge", huge, false},
        {"huge, outside", huge_outside, false},
        {"no room for the second mark", no_room_for_the_second_mark, false},
        {"fewer components", fewer_components, false},
        {"compacted", compacted, false},
        {"reserved bits of MXCSR", reserved_bits_of_mxcsr, false},
        {"other rights", other_rights, true},
        {"initial rights", initial_rights, true},
        {"rights that were not saved", rights_that_were_not_saved, true},
    };

    (void)state;
    if (lucet__xsave_kind == 0) {
        printf("skipped: no XSAVE\n");
        skip();
    }
    for (size_t k = 0; k < sizeof(changes) / sizeof(*changes); k++) {
        if (changes[k].of_rights && lucet__xsave_components[LUCET__XSAVE_RIGHTS].size == 0)
            continue;
        take_frame();
        assert_true(taken());
        memset(out, 0xa5, sizeof(*out) + lucet__xsave_size);
        changes[k].change();
        if (changes[k].change != misaligned)
            put_software(&software);
        if (taken())
            fail_msg("taken: %s", changes[k].name);
    }
    struct xsave_component *rights = &lucet__xsave_components[LUCET__XSAVE_RIGHTS];
    const struct xsave_component place = *rights;
    if (place.size) { /* beyond what was saved */
        take_frame();
        put64(HEADER, 3 | UINT64_C(1) << LUCET__XSAVE_RIGHTS);
        rights->offset = 1u << 30;
        assert_false(taken());
        *rights = place;
    }
    take_frame();
    const uint8_t kind = lucet__xsave_kind;
    lucet__xsave_kind = 0; /* lucet__continue() would take it for another form */
    assert_false(taken());
    lucet__xsave_kind = kind;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_kernel_makes_is_taken),
        cmocka_unit_test(nothing_else_is),
    };

    lucet_install_signal_handlers(); /* looks at the machine, too */
    lucet_thread_attach(0);
    out = aligned_alloc(64, (sizeof(*out) + lucet__xsave_size + 63) / 64 * 64);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
