/* allocate.c: memory for the runtime itself, from the embedder's allocator when there is one. As
 * the C library's functions of these names; what one of these gave is for the others only. */
#ifndef LUCET_RUNTIME_ALLOCATE_H
#define LUCET_RUNTIME_ALLOCATE_H

#include <stddef.h>

void *lucet__malloc(size_t size) __attribute__((malloc));
void *lucet__calloc(size_t n, size_t size) __attribute__((malloc));
void *lucet__realloc(void *p, size_t size);
char *lucet__strdup(const char *s) __attribute__((malloc));
void lucet__free(void *p);
/* At a multiple of `alignment`, a power of two; given back by the second. */
void *lucet__aligned_malloc(size_t alignment, size_t size) __attribute__((malloc));
void lucet__aligned_free(void *p);

#endif
