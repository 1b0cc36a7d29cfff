/* Puts a key into the kernel's keyring. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    long key = syscall(SYS_add_key, "user", "app", "x", 1, -2);
    printf("keyring: %s\n", key < 0 ? strerror(errno) : "yes");
}
