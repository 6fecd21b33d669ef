/* For tests: the C library of the test machines has no setjmp.h for WebAssembly. */
#ifndef TEST_SETJMP_H
#define TEST_SETJMP_H

typedef unsigned long jmp_buf[8];
int setjmp(jmp_buf) __attribute__((returns_twice));
_Noreturn void longjmp(jmp_buf, int);

#endif
