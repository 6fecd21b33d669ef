/* Traps and terminations in words. Names of functions come from the module and are made fit for
 * terminals by the runtime. */
#include "tools/lucet-wasi/run.h"

#include <inttypes.h>
#include <stdio.h>

enum { FRAMES_SHOWN = 32 };

static void print_frame(size_t i, const struct lucet_frame *f)
{
    fprintf(stderr, "%5zu: %s", i, f->function_name[0] ? f->function_name : "<unknown>");
    if (f->function_index != UINT32_MAX) {
        fprintf(stderr, " (wasm function %" PRIu32 ")", f->function_index);
    }
    fprintf(stderr, " + 0x%" PRIx32, f->offset);
    if (f->wasm_offset != UINT32_MAX) {
        fprintf(stderr, ", module offset 0x%" PRIx32, f->wasm_offset);
    }
    if (f->source_line != 0) {
        fprintf(stderr, ", %s:%" PRIu32, f->source_file, f->source_line);
    }
    fputc('\n', stderr);
}

static void print_backtrace(const struct lucet_runtime_fault *f)
{
    size_t shown = f->backtrace_len < FRAMES_SHOWN ? f->backtrace_len : FRAMES_SHOWN;
    for (size_t i = 0; i < shown; i++) {
        print_frame(i, &f->backtrace[i]);
    }
    if (f->backtrace_len > shown || f->backtrace_truncated) {
        fprintf(stderr, "       ... and %s%zu more\n", f->backtrace_truncated ? "at least " : "",
                f->backtrace_len - shown);
    }
}

static void print_fault(struct lucet_instance *inst, const struct lucet_runtime_fault *f)
{
    const uintptr_t heap = (uintptr_t)lucet_instance_heap(inst);
    fprintf(stderr, "lucet-wasi: guest trapped: %s (%s)", lucet_trapcode_message(f->trapcode),
            lucet_trapcode_name(f->trapcode));
    if (f->trapcode == lucet_trapcode_heap_out_of_bounds && heap && f->fault_addr >= heap) {
        fprintf(stderr, " at address 0x%" PRIxPTR " of its memory of 0x%" PRIx64 " bytes",
                f->fault_addr - heap, lucet_instance_heap_len(inst));
    }
    fputc('\n', stderr);
    print_backtrace(f);
}

/* The values say little to people, the types hardly more; but C++ throws with one tag of one
 * i32. */
static void print_exception(const struct lucet_exception *e)
{
    struct lucet_val v;

    fprintf(stderr,
            "lucet-wasi: guest threw an exception that nothing caught (values of type \"%s\"",
            lucet_tag_signature(lucet_exception_tag(e)));
    for (size_t i = 0; i < lucet_exception_count(e); i++) {
        if (lucet_exception_value(e, i, &v) != lucet_error_ok) {
            continue;
        }
        switch (v.ty) {
        case lucet_val_type_i32: fprintf(stderr, " %" PRId32, v.inner_val.as_i32); break;
        case lucet_val_type_i64: fprintf(stderr, " %" PRId64, v.inner_val.as_i64); break;
        case lucet_val_type_f32: fprintf(stderr, " %.9g", (double)v.inner_val.as_f32); break;
        case lucet_val_type_f64: fprintf(stderr, " %.17g", v.inner_val.as_f64); break;
        default: fputs(" ...", stderr); break;
        }
    }
    fputs(")\n", stderr);
}

int report_result(const struct cli *cli, struct lucet_instance *inst,
                  const struct lucet_result *result)
{
    if (result->tag == lucet_result_tag_faulted) {
        print_fault(inst, &result->val.faulted);
        return EXIT_TRAPPED;
    }
    if (result->tag == lucet_result_tag_threw) {
        print_exception(result->val.threw.exception);
        return EXIT_TRAPPED;
    }
    switch (result->val.terminated.reason) {
    case lucet_terminated_reason_timeout:
        fprintf(stderr, "lucet-wasi: guest terminated: time limit of %" PRIu64 " ms\n",
                cli->timeout);
        return EXIT_TIMEOUT;
    case lucet_terminated_reason_heap_out_of_memory:
        fputs("lucet-wasi: guest terminated: its memory is exhausted\n", stderr);
        return EXIT_TRAPPED;
    default:
        fprintf(stderr, "lucet-wasi: guest terminated: %s\n",
                lucet_terminated_reason_name(result->val.terminated.reason));
        return EXIT_TRAPPED;
    }
}
