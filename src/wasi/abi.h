/* The witx types of wasi_snapshot_preview1 as they lie in guest memory: little-endian, naturally
 * aligned there, but guests may pass any address, so they are copied in and out with memcpy. */
#ifndef LUCET_WASI_ABI_H
#define LUCET_WASI_ABI_H

#include <stddef.h>
#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structures are copied as they are");

enum wasi_filetype {
    WASI_FILETYPE_UNKNOWN = 0,
    WASI_FILETYPE_BLOCK_DEVICE = 1,
    WASI_FILETYPE_CHARACTER_DEVICE = 2,
    WASI_FILETYPE_DIRECTORY = 3,
    WASI_FILETYPE_REGULAR_FILE = 4,
    WASI_FILETYPE_SOCKET_DGRAM = 5,
    WASI_FILETYPE_SOCKET_STREAM = 6,
    WASI_FILETYPE_SYMBOLIC_LINK = 7,
};

enum wasi_clockid {
    WASI_CLOCK_REALTIME = 0,
    WASI_CLOCK_MONOTONIC = 1,
    WASI_CLOCK_PROCESS_CPUTIME = 2,
    WASI_CLOCK_THREAD_CPUTIME = 3,
};

enum { WASI_LOOKUP_SYMLINK_FOLLOW = 1 };

enum {
    WASI_OFLAG_CREAT = 1,
    WASI_OFLAG_DIRECTORY = 2,
    WASI_OFLAG_EXCL = 4,
    WASI_OFLAG_TRUNC = 8,
    WASI_OFLAGS_ALL = 15,
};

enum {
    WASI_FDFLAG_APPEND = 1,
    WASI_FDFLAG_DSYNC = 2,
    WASI_FDFLAG_NONBLOCK = 4,
    WASI_FDFLAG_RSYNC = 8,
    WASI_FDFLAG_SYNC = 16,
    WASI_FDFLAGS_ALL = 31,
};

enum {
    WASI_FST_ATIM = 1,
    WASI_FST_ATIM_NOW = 2,
    WASI_FST_MTIM = 4,
    WASI_FST_MTIM_NOW = 8,
    WASI_FST_ALL = 15,
};

enum { WASI_WHENCE_SET, WASI_WHENCE_CUR, WASI_WHENCE_END };

enum { WASI_EVENT_CLOCK, WASI_EVENT_FD_READ, WASI_EVENT_FD_WRITE };
enum { WASI_SUBCLOCK_ABSTIME = 1 };
enum { WASI_EVENT_HANGUP = 1 };

struct wasi_iovec {
    uint32_t buf, len;
};

struct wasi_fdstat {
    uint8_t filetype;
    uint8_t pad0;
    uint16_t flags;
    uint32_t pad1;
    uint64_t rights_base, rights_inheriting;
};

struct wasi_filestat {
    uint64_t dev, ino;
    uint8_t filetype;
    uint8_t pad[7];
    uint64_t nlink, size, atim, mtim, ctim;
};

struct wasi_prestat {
    uint8_t tag; /* 0: a directory */
    uint8_t pad[3];
    uint32_t name_len;
};

struct wasi_dirent {
    uint64_t next, ino;
    uint32_t namlen;
    uint8_t type;
    uint8_t pad[3];
};

struct wasi_subscription {
    uint64_t userdata;
    uint8_t tag;
    uint8_t pad[7];
    union {
        struct {
            uint32_t id, pad;
            uint64_t timeout, precision;
            uint16_t flags;
            uint8_t pad2[6];
        } clock;
        uint32_t fd;
    } u;
};

struct wasi_event {
    uint64_t userdata;
    uint16_t error;
    uint8_t type;
    uint8_t pad[5];
    uint64_t nbytes;
    uint16_t flags;
    uint8_t pad2[6];
};

_Static_assert(sizeof(struct wasi_iovec) == 8, "iovec");
_Static_assert(sizeof(struct wasi_fdstat) == 24, "fdstat");
_Static_assert(offsetof(struct wasi_fdstat, flags) == 2, "fdstat.fs_flags");
_Static_assert(offsetof(struct wasi_fdstat, rights_base) == 8, "fdstat.fs_rights_base");
_Static_assert(sizeof(struct wasi_filestat) == 64, "filestat");
_Static_assert(offsetof(struct wasi_filestat, nlink) == 24, "filestat.nlink");
_Static_assert(sizeof(struct wasi_prestat) == 8, "prestat");
_Static_assert(sizeof(struct wasi_dirent) == 24, "dirent");
_Static_assert(sizeof(struct wasi_subscription) == 48, "subscription");
_Static_assert(offsetof(struct wasi_subscription, u) == 16, "subscription.u");
_Static_assert(offsetof(struct wasi_subscription, u.clock.timeout) == 24, "subscription_clock");
_Static_assert(offsetof(struct wasi_subscription, u.clock.flags) == 40, "subscription_clock");
_Static_assert(sizeof(struct wasi_event) == 32, "event");
_Static_assert(offsetof(struct wasi_event, nbytes) == 16, "event.fd_readwrite");

#endif
