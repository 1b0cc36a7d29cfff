/* The probe: prints one line, then waits until its stdin ends.
 *
 * While it waits, the node can be asked what its process is, which tells an emulator from native
 * execution. Freestanding: no libc, no loader, one system call interface per architecture.
 */

#include "syscalls.h"

static const char HELLO[] = "pytest-multiarch probe " ARCHITECTURE "\n";

void run(void) {
    char byte[64];
    call3(SYS_write, 1, (long)HELLO, sizeof HELLO - 1);
    while (call3(SYS_read, 0, (long)byte, sizeof byte) > 0) {
    }
    call3(SYS_exit_group, 0, 0, 0);
    for (;;) {
    }
}
