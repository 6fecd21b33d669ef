/* What tests have in common that stop guests at every single instruction, by the processor's trap
 * flag. */
#ifndef LUCET_TEST_STEPS_H
#define LUCET_TEST_STEPS_H

#define TRAP_FLAG 0x100 /* in the flags register */

/* main() of such a test with ThreadSanitizer, which calls handlers later than at the instruction:
 * says that it is skipped. */
int steps_skipped(void);

#endif
