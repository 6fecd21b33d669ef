/* Functions as values. */
#ifndef LUCET_RUNTIME_RECORD_H
#define LUCET_RUNTIME_RECORD_H

#include "lucet/lucet.h"
#include "module/abi.h"

/* A function as a value; what compiled code knows comes first. */
struct record {
    struct lucet_funcref ref;
    struct lucet_instance *owner;         /* NULL: private to its module, runs in whoever runs */
    const struct lucet_dl_module *module; /* whose text holds ref.code */
    uint32_t func;                        /* there */
};

enum lucet_error lucet__records_plan(struct lucet_dl_module *m);
enum lucet_error lucet__records_make(struct lucet_instance *i);
/* A record by which another instance may call what export number `e` names. no_memory, module. */
enum lucet_error lucet__export_record(struct lucet_instance *i, uint32_t e,
                                      const struct lucet_funcref **out);
/* A record for the host function that imported function `func` stands for. */
enum lucet_error lucet__host_record(struct lucet_instance *i, uint32_t func, void (*f)(void),
                                    const struct lucet_funcref **out);

#endif
