/* An interpreter of a small byte code: one large switch in a loop, so a jump table. */
#include "kernel.h"

enum op { PUSH, ADD, SUB, MUL, XOR, SHR, DUP, SWAP, LOAD, STORE, JNZ, LESS, HALT };

static uint32_t run(const int32_t *code, uint32_t *memory)
{
    uint32_t stack[32], *top = stack;
    for (const int32_t *pc = code;;) {
        uint32_t t;
        switch ((enum op) * pc++) {
        case PUSH: *top++ = (uint32_t)*pc++; break;
        case ADD: top--, top[-1] += *top; break;
        case SUB: top--, top[-1] -= *top; break;
        case MUL: top--, top[-1] *= *top; break;
        case XOR: top--, top[-1] ^= *top; break;
        case SHR: top--, top[-1] >>= *top & 31; break;
        case DUP: *top = top[-1], top++; break;
        case SWAP: t = top[-1], top[-1] = top[-2], top[-2] = t; break;
        case LOAD: *top++ = memory[*pc++]; break;
        case STORE: memory[*pc++] = *--top; break;
        case LESS: top--, top[-1] = top[-1] < *top; break;
        case JNZ: t = (uint32_t)*pc++, pc = *--top ? code + t : pc; break;
        case HALT: return memory[1];
        }
    }
}

static uint64_t kernel(void)
{
    /* for (i = 0; i < 1500000; i++) h = (h ^ i) * 16777619 ^ (h >> 13) */
    static const int32_t code[] = {PUSH,  0,   STORE, 0,       PUSH,     17,  STORE, 1,   LOAD, 1,
                                   LOAD,  0,   XOR,   PUSH,    16777619, MUL, LOAD,  1,   PUSH, 13,
                                   SHR,   XOR, STORE, 1,       LOAD,     0,   PUSH,  1,   ADD,  DUP,
                                   STORE, 0,   PUSH,  1500000, LESS,     JNZ, 8,     HALT};
    uint32_t memory[4] = {0};
    return run(code, memory);
}
