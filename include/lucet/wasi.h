/* liblucet-wasi: WASI preview 1 for guests, capability by capability. Nothing is granted unless the
 * embedder grants it. Built on lucet.h alone. Functions that return an error set
 * lucet_error_detail(), as there; the others leave it as it was.
 *
 * Threads: a context is used by one thread at a time (see lucet_wasi_ctx_new()), the functions on
 * any. Signals: none may be called from a handler. Fork: a child has contexts with the same
 * descriptors, which share their offsets with the parent's; those of guests with threads are not
 * used in the child. */
#ifndef LUCET_WASI_H
#define LUCET_WASI_H

#include "lucet/lucet.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lucet_wasi_ctx;

/* A context: arguments, environment, descriptors of one guest. Owned by the caller; must outlive
 * the instance that uses it; used by one thread at a time, but for the guest's own. Starts with no
 * arguments, no environment, no descriptors at all. Errors: no_memory, invalid_argument (NULL). */
LUCET_API enum lucet_error lucet_wasi_ctx_new(struct lucet_wasi_ctx **out);
/* Not while the instance runs. NULL is allowed. */
LUCET_API void lucet_wasi_ctx_release(struct lucet_wasi_ctx *ctx);
/* Appends an argument, the program's name first, or a variable "NAME=VALUE". Both are copied.
 * Errors: invalid_argument (NULL; no '='; more than 32-bit guests can count), no_memory. */
LUCET_API enum lucet_error lucet_wasi_ctx_arg(struct lucet_wasi_ctx *ctx, const char *arg);
LUCET_API enum lucet_error lucet_wasi_ctx_env(struct lucet_wasi_ctx *ctx, const char *key_value);
/* Gives the guest descriptors 0, 1 and 2 of the process (not closed with the context). */
LUCET_API enum lucet_error lucet_wasi_ctx_inherit_stdio(struct lucet_wasi_ctx *ctx);
/* Puts host descriptor `host_fd` at 0, 1 or 2; with `owned` it is closed with the context. Errors:
 * io (it is not open, or a directory), invalid_argument, no_memory. */
LUCET_API enum lucet_error lucet_wasi_ctx_stdio(struct lucet_wasi_ctx *ctx, int guest_fd,
                                                int host_fd, bool owned);
/* Opens a directory that the guest sees as `guest_path`. Errors: io (cannot be opened; errno says
 * why), invalid_argument (guest_path is empty or too long), no_memory (also: too many open
 * files). */
LUCET_API enum lucet_error lucet_wasi_ctx_preopen(struct lucet_wasi_ctx *ctx, const char *host_path,
                                                  const char *guest_path, bool read_only);

/* How many descriptors the guest may have at once; it gets EMFILE beyond. Default: an eighth of the
 * process's own limit, between 32 and 1024. The last quarter of the process's descriptors is never
 * given to guests. Error invalid_argument: fewer than 8, or than it has already. */
LUCET_API enum lucet_error lucet_wasi_ctx_max_descriptors(struct lucet_wasi_ctx *ctx,
                                                          uint32_t count);

/* Registers all of wasi_snapshot_preview1 and wasi_unstable with a linker, both as native symbols
 * ("lucet_wasi_fd_write") and by name. The instance's embed_ctx must be the struct
 * lucet_wasi_ctx. */
LUCET_API enum lucet_error lucet_wasi_link(struct lucet_linker *linker);

/* ---- Threads (wasi-threads: import "wasi" "thread-spawn", export "wasi_thread_start") ---- */

/* Defines in the linker every shared memory that the module imports, as large as it asks for but of
 * at most `max_bytes` for all of them together: what their initial sizes leave of it is given to
 * them in order of the imports. Once per program: whoever is instantiated with the linker shares
 * them. Errors: limits_exceeded (they begin larger), no_memory, invalid_argument (NULL). */
LUCET_API enum lucet_error lucet_wasi_link_shared_memories(struct lucet_linker *linker,
                                                           const struct lucet_dl_module *module,
                                                           uint64_t max_bytes);
/* Lets the guest of `ctx` start up to `limit` threads at a time besides its first, which its
 * embedder runs. Each is an instance of `module` in `region` (which needs a free slot, or the guest
 * gets EAGAIN) with the imports of `linker`, and a thread of the one that starts it (`thread_of` in
 * lucet.h says what that means: it has its contexts under keys, and the first one's limits of
 * memory, tables and time hold for all together; a kill switch of the first ends all; where
 * instructions are bounded, or resident memory, the guest gets ENOTSUP). So host functions of the
 * embedder's run on several threads at once, with the same contexts. `region`, `module` and
 * `linker` must outlive the context, or lucet_wasi_ctx_join(). Before the first run. A fault or
 * proc_exit in one thread ends all, and so does a yield, which nobody would resume: the embedder's
 * run ends as terminated, reason remote (or timeout, when that came first), and the functions below
 * say why. Errors: invalid_argument, no_memory. */
LUCET_API enum lucet_error lucet_wasi_ctx_threads(struct lucet_wasi_ctx *ctx,
                                                  struct lucet_region *region,
                                                  struct lucet_dl_module *module,
                                                  struct lucet_linker *linker, uint32_t limit);
/* When the run of the first thread has ended: ends all others and waits for them. Not from a host
 * function. Without threads it does nothing. */
LUCET_API void lucet_wasi_ctx_join(struct lucet_wasi_ctx *ctx);
/* After joining: the result of the thread that ended the program by a fault or otherwise than by
 * proc_exit; NULL = none. Owned by the context. */
LUCET_API const struct lucet_result *lucet_wasi_ctx_thread_fault(const struct lucet_wasi_ctx *ctx);

/* Instructions that threads have executed which have ended, of modules compiled with `lucetc
 * --count-instructions`; those of the first one are its instance's. Any thread. */
LUCET_API uint64_t lucet_wasi_ctx_thread_instructions(const struct lucet_wasi_ctx *ctx);

/* JSON bindings for lucetc: wasi_snapshot_preview1, the older wasi_unstable, and wasi. Static. */
LUCET_API const char *lucet_wasi_bindings_json(void);

/* True when the guest called proc_exit; its code is in *code. Look here when a run ends as
 * terminated, reason provided (or remote, with threads: join them first). */
LUCET_API bool lucet_wasi_ctx_exit_code(const struct lucet_wasi_ctx *ctx, uint32_t *code);

#ifdef __cplusplus
}
#endif
#endif
