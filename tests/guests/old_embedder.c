/* A program as embedders wrote them for the original's lucet.h; compiled unchanged but for the
 * include by tests/run/old_embedder.sh. It uses what such programs used. */
#include <lucet/compat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(e)                                                                                   \
    do {                                                                                           \
        enum lucet_error error_ = (e);                                                             \
        if (error_ != lucet_error_ok) {                                                            \
            fprintf(stderr, "%s: %s\n", #e, lucet_error_name(error_));                             \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

struct state {
    int calls;
};

/* Host functions, with the types they had. */
guest_int hostcall_sum(struct lucet_vmctx const *ctx, guest_ptr_t values, guest_size_t count)
{
    struct state *state = lucet_vmctx_get_delegate(ctx);
    char *heap = (char *)lucet_vmctx_get_heap(ctx);
    guest_int sum = 0;

    state->calls++;
    if (!lucet_vmctx_check_heap(ctx, heap + values, count * sizeof(guest_int)))
        lucet_vmctx_terminate(ctx, state);
    for (guest_size_t i = 0; i < count; i++) {
        guest_int value;
        memcpy(&value, heap + values + i * sizeof value, sizeof value);
        sum += value;
    }
    return sum;
}

uint64_t hostcall_ask(struct lucet_vmctx const *ctx, uint64_t n)
{
    return *(uint64_t *)lucet_vmctx_yield(ctx, &n);
}

/* What else host functions could do: 0 when all of it is as it should be. */
guest_int hostcall_look(struct lucet_vmctx const *ctx, guest_ptr_t text)
{
    char *heap = (char *)lucet_vmctx_get_heap(ctx);
    uint32_t pages = lucet_vmctx_current_memory(ctx);
    int64_t *globals = lucet_vmctx_get_globals(ctx);

    if (!lucet_vmctx_check_heap(ctx, heap + text, 5) || memcmp(heap + text, "hello", 5) != 0)
        return 1;
    if ((uint32_t)lucet_vmctx_grow_memory(ctx, 1) != pages ||
        lucet_vmctx_current_memory(ctx) != pages + 1)
        return 2;
    if (lucet_vmctx_get_heap(ctx) != (uint8_t *)heap)
        return 3;
    if (lucet_vmctx_grow_memory(ctx, 100000) != -1)
        return 4;
    if ((int32_t)globals[0] != 7)
        return 5;
    void *none = lucet_vmctx_get_func_from_idx(ctx, 0, 0);
    if (none != NULL)
        return 6;
    return 0;
}

static enum lucet_signal_behavior on_signal(struct lucet_instance *inst,
                                            const enum lucet_trapcode *trap, int signum,
                                            const siginfo_t *siginfo, const void *context)
{
    (void)inst, (void)signum, (void)siginfo, (void)context;
    return *trap == lucet_trapcode_user ? lucet_signal_behavior_terminate
                                        : lucet_signal_behavior_default;
}

static void on_fatal(struct lucet_instance *inst)
{
    (void)inst;
    abort();
}

static int use(struct lucet_dl_module *mod, struct lucet_region *region)
{
    struct lucet_instance *inst, *plain;
    struct lucet_result result;
    struct state state = {0};
    uint32_t before;

    CHECK(lucet_region_new_instance_with_ctx(region, mod, &state, &inst));
    CHECK(lucet_region_new_instance(region, mod, &plain));
    lucet_instance_release(plain);
    CHECK(lucet_instance_set_signal_handler(inst, on_signal));
    CHECK(lucet_instance_set_fatal_handler(inst, on_fatal));
    CHECK(lucet_instance_run_start(inst));
    if (lucet_instance_embed_ctx(inst) != &state)
        return 1;

    CHECK(lucet_instance_run(
        inst, "add", 2, (struct lucet_val[]){LUCET_VAL_U64(123), LUCET_VAL_U64(456)}, &result));
    if (result.tag != lucet_result_tag_returned)
        return 1;
    printf("add: %llu\n", (unsigned long long)LUCET_UNTYPED_RETVAL_TO_U64(result.val.returned));
    printf("add: %lld\n", (long long)lucet_retval_gp(&result.val.returned).as_i64);

    CHECK(lucet_instance_grow_heap(inst, 1, &before));
    printf("heap: %u bytes, %u pages before\n", (unsigned)lucet_instance_heap_len(inst), before);
    if (!lucet_instance_check_heap(inst, lucet_instance_heap(inst) + 2, 100) ||
        lucet_instance_check_heap(inst, lucet_instance_heap(inst) - 1, 1) ||
        lucet_instance_check_heap(inst, lucet_instance_heap(inst),
                                  lucet_instance_heap_len(inst) + 1))
        return 1;
    CHECK(lucet_instance_run(inst, "look", 1, (struct lucet_val[]){LUCET_VAL_GUEST_PTR(300)},
                             &result));
    printf("look: %d\n", LUCET_UNTYPED_RETVAL_TO_I32(result.val.returned));
    guest_int three[] = {1, 2, 3};
    memcpy(lucet_instance_heap(inst) + 64, three, sizeof three);
    CHECK(lucet_instance_run(inst, "sum", 2,
                             (struct lucet_val[]){LUCET_VAL_GUEST_PTR(64), LUCET_VAL_USIZE(3)},
                             &result));
    printf("sum: %u\n", LUCET_UNTYPED_RETVAL_TO_U32(result.val.returned));

    CHECK(lucet_instance_run(inst, "half", 1, (struct lucet_val[]){LUCET_VAL_F32(5)}, &result));
    printf("half: %g\n", LUCET_UNTYPED_RETVAL_TO_F32(result.val.returned));
    printf("half: %g\n", (double)lucet_retval_f32(&result.val.returned));

    CHECK(lucet_instance_run(inst, "twice", 1, (struct lucet_val[]){LUCET_VAL_F64(2.25)}, &result));
    printf("twice: %g\n", lucet_retval_f64(&result.val.returned));

    uint64_t answer = 42;
    CHECK(lucet_instance_run(inst, "ask", 1, (struct lucet_val[]){LUCET_VAL_U64(7)}, &result));
    if (result.tag != lucet_result_tag_yielded)
        return 1;
    printf("asked: %llu\n", (unsigned long long)*(uint64_t *)result.val.yielded.val);
    CHECK(lucet_instance_resume(inst, &answer, &result));
    printf("ask: %llu\n", (unsigned long long)LUCET_UNTYPED_RETVAL_TO_U64(result.val.returned));

    CHECK(lucet_instance_run_func_idx(inst, 0, 1, 0, NULL, &result));
    printf("table: %d\n", LUCET_UNTYPED_RETVAL_TO_I32(result.val.returned));

    enum lucet_error e = lucet_instance_run(
        inst, "sum", 2, (struct lucet_val[]){LUCET_VAL_GUEST_PTR(0x7fffffff), LUCET_VAL_USIZE(3)},
        &result);
    printf("%s: %s\n", lucet_error_name(e), lucet_result_tag_name(result.tag));
    if (result.val.terminated.reason != lucet_terminated_reason_provided ||
        result.val.terminated.provided != &state)
        return 1;
    CHECK(lucet_instance_reset(inst));
    CHECK(lucet_instance_run_start(inst));
    e = lucet_instance_run(inst, "crash", 0, NULL, &result);
    printf("%s: %s: %s in %s\n", lucet_error_name(e), lucet_result_tag_name(result.tag),
           lucet_trapcode_name(result.val.fault.trapcode),
           result.val.fault.rip_addr_details.sym_name);
    printf("calls: %d\n", state.calls);
    lucet_instance_release(inst);
    return 0;
}

/* Both kinds of regions; "uffd" asks for the second, too. */
int main(int argc, char **argv)
{
    struct lucet_dl_module *mod;
    struct lucet_region *region;
    struct lucet_alloc_limits limits = {
        .heap_memory_size = 16 * LUCET_WASM_PAGE_SIZE,
        .heap_address_space_size = 8ull * 1024 * 1024 * 1024,
        .stack_size = 128 * 1024,
        .globals_size = 4096,
        .hostcall_reservation = 32 * 1024,
        .signal_stack_size = 16 * 1024,
    };
    int failed;

    if (argc != 3)
        return 2;
    CHECK(lucet_dl_module_load(argv[1], &mod));
    if (strcmp(argv[2], "uffd") == 0) {
        enum lucet_error e = lucet_uffd_region_create(2, &limits, &region);
        if (e == lucet_error_unsupported)
            return 77;
        CHECK(e);
    } else {
        CHECK(lucet_mmap_region_create(2, &limits, &region));
    }
    failed = use(mod, region);
    lucet_region_release(region);
    lucet_dl_module_release(mod);
    return failed;
}
