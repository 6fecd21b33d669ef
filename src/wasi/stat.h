/* File status, for the calls of both versions of WASI. */
#ifndef LUCET_WASI_STAT_H
#define LUCET_WASI_STAT_H

#include "lucet/lucet.h"
#include "wasi/abi.h"

uint32_t wasi_fd_stat(struct lucet_vmctx *vmctx, uint32_t fd, struct wasi_filestat *out);
uint32_t wasi_path_stat(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t lookup, uint32_t path,
                        uint32_t len, struct wasi_filestat *out);

#endif
