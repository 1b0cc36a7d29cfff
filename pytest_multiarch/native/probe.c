/* The probe: prints one line, then waits until its stdin ends.
 *
 * While it waits, the node can be asked what its process is, which tells an emulator from native
 * execution. With the argument `once` it ends right after its line.
 */
#include "syscalls.h"

static const char HELLO[] = "pytest-multiarch probe " ARCHITECTURE "\n";

static int is_once(const char *word) {
    const char *once = "once";
    while (*once && *word == *once) word++, once++;
    return *word == *once;
}

int run(int argc, char **argv) {
    char ignored[64];
    const long size = sizeof HELLO - 1;
    if (call3(SYS_write, 1, (long)HELLO, size) != size) return 1;
    if (argc > 1 && is_once(argv[1])) return 0;
    while (call3(SYS_read, 0, (long)ignored, sizeof ignored) > 0) {
    }
    return 0;
}
