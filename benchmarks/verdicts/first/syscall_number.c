/* A filter of system calls, written down by number. */
#include <stdio.h>
#include <sys/syscall.h>

int main(void) {
    printf("allow %d\nallow %d\n", (int)SYS_read, (int)SYS_write);
}
