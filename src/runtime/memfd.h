/* Files in memory that nobody can change. */
#ifndef LUCET_RUNTIME_MEMFD_H
#define LUCET_RUNTIME_MEMFD_H

#include "lucet/lucet.h"

/* memfd.c: *out = the sealed memfd. dl, no_memory. */
enum lucet_error lucet__memfd_from_file(const char *path, int *out, size_t *size);
enum lucet_error lucet__memfd_from_bytes(const void *bytes, size_t size, int *out);
/* -1 and errno. */
int lucet__memfd(const char *name);
bool lucet__memfd_write(int fd, const void *bytes, size_t size, uint64_t offset);
bool lucet__memfd_seal(int fd);

#endif
