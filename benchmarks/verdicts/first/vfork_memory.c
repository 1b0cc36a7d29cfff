/* A child of vfork leaves a result in its parent's memory. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    volatile int result = 0;
    pid_t child = vfork();
    if (!child) {
        result = 42;
        _exit(0);
    }
    waitpid(child, NULL, 0);
    printf("result %d\n", result);
}
