/* Exceptions of WebAssembly: tags, exceptions as the host holds them, throwing from host functions.
 * Part of lucet.h, which includes it.
 *
 * An exception is a tag and values of the tag's types. Guests throw and catch them; one that
 * nothing catches ends the run with result tag lucet_result_tag_threw, and leaves the instance
 * usable. A host function may throw one, or pass on what a run of its own ended with:
 *
 *   if (lucet_instance_run(other, "f", 0, NULL, &r) == lucet_error_runtime_threw)
 *       lucet_vmctx_throw(vmctx, r.val.threw.exception);
 *   return 0;
 *
 * Threads: tags may be used from any thread. An exception belongs to the thread of the instance
 * that threw it; one that the host made, to one thread at a time. Signals and fork: as in
 * lucet.h. */
#ifndef LUCET_EXCEPTION_H
#define LUCET_EXCEPTION_H

#include "lucet/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lucet_instance;
struct lucet_linker;
struct lucet_vmctx;
struct lucet_tag;
struct lucet_exception;

/* ---- Tags ---- */

/* A new tag, equal to no other, whose exceptions carry values of the types in `signature` ("iI:",
 * letters as for host functions, no results). Owned by the caller, counted. Errors:
 * invalid_argument, no_memory. */
LUCET_API enum lucet_error lucet_tag_new(const char *signature, struct lucet_tag **out);
/* NULL is allowed. */
LUCET_API void lucet_tag_retain(struct lucet_tag *tag);
LUCET_API void lucet_tag_release(struct lucet_tag *tag);
/* "iI:"; valid as long as the tag. */
LUCET_API const char *lucet_tag_signature(const struct lucet_tag *tag);
/* Satisfies imports of that name; the linker keeps the tag. Instances that import the same tag
 * catch each other's exceptions. Errors: invalid_argument, no_memory. */
LUCET_API enum lucet_error lucet_linker_tag(struct lucet_linker *l, const char *module,
                                            const char *name, struct lucet_tag *tag);
/* An exported tag. *out is the instance's: valid as long as it, or retain it. A reset does not
 * change an instance's tags. Errors: invalid_argument, symbol_not_found. */
LUCET_API enum lucet_error lucet_instance_tag(struct lucet_instance *inst, const char *name,
                                              size_t name_len, struct lucet_tag **out);

/* ---- Exceptions ---- */

/* An exception made by the host. `values` are as many as the tag's types, and checked against them.
 * Owned by the caller, counted. References in it are kept alive by whoever it is thrown at, not
 * before. Errors: invalid_argument, type_mismatch, no_memory. */
LUCET_API enum lucet_error lucet_exception_new(struct lucet_tag *tag, size_t count,
                                               const struct lucet_val *values,
                                               struct lucet_exception **out);
/* NULL is allowed. An exception may be held longer than the instances that it came from; function
 * references and exceptions among its values become null when these are gone. */
LUCET_API void lucet_exception_retain(struct lucet_exception *e);
LUCET_API void lucet_exception_release(struct lucet_exception *e);
/* Compare it with the tag that is expected. Valid as long as the exception. */
LUCET_API struct lucet_tag *lucet_exception_tag(const struct lucet_exception *e);
LUCET_API size_t lucet_exception_count(const struct lucet_exception *e);
/* Value number `i`. An exception among the values is `as_ref`, a struct lucet_exception * that is
 * valid as long as this one. Error invalid_argument. */
LUCET_API enum lucet_error lucet_exception_value(const struct lucet_exception *e, size_t i,
                                                 struct lucet_val *out);

/* ---- In host functions ---- */

/* Throws when the host function returns, whose result is then ignored. (So nothing on the way is
 * cut off; return at once.) The last one that was thrown counts. Retains the exception. Only with
 * the vmctx of the host function that is running: another one aborts the process. Errors:
 * invalid_argument (NULL); type_mismatch (it refers to an exception that is gone); no_memory:
 * nothing is thrown. */
LUCET_API enum lucet_error lucet_vmctx_throw(struct lucet_vmctx *vmctx, struct lucet_exception *e);
/* Parameters and results of type exnref (letter x) are uint64_t in host functions; these two
 * convert them. The exception of a parameter: NULL for null, and for what is no exception (any
 * more); valid until the host function returns, runs a guest or calls lucet_vmctx_exnref(), which
 * may drop what guests do not hold any more; or retain it. */
LUCET_API struct lucet_exception *lucet_vmctx_exception(struct lucet_vmctx *vmctx, uint64_t exnref);
/* The inverse. May trap, when the instance holds too many exceptions: call it when you own nothing.
 * Errors: type_mismatch (it refers to an exception that is gone); no_memory. */
LUCET_API enum lucet_error lucet_vmctx_exnref(struct lucet_vmctx *vmctx, struct lucet_exception *e,
                                              uint64_t *out);

#ifdef __cplusplus
}
#endif
#endif
