#include "tools/common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_SIZE = 64 * 1024 };

/* Reads to the end of `fd`. The buffer grows with what was read, never with what was promised. */
static int read_all(int fd, size_t limit, uint8_t **buffer, size_t *size)
{
    size_t room = limit < FIRST_SIZE ? limit : FIRST_SIZE, used = 0;
    uint8_t *bytes = malloc(room + 1);

    while (bytes) {
        const ssize_t n = read(fd, bytes + used, room + 1 - used);
        if (n == 0) {
            bytes[used] = 0;
            *buffer = bytes;
            *size = used;
            return 0;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            const int error = errno;
            free(bytes);
            return error;
        }
        used += (size_t)n;
        if (used <= room)
            continue;
        if (room == limit) {
            free(bytes);
            return EFBIG;
        }
        room = room > limit / 2 ? limit : room * 2;
        uint8_t *larger = realloc(bytes, room + 1);
        if (!larger)
            free(bytes);
        bytes = larger;
    }
    return ENOMEM;
}

int tool_read_file(const char *path, size_t limit, uint8_t **out, size_t *size)
{
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, limit, out, size);

    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return errno;
    const int error = read_all(fd, limit, out, size);
    close(fd);
    return error;
}
