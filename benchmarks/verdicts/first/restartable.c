/* Registers for restartable sequences. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Alignas(32) char area[32];

int main(void) {
    if (syscall(SYS_rseq, area, sizeof area, 0, 0x53053053))
        printf("per-processor caches are off: %s\n", strerror(errno));
    else
        puts("per-processor caches are on");
}
