/* Lets itself be traced, as a debugger asks for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>

int main(void) {
    if (ptrace(PTRACE_TRACEME, 0, 0, 0)) {
        printf("cannot be traced: %s\n", strerror(errno));
        return 1;
    }
    puts("traced");
}
