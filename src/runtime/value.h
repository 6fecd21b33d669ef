/* Values of guests and of the host. */
#ifndef LUCET_RUNTIME_VALUE_H
#define LUCET_RUNTIME_VALUE_H

#include "lucet/lucet.h"

/* value.c. False: the value is not of that type. `out` is 16 bytes. */
bool lucet__value_store(const struct lucet_val *v, uint8_t valtype, void *out);
/* Whether what was stored for a plain type is also of the exact type: not null where that is not
 * allowed, a function of the right type. */
bool lucet__value_is(const struct lucet_dl_module *m, uint32_t exact, const void *stored);
/* The same, when the id of the type that a reference type names is known; else 0. */
bool lucet__value_fits(uint32_t exact, uint64_t type_id, const void *stored);
struct lucet_val lucet__value_load(uint8_t valtype, const void *in);
/* Between what guests call an exception and the host's struct lucet_exception; other values
 * stay. */
void lucet__value_export(const struct lucet_instance *i, struct lucet_val *v);
/* Writes the exceptions among arguments, as guests call them. limits_exceeded, no_memory,
 * type_mismatch: it refers to an exception that is gone. */
enum lucet_error lucet__arguments_admit(struct lucet_instance *i, const uint8_t *types, uint32_t n,
                                        const struct lucet_val *argv, uint64_t (*values)[2]);
/* The instance comes to hold the value: keeps alive what it refers to. no_memory. */
enum lucet_error lucet__value_hold(struct lucet_instance *i, const struct lucet_val *v);
uint8_t lucet__valtype_of(enum lucet_val_type t); /* 0 for none */

#endif
