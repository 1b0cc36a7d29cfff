/* In a container of its own, the first child has the number that follows. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    pid_t child = fork();
    if (!child)
        _exit(0);
    waitpid(child, NULL, 0);
    printf("first child %s\n", child == getpid() + 1 ? "follows" : "does not follow");
}
