/* Asks for the list of locks that outlive their owner. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    void *head;
    size_t size;
    if (syscall(SYS_get_robust_list, 0, &head, &size))
        printf("robust locks: %s\n", strerror(errno));
    else
        puts("robust locks: yes");
}
