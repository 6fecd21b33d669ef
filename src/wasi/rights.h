/* Rights: what may be done with a descriptor. A descriptor's rights only ever shrink, and what is
 * opened through a directory has at most the directory's inheriting rights. */
#ifndef LUCET_WASI_RIGHTS_H
#define LUCET_WASI_RIGHTS_H

#include <stdint.h>

#define WASI_RIGHTS(X)                                                                             \
    X(0, FD_DATASYNC)                                                                              \
    X(1, FD_READ)                                                                                  \
    X(2, FD_SEEK)                                                                                  \
    X(3, FD_FDSTAT_SET_FLAGS)                                                                      \
    X(4, FD_SYNC)                                                                                  \
    X(5, FD_TELL)                                                                                  \
    X(6, FD_WRITE)                                                                                 \
    X(7, FD_ADVISE)                                                                                \
    X(8, FD_ALLOCATE)                                                                              \
    X(9, PATH_CREATE_DIRECTORY)                                                                    \
    X(10, PATH_CREATE_FILE)                                                                        \
    X(11, PATH_LINK_SOURCE)                                                                        \
    X(12, PATH_LINK_TARGET)                                                                        \
    X(13, PATH_OPEN)                                                                               \
    X(14, FD_READDIR)                                                                              \
    X(15, PATH_READLINK)                                                                           \
    X(16, PATH_RENAME_SOURCE)                                                                      \
    X(17, PATH_RENAME_TARGET)                                                                      \
    X(18, PATH_FILESTAT_GET)                                                                       \
    X(19, PATH_FILESTAT_SET_SIZE)                                                                  \
    X(20, PATH_FILESTAT_SET_TIMES)                                                                 \
    X(21, FD_FILESTAT_GET)                                                                         \
    X(22, FD_FILESTAT_SET_SIZE)                                                                    \
    X(23, FD_FILESTAT_SET_TIMES)                                                                   \
    X(24, PATH_SYMLINK)                                                                            \
    X(25, PATH_REMOVE_DIRECTORY)                                                                   \
    X(26, PATH_UNLINK_FILE)                                                                        \
    X(27, POLL_FD_READWRITE)                                                                       \
    X(28, SOCK_SHUTDOWN)                                                                           \
    X(29, SOCK_ACCEPT)

#define X(bit, name)                                                                               \
    static const uint64_t WASI_RIGHT_##name __attribute__((unused)) = 1ull << (bit);
WASI_RIGHTS(X)
#undef X

#define R(name) WASI_RIGHT_##name

/* What can be done with a regular file, and with a directory itself. */
#define WASI_RIGHTS_FILE                                                                           \
    (R(FD_DATASYNC) | R(FD_READ) | R(FD_SEEK) | R(FD_FDSTAT_SET_FLAGS) | R(FD_SYNC) | R(FD_TELL) | \
     R(FD_WRITE) | R(FD_ADVISE) | R(FD_ALLOCATE) | R(FD_FILESTAT_GET) | R(FD_FILESTAT_SET_SIZE) |  \
     R(FD_FILESTAT_SET_TIMES) | R(POLL_FD_READWRITE))
#define WASI_RIGHTS_STREAM                                                                         \
    (R(FD_READ) | R(FD_FDSTAT_SET_FLAGS) | R(FD_WRITE) | R(FD_FILESTAT_GET) | R(POLL_FD_READWRITE))
#define WASI_RIGHTS_DIRECTORY                                                                      \
    (R(FD_DATASYNC) | R(FD_FDSTAT_SET_FLAGS) | R(FD_SYNC) | R(PATH_CREATE_DIRECTORY) |             \
     R(PATH_CREATE_FILE) | R(PATH_LINK_SOURCE) | R(PATH_LINK_TARGET) | R(PATH_OPEN) |              \
     R(FD_READDIR) | R(PATH_READLINK) | R(PATH_RENAME_SOURCE) | R(PATH_RENAME_TARGET) |            \
     R(PATH_FILESTAT_GET) | R(PATH_FILESTAT_SET_SIZE) | R(PATH_FILESTAT_SET_TIMES) |               \
     R(FD_FILESTAT_GET) | R(FD_FILESTAT_SET_TIMES) | R(PATH_SYMLINK) | R(PATH_REMOVE_DIRECTORY) |  \
     R(PATH_UNLINK_FILE))

/* Whatever changes the file system or a file's contents: a read-only directory has none of it.
 * A hard link to a file makes it reachable through another directory, so its source counts. */
#define WASI_RIGHTS_CHANGING                                                                       \
    (R(FD_WRITE) | R(FD_ALLOCATE) | R(FD_FILESTAT_SET_SIZE) | R(FD_FILESTAT_SET_TIMES) |           \
     R(PATH_CREATE_DIRECTORY) | R(PATH_CREATE_FILE) | R(PATH_LINK_SOURCE) | R(PATH_LINK_TARGET) |  \
     R(PATH_RENAME_SOURCE) | R(PATH_RENAME_TARGET) | R(PATH_FILESTAT_SET_SIZE) |                   \
     R(PATH_FILESTAT_SET_TIMES) | R(PATH_SYMLINK) | R(PATH_REMOVE_DIRECTORY) |                     \
     R(PATH_UNLINK_FILE))

/* Bits a guest may ask for without effect: sockets do not exist here, and some languages' runtimes
 * ask for all 32 or 64 bits. */
#define WASI_RIGHTS_KNOWN (WASI_RIGHTS_FILE | WASI_RIGHTS_DIRECTORY)

#endif
