#include "tools/lucetc/output.h"

#include "tools/common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
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

bool output_prepare(struct output *o, const struct cli *cli)
{
    const char *tmp = getenv("TMPDIR");
    *o = (struct output){.special = is_special(cli->output)};

    const int n = o->special ? asprintf(&o->dir, "%s/lucetc-XXXXXX", tmp && tmp[0] ? tmp : "/tmp")
                             : asprintf(&o->dir, "%s.XXXXXX", cli->output);
    if (n < 0 || !mkdtemp(o->dir)) {
        const int error = n < 0 ? ENOMEM : errno;
        if (n >= 0)
            free(o->dir);
        report_message(cli, cli_output_name(cli), "io", strerror(error));
        return false;
    }
    if (asprintf(&o->file, "%s/output", o->dir) < 0)
        abort();
    return true;
}

bool output_deliver(const struct output *o, const struct cli *cli)
{
    if (o->special ? copy_to(o->file, cli->output) : rename(o->file, cli->output) == 0)
        return true;
    report_message(cli, cli_output_name(cli), "io", strerror(errno));
    return false;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

void output_discard(struct output *o)
{
    nftw(o->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(o->dir);
    free(o->file);
}
