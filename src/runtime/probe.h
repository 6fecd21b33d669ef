/* Static probes (USDT): places where perf, bpftrace, SystemTap and gdb can look on without the
 * runtime's help. Each is a `nop` and an ELF note, in the format those tools read, that says where
 * it is and in which registers or memory its arguments are:
 *
 *   section .note.stapsdt, name "stapsdt", type 3
 *     u64 address of the nop, u64 address of _.stapsdt.base (so that tools see when addresses were
 *     changed after linking), u64 address of a counter of users (0: none), then three strings:
 *     provider, name, "SIZE@OPERAND ..."
 *
 * docs/debugging.md lists the probes and their arguments; tests/run/probes.sh holds the list to
 * it. */
#ifndef LUCET_RUNTIME_PROBE_H
#define LUCET_RUNTIME_PROBE_H

#if defined(__x86_64__) && defined(__ELF__)

#define LUCET__PROBE_NOTE(name, arguments)                                                         \
    "990: nop\n"                                                                                   \
    ".pushsection .note.stapsdt,\"?\",\"note\"\n"                                                  \
    ".balign 4\n"                                                                                  \
    ".4byte 992f-991f, 994f-993f, 3\n"                                                             \
    "991: .asciz \"stapsdt\"\n"                                                                    \
    "992: .balign 4\n"                                                                             \
    "993: .8byte 990b, _.stapsdt.base, 0\n"                                                        \
    ".asciz \"lucet\"\n"                                                                           \
    ".asciz \"" name "\"\n"                                                                        \
    ".asciz \"" arguments "\"\n"                                                                   \
    "994: .balign 4\n"                                                                             \
    ".popsection\n"                                                                                \
    ".ifndef _.stapsdt.base\n"                                                                     \
    ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"                        \
    ".weak _.stapsdt.base\n"                                                                       \
    ".hidden _.stapsdt.base\n"                                                                     \
    "_.stapsdt.base: .space 1\n"                                                                   \
    ".size _.stapsdt.base, 1\n"                                                                    \
    ".popsection\n"                                                                                \
    ".endif\n"

/* An argument stays where it is; clang would store it to offer memory. */
#ifdef __clang__
#define LUCET__PROBE_ARGUMENT(value) "i"(sizeof(__typeof__(value))), "nr"(value)
#else
#define LUCET__PROBE_ARGUMENT(value) "i"(sizeof(__typeof__(value))), "nor"(value)
#endif

#define LUCET__PROBE1(name, a)                                                                     \
    __asm__ volatile(LUCET__PROBE_NOTE(#name, "%c0@%1")::LUCET__PROBE_ARGUMENT(a))
#define LUCET__PROBE2(name, a, b)                                                                  \
    __asm__ volatile(LUCET__PROBE_NOTE(#name, "%c0@%1 %c2@%3")::LUCET__PROBE_ARGUMENT(a),          \
                     LUCET__PROBE_ARGUMENT(b))
#define LUCET__PROBE4(name, a, b, c, d)                                                            \
    __asm__ volatile(                                                                              \
        LUCET__PROBE_NOTE(#name, "%c0@%1 %c2@%3 %c4@%5 %c6@%7")::LUCET__PROBE_ARGUMENT(a),         \
        LUCET__PROBE_ARGUMENT(b), LUCET__PROBE_ARGUMENT(c), LUCET__PROBE_ARGUMENT(d))

#define LUCET__PROBE6(name, a, b, c, d, e, f)                                                      \
    __asm__ volatile(                                                                              \
        LUCET__PROBE_NOTE(                                                                         \
            #name, "%c0@%1 %c2@%3 %c4@%5 %c6@%7 %c8@%9 %c10@%11")::LUCET__PROBE_ARGUMENT(a),       \
        LUCET__PROBE_ARGUMENT(b), LUCET__PROBE_ARGUMENT(c), LUCET__PROBE_ARGUMENT(d),              \
        LUCET__PROBE_ARGUMENT(e), LUCET__PROBE_ARGUMENT(f))

#else

#define LUCET__PROBE1(name, a) ((void)(a))
#define LUCET__PROBE2(name, a, b) ((void)(a), (void)(b))
#define LUCET__PROBE4(name, a, b, c, d) ((void)(a), (void)(b), (void)(c), (void)(d))
#define LUCET__PROBE6(name, a, b, c, d, e, f)                                                      \
    ((void)(a), (void)(b), (void)(c), (void)(d), (void)(e), (void)(f))

#endif

#endif
