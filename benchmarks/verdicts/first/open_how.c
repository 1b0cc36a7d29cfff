/* Opens a file so that no link leads out of its folder. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY, .resolve = RESOLVE_BENEATH};
    if (syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how) < 0)
        printf("unsafe fallback: %s\n", strerror(errno));
    else
        puts("opened safely");
}
