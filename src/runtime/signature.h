/* Types that mean the same in all modules. */
#ifndef LUCET_RUNTIME_SIGNATURE_H
#define LUCET_RUNTIME_SIGNATURE_H

#include "lucet/types.h"
#include "module/reader.h"

/* Interns the function types of a module process-wide: equal types get equal ids, for as long as
 * anyone holds them. False: out of memory; those of ids that are not 0 are to be released. */
bool lucet__signatures_intern(const struct lucet_artifact *a, uint64_t *ids);
void lucet__signatures_release(const struct lucet_artifact *a, const uint64_t *ids);
/* The id of a type that is a group of its own, or of the first type of a group; somebody holds
 * it. */
void lucet__signature_retain(uint64_t first_id);
void lucet__signature_release(uint64_t first_id);
/* The id of a type of plain types, a group of its own. 0 = out of memory. */
uint64_t lucet__signature_plain(const uint8_t *types, uint32_t nparams, uint32_t nresults);
/* The id of a type in letters ("iI:f"). invalid_argument: they are malformed; no_memory. */
enum lucet_error lucet__signature_parse(const char *letters, uint64_t *id);

/* An exact type as a word that means the same in all modules: references to types are
 * LUCET__TYPE_ID | id << 8 | low byte, others are as they are. */
#define LUCET__TYPE_ID (UINT64_C(1) << 63)
struct lucet_dl_module;
uint64_t lucet__exact_type(const struct lucet_dl_module *m, uint32_t type);
bool lucet__subtype(uint64_t sub, uint64_t super);

#endif
