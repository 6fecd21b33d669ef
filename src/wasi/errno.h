/* Error codes of WASI and their translation from the host's. */
#ifndef LUCET_WASI_ERRNO_H
#define LUCET_WASI_ERRNO_H

#include <stdint.h>

enum wasi_errno {
    WASI_OK = 0,
#define WASI_ERRNO(number, name) WASI_E##name = (number),
#include "wasi/errno.def"
#undef WASI_ERRNO
    WASI_ENOTCAPABLE = 76,
};

/* IO for what has no counterpart. */
uint32_t wasi_errno_from_host(int host_errno);

/* The result of a system call that returned `result`: 0, or errno translated when it is -1. */
uint32_t wasi_result(long result);

#endif
