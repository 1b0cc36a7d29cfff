/* Reads its own memory as that of a process. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

int main(void) {
    char from[] = "read", to[8] = "";
    struct iovec local = {to, 5}, remote = {from, 5};
    if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) < 0)
        printf("profiler: %s\n", strerror(errno));
    else
        printf("profiler: %s\n", to);
}
