/* A guest without a compiler: a piece of memory and the few runtime functions that liblucet-wasi
 * uses, so that its functions can be called directly. */
#ifndef LUCET_TEST_FAKE_H
#define LUCET_TEST_FAKE_H

#include "wasi/abi.h"
#include "wasi/ctx.h"
#include "wasi/errno.h"
#include "wasi/functions.h"
#include "wasi/rights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    MEMORY_SIZE = 512 << 10,
    OUT = 0x100, /* where results go */
    OUT2 = 0x200,
    IOVS = 0x1000,
    PATH = 0x8000, /* and two pages on the second path */
    DATA = 0x10000,
    PREOPEN = 3,
};

struct lucet_vmctx {
    struct lucet_wasi_ctx *ctx;
    bool terminated;
    jmp_buf on_terminate;
    int stop_after; /* stop is requested after so many looks; -1 = never */
    uint8_t memory[MEMORY_SIZE];
};

extern struct lucet_vmctx *guest;
extern char top[]; /* a temporary directory; the guest's is `top`/root */

/* cmocka fixtures: a guest with the directory below as descriptor 3, and all of it taken away.
 *
 *   top/secret              "secret"
 *   top/root/file           "hello"
 *   top/root/sub/inner      "inner"
 *   top/root/link        -> file
 *   top/root/dirlink     -> sub
 *   top/root/out         -> ../secret
 *   top/root/abs         -> /etc/passwd
 *   top/root/up          -> ..
 *   top/root/dangling    -> nowhere
 *   top/root/dangling_out -> ../created */
int setup(void **state);
int setup_read_only(void **state);
int setup_bare(void **state); /* no descriptors at all */
int teardown(void **state);

/* Puts a string into guest memory at PATH (path2: the second place); its length. */
uint32_t path(const char *text);
uint32_t path2(const char *text);
enum { PATH2 = PATH + 0x2000 };

uint32_t out32(void);
uint64_t out64(void);
void put_iov(uint32_t index, uint32_t buf, uint32_t len);
/* path_open with following; the new descriptor in *fd. */
uint32_t open_at(uint32_t dir, const char *name, uint32_t oflags, uint64_t rights, uint32_t *fd);
uint32_t write_text(uint32_t fd, const char *text);
/* At most `size` bytes into `to`, NUL-terminated. */
uint32_t read_text(uint32_t fd, char *to, uint32_t size);

/* What a call that waits says when the guest is stopped meanwhile: it is asked again and again, as
 * the runtime does it, since the first signal may come before the call waits. */
uint32_t stopped_while(uint32_t (*call)(void));

/* Host side. */
bool host_exists(const char *name); /* relative to top; links are not followed */
void host_read(const char *name, char *to, size_t size);
void host_write(const char *name, const char *text);
void host_link(const char *target, const char *name);

#define RW (R(FD_READ) | R(FD_WRITE) | R(FD_SEEK) | R(FD_TELL) | R(FD_FILESTAT_GET))

#endif
