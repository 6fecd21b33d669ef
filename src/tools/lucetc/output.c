/* Where the output goes. The library writes regular files, atomically, by renaming; pipes, terminals
 * and devices are served through a temporary file. */
#include "tools/common/file.h"
#include "tools/lucetc/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Renaming over a device would replace it. */
static bool is_special(const char *path)
{
    struct stat st;
    return strcmp(path, "-") == 0 ||
           (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode));
}

static bool write_all(int fd, const uint8_t *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        const ssize_t n = write(fd, bytes + done, size - done);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            done += (size_t)n;
    }
    return true;
}

static bool copy_to(const char *from, const char *to)
{
    uint8_t *bytes;
    size_t size;
    int error = tool_read_file(from, SIZE_MAX / 4, &bytes, &size);

    if (error == 0) {
        const bool standard = strcmp(to, "-") == 0;
        const int fd = standard ? STDOUT_FILENO : open(to, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0 || !write_all(fd, bytes, size) || (!standard && close(fd) != 0))
            error = errno;
        free(bytes);
    }
    errno = error;
    return error == 0;
}

static enum lucet_error compile_to_special(const struct cli *cli, const void *wasm, size_t size,
                                           struct lucetc_diagnostic *d)
{
    const char *tmp = getenv("TMPDIR");
    char dir[4096], file[4096 + 16];

    snprintf(dir, sizeof dir, "%s/lucetc-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    if (!mkdtemp(dir)) {
        snprintf(d->message, sizeof d->message, "no temporary directory: %s", strerror(errno));
        return lucet_error_io;
    }
    snprintf(file, sizeof file, "%s/output", dir);
    enum lucet_error e = lucetc_compile(wasm, size, &cli->compile, file, d);
    if (e == lucet_error_ok && !copy_to(file, cli->output)) {
        snprintf(d->message, sizeof d->message, "the output could not be written: %s",
                 strerror(errno));
        e = lucet_error_io;
    }
    unlink(file);
    rmdir(dir);
    return e;
}

enum lucet_error output_compile(const struct cli *cli, const void *wasm, size_t size,
                                struct lucetc_diagnostic *d)
{
    *d = (struct lucetc_diagnostic){
        .kind = "io", .offset = UINT64_MAX, .function_index = UINT32_MAX};
    if (is_special(cli->output))
        return compile_to_special(cli, wasm, size, d);
    return lucetc_compile(wasm, size, &cli->compile, cli->output, d);
}
