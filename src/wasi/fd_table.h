/* The guest's descriptors: small numbers for host descriptors with rights. */
#ifndef LUCET_WASI_FD_TABLE_H
#define LUCET_WASI_FD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wasi_fd {
    int host;         /* -1: the number is free */
    uint8_t filetype; /* enum wasi_filetype */
    bool owned;       /* close `host` with it */
    bool preopen;
    bool stream;    /* reading or writing may wait: anything but files and directories */
    bool no_nowait; /* the kernel cannot do RWF_NOWAIT on it */
    bool filtered;  /* a terminal: control characters are made inert */
    uint16_t flags; /* the guest's fdflags. The host's description is often shared with others,
                         so it is never changed: flags are applied to each operation instead */
    uint64_t base, inheriting;
    uint64_t id;      /* of this opening: no other entry ever has it */
    char *guest_path; /* preopens; owned */
};

struct wasi_fd_table {
    struct wasi_fd *fd;
    uint64_t last_id;
    uint32_t size;       /* entries in use or free, all below are initialised */
    uint32_t limit;      /* most descriptors the guest may have */
    uint32_t host_limit; /* host descriptors from here on are left to others */
};

void wasi_fd_table_init(struct wasi_fd_table *t);
/* Closes all that is owned. */
void wasi_fd_table_release(struct wasi_fd_table *t);

/* The descriptor `fd` with all of `rights` in its base rights: 0, BADF or NOTCAPABLE. The pointer
 * is valid until a descriptor is added. */
uint32_t wasi_fd_get(struct wasi_fd_table *t, uint32_t fd, uint64_t rights, struct wasi_fd **out);

/* Whether one more descriptor fits: 0, MFILE or NOMEM. For callers whose work could not be
 * undone. */
uint32_t wasi_fd_room(struct wasi_fd_table *t);

/* Puts `entry` at the lowest free number from `first` on; takes over what it owns, also when it
 * fails: MFILE or NOMEM. */
uint32_t wasi_fd_add(struct wasi_fd_table *t, const struct wasi_fd *entry, uint32_t first,
                     uint32_t *fd);
/* Puts `entry` at `fd`, in place of what is there. As above. */
uint32_t wasi_fd_put(struct wasi_fd_table *t, const struct wasi_fd *entry, uint32_t fd);

uint32_t wasi_fd_close(struct wasi_fd_table *t, uint32_t fd);
uint32_t wasi_fd_renumber(struct wasi_fd_table *t, uint32_t from, uint32_t to);

/* Fills an entry for a host descriptor: its type and what follows from it, with no rights yet.
 * 0 or an errno; `host` stays the caller's on failure. */
uint32_t wasi_fd_describe(int host, bool owned, struct wasi_fd *out);

uint8_t wasi_filetype_from_mode(uint32_t mode, int host);

#endif
