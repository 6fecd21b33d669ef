/* random_get: the kernel's generator, in pieces between which the guest can be stopped. */
#include "wasi/errno.h"
#include "wasi/functions.h"
#include "wasi/guest.h"

#include <errno.h>
#include <sys/random.h>

enum { PIECE = 64 << 10 };

uint32_t lucet_wasi_random_get(struct lucet_vmctx *vmctx, uint32_t buf, uint32_t len)
{
    unsigned char *bytes = wasi_guest(vmctx, buf, len);
    if (bytes == NULL) {
        return WASI_EFAULT;
    }
    for (uint32_t done = 0; done < len;) {
        if (lucet_vmctx_stop_requested(vmctx)) {
            return WASI_EINTR;
        }
        ssize_t n = getrandom(bytes + done, len - done < PIECE ? len - done : PIECE, 0);
        if (n >= 0) {
            done += (uint32_t)n;
        } else if (errno != EINTR) {
            return wasi_errno_from_host(errno);
        }
    }
    return WASI_OK;
}
