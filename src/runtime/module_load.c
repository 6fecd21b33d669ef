/* Loading: the file is copied into a sealed memfd, read by the checking reader, then mapped from
 * there: text readable and executable, everything else readable. Nothing is writable, nothing is
 * relocated, nothing runs. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "module/cpu.h"
#include "runtime/allocate.h"
#include "runtime/error.h"
#include "runtime/frames.h"
#include "runtime/image.h"
#include "runtime/log.h"
#include "runtime/memfd.h"
#include "runtime/module.h"
#include "runtime/module_names.h"
#include "runtime/names.h"
#include "runtime/pristine.h"
#include "runtime/probe.h"
#include "runtime/ranges.h"
#include "runtime/record.h"
#include "runtime/signature.h"

static atomic_uint_least64_t last_id;

static enum lucet_error map_image(struct lucet_dl_module *m, int fd)
{
    const struct lucet_artifact *a = &m->artifact;

    if (a->image_size == 0)
        return lucet_error_ok;
    void *base =
        mmap(NULL, a->image_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return lucet__fail_errno(lucet_error_no_memory, "cannot reserve room for the module");
    m->base = base;
    for (uint32_t i = 0; i < a->nsegments; i++) {
        const struct lucet_artifact_segment *s = &a->segments[i];
        int protection = s->exec ? PROT_READ | PROT_EXEC : PROT_READ;
        if (mmap(m->base + s->vaddr, s->size, protection, MAP_PRIVATE | MAP_FIXED, fd,
                 (off_t)s->offset) == MAP_FAILED)
            return lucet__fail_errno(lucet_error_no_memory, "cannot map segment %u", i);
    }
    m->text_start = (uintptr_t)m->base + a->text.vaddr;
    m->text_end = m->text_start + a->text.size;
    return lucet_error_ok;
}

static enum lucet_error check_machine(const struct lucet_artifact *a)
{
    static atomic_uint_least64_t features;
    uint64_t have = atomic_load(&features), lacking;

#if defined(__x86_64__)
    if (a->header->arch != LUCET_ARCH_X86_64)
        return lucet__fail(
            lucet_error_unsupported,
            "an artifact for %s; this is an x86-64 machine, for which the module must "
            "be compiled",
            lucet_artifact_machine(a->header->arch));
#endif
    if (have == 0) {
        have = lucet_cpu_features();
        atomic_store(&features, have);
    }
    lacking = a->header->cpu_features & ~have;
    if (lacking) {
        char names[256];
        lucet_cpu_feature_list(lacking, names, sizeof(names));
        return lucet__fail(lucet_error_unsupported,
                           "this CPU lacks features it was compiled for (lucetc --target-cpu names "
                           "another CPU): %s",
                           names);
    }
    return lucet_error_ok;
}

static enum lucet_error read_artifact(struct lucet_dl_module *m, int fd)
{
    struct lucet_artifact_error err;
    void *file = mmap(NULL, m->file_size, PROT_READ, MAP_PRIVATE, fd, 0);

    if (file == MAP_FAILED)
        return lucet__fail_errno(lucet_error_no_memory, "cannot map the module");
    m->file = file;
    if (!lucet_artifact_read(m->file, m->file_size, &m->artifact, &err))
        return lucet__fail(lucet_error_module, "%s", err.text);
    return check_machine(&m->artifact);
}

static enum lucet_error intern_types(struct lucet_dl_module *m)
{
    const struct lucet_artifact *a = &m->artifact;

    m->type_ids = lucet__calloc((size_t)a->ntypes + 1, sizeof(*m->type_ids));
    if (!m->type_ids)
        return lucet__no_memory();
    return lucet__signatures_intern(a, m->type_ids) ? lucet_error_ok : lucet__no_memory();
}

static void module_free(struct lucet_dl_module *m)
{
    lucet__image_release(m);
    lucet__names_release(m);
    if (m->type_ids)
        lucet__signatures_release(&m->artifact, m->type_ids);
    lucet__free(m->type_ids);
    lucet__free(m->record_of);
    lucet__free(m->records);
    lucet__free(m->frames);
    lucet__free(atomic_load(&m->pristine));
    if (m->base)
        munmap(m->base, m->artifact.image_size);
    if (m->file)
        munmap((void *)(uintptr_t)m->file, m->file_size);
    pthread_mutex_destroy(&m->mutex);
    lucet__free(m);
}

/* Closes fd: mappings keep the file. `path`: for who looks on; NULL: it came as bytes. */
static enum lucet_error load(int fd, size_t size, const char *path, struct lucet_dl_module **out)
{
    struct lucet_dl_module *m = lucet__calloc(1, sizeof(*m));
    char name[LUCET__NAME_MAX];
    enum lucet_error e;

    if (!m) {
        close(fd);
        return lucet__no_memory();
    }
    lucet__refs_init(&m->refs);
    atomic_init(&m->owners, 1);
    pthread_mutex_init(&m->mutex, NULL);
    m->id = atomic_fetch_add(&last_id, 1) + 1;
    m->file_size = size;
    m->image.fd = -1;
    e = read_artifact(m, fd);
    if (e == lucet_error_ok)
        e = map_image(m, fd);
    close(fd);
    if (e == lucet_error_ok)
        e = intern_types(m);
    if (e == lucet_error_ok)
        e = lucet__records_plan(m);
    m->pristine_possible = e == lucet_error_ok && lucet__pristine_possible(&m->artifact);
    if (e == lucet_error_ok)
        e = lucet__frames_index(m);
    if (e == lucet_error_ok &&
        !lucet__range_add(&lucet__code_ranges, m->text_start, m->text_end, m, &m->code_range))
        e = lucet__no_memory();
    if (e != lucet_error_ok) {
        module_free(m);
        return e;
    }
    lucet__printable(name, sizeof(name), path ? path : "memory", path ? strlen(path) : 6);
    lucet__log(lucet_log_debug, "module %llu is loaded from %s, %llu bytes of image",
               (unsigned long long)m->id, name, (unsigned long long)m->artifact.image_size);
    LUCET__PROBE6(module_load, m, path, m->base, m->artifact.image_size, m->file, m->file_size);
    *out = m;
    return lucet_error_ok;
}

enum lucet_error lucet_dl_module_load(const char *path, struct lucet_dl_module **out)
{
    size_t size;
    int fd;

    lucet__clear_error();
    if (!path || !out)
        return lucet__fail(lucet_error_invalid_argument, "lucet_dl_module_load: NULL");
    *out = NULL;
    enum lucet_error e = lucet__memfd_from_file(path, &fd, &size);
    return e == lucet_error_ok ? load(fd, size, path, out) : e;
}

enum lucet_error lucet_dl_module_load_bytes(const void *bytes, size_t size,
                                            struct lucet_dl_module **out)
{
    int fd;

    lucet__clear_error();
    if (!bytes || !out)
        return lucet__fail(lucet_error_invalid_argument, "lucet_dl_module_load_bytes: NULL");
    *out = NULL;
    enum lucet_error e = lucet__memfd_from_bytes(bytes, size, &fd);
    return e == lucet_error_ok ? load(fd, size, NULL, out) : e;
}

static void unload(struct lucet_dl_module *m)
{
    LUCET__PROBE1(module_unload, m);
    lucet__log(lucet_log_debug, "module %llu is released", (unsigned long long)m->id);
    lucet__range_remove(&lucet__code_ranges, m->code_range);
    module_free(m);
}

void lucet__module_drop(struct lucet_dl_module *m)
{
    if (lucet__refs_drop(&m->refs))
        unload(m);
}

void lucet_dl_module_retain(struct lucet_dl_module *m)
{
    if (m)
        atomic_fetch_add_explicit(&m->owners, 1, memory_order_relaxed);
}

void lucet_dl_module_release(struct lucet_dl_module *m)
{
    if (m && atomic_fetch_sub_explicit(&m->owners, 1, memory_order_acq_rel) == 1 &&
        lucet__refs_close(&m->refs))
        unload(m);
}
