/* Offset in struct lucet_instance that quick.S knows and func.c asserts. */
#ifndef LUCET_RUNTIME_QUICK_H
#define LUCET_RUNTIME_QUICK_H

#define QUICK_READY 256

#endif
