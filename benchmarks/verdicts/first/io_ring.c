/* Asks for a ring of requests. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    char parameters[120] = {0};
    long ring = syscall(SYS_io_uring_setup, 4, parameters);
    printf("io_uring: %s\n", ring < 0 ? strerror(errno) : "yes");
}
