/* How much of something the own entities of an instance may have together: bytes of memories,
 * entries of tables. The instances of a program's threads draw on the allowance of its first one,
 * from any thread. */
#ifndef LUCET_RUNTIME_ALLOWANCE_H
#define LUCET_RUNTIME_ALLOWANCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct allowance {
    struct allowance *of;       /* whose `left` counts: itself, but for threads */
    atomic_uint_fast64_t left;  /* for whoever draws on it */
    atomic_uint_fast64_t taken; /* of that, by this instance */
};

/* Where nobody else draws on it. */
static inline void lucet__allowance_set(struct allowance *a, uint64_t whole, uint64_t taken)
{
    a->of = a;
    atomic_store_explicit(&a->left, whole - taken, memory_order_relaxed);
    atomic_store_explicit(&a->taken, taken, memory_order_relaxed);
}

/* False: there is not so much left. NULL: there is no bound. */
static inline bool lucet__allowance_take(struct allowance *a, uint64_t n)
{
    if (!a)
        return true;
    uint64_t left = atomic_load_explicit(&a->of->left, memory_order_relaxed);
    do {
        if (n > left)
            return false;
    } while (!atomic_compare_exchange_weak(&a->of->left, &left, left - n));
    atomic_fetch_add_explicit(&a->taken, n, memory_order_relaxed);
    return true;
}

static inline void lucet__allowance_give(struct allowance *a, uint64_t n)
{
    if (!a)
        return;
    atomic_fetch_sub_explicit(&a->taken, n, memory_order_relaxed);
    atomic_fetch_add(&a->of->left, n);
}

/* From now on it draws on another one, also for what is taken already. False: there is not so much
 * left. */
static inline bool lucet__allowance_join(struct allowance *a, struct allowance *of)
{
    const uint64_t n = atomic_exchange(&a->taken, 0);

    a->of = of;
    if (lucet__allowance_take(a, n))
        return true;
    a->of = a;
    return false;
}

#endif
