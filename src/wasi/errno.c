/* The host's error codes in WASI's numbers. */
#include "wasi/errno.h"

#include <errno.h>

uint32_t wasi_errno_from_host(int host_errno)
{
    switch (host_errno) {
    case 0: return WASI_OK;
#define WASI_ERRNO(number, name)                                                                   \
    case E##name: return (number);
#include "wasi/errno.def"
#undef WASI_ERRNO
    default: return WASI_EIO;
    }
}

uint32_t wasi_result(long result)
{
    return result == -1 ? wasi_errno_from_host(errno) : WASI_OK;
}
