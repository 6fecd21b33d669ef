/* The vector registers of the code that a signal interrupted, out of the frame that the kernel made
 * for the handler:
 *
 *      0            x87, MXCSR (24), low halves of the first sixteen vectors
 *      464          struct _fpx_sw_bytes: FP_XSTATE_MAGIC1, size of all this, which components,
 *                   xstate_size
 *      512          header of XSAVE: which components are not as in the beginning; 0 (the standard
 *                   format); 0, ...
 *      576          the other components, each where CPUID says
 *      xstate_size  FP_XSTATE_MAGIC2
 *
 * A kernel or processor of another kind may have something else there. */
#include "runtime/x86_64/signal_frame.h"

#include <string.h>

#include "runtime/x86_64/machine.h"

#define X87_STATUS 2u
#define X87_TAGS 4u
#define MXCSR 24u
#define SOFTWARE 464u
#define HEADER 512u
#define MXCSR_RESERVED 0xffff0000u

#ifndef FP_XSTATE_MAGIC2
#define FP_XSTATE_MAGIC2 0x46505845u
#endif
#define RIGHTS (UINT64_C(1) << LUCET__XSAVE_RIGHTS)

static uint32_t word(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static uint64_t quadword(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

/* The handler has rights to memory of its own, which a return would give back. */
static bool rights_differ(const uint8_t *image, const struct _fpx_sw_bytes *software)
{
    const struct xsave_component *c = &lucet__xsave_components[LUCET__XSAVE_RIGHTS];
    const bool initial = !(quadword(image + HEADER) & RIGHTS);

    if (c->size == 0)
        return false;
    return !(software->xstate_bv & RIGHTS) ||
           software->xstate_size < (uint64_t)c->offset + sizeof(uint32_t) ||
           machine_rights() != (initial ? 0 : word(image + c->offset));
}

/* It lies in the thread's signal stack and has all that lucet__continue() loads. */
static bool as_expected(const ucontext_t *u, const uint8_t *image)
{
    const uint64_t from_end =
        (uint64_t)(uintptr_t)u->uc_stack.ss_sp + u->uc_stack.ss_size - (uintptr_t)image;
    struct _fpx_sw_bytes software;

    if ((uintptr_t)image % 64 != 0 || from_end > u->uc_stack.ss_size ||
        from_end < lucet__xsave_standard_size)
        return false;
    memcpy(&software, image + SOFTWARE, sizeof(software));
    return software.magic1 == FP_XSTATE_MAGIC1 &&
           software.xstate_size >= lucet__xsave_standard_size &&
           software.extended_size >= (uint64_t)software.xstate_size + sizeof(uint32_t) &&
           software.extended_size <= from_end &&
           word(image + software.xstate_size) == FP_XSTATE_MAGIC2 &&
           (software.xstate_bv & lucet__xsave_mask) == lucet__xsave_mask &&
           quadword(image + HEADER + 8) == 0 && (word(image + MXCSR) & MXCSR_RESERVED) == 0 &&
           !rights_differ(image, &software);
}

bool lucet__signal_frame_vectors(const ucontext_t *u, struct registers *out)
{
    const uint8_t *image = (const uint8_t *)u->uc_mcontext.fpregs;

    if (lucet__xsave_kind == 0 || !as_expected(u, image))
        return false;
    const uint64_t header[8] = {quadword(image + HEADER) & lucet__xsave_mask};
    memcpy(out->vectors + HEADER, header, sizeof(header));
    for (uint64_t left = (header[0] & ~UINT64_C(2)) | 1; left; left &= left - 1) {
        const struct xsave_component *c = &lucet__xsave_components[__builtin_ctzll(left)];
        memcpy(out->vectors + c->offset, image + c->offset, c->size);
    }
    return true;
}

/* Mostly it is as handlers find it, and nothing is to be loaded. */
void lucet__signal_frame_x87(const struct registers *taken)
{
    const uint8_t *image = taken->vectors;

    if (quadword(image + HEADER) & MACHINE_X87 &&
        (image[X87_STATUS] || image[X87_STATUS + 1] || image[X87_TAGS]))
        machine_load_x87(image);
}
