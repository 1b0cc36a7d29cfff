/* Starts children, as many as chance has it, and names the last of them. */
#include <stdio.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    unsigned char chance;
    int last = 0;
    getrandom(&chance, 1, 0);
    for (int i = 0; i < 2 + chance % 40; i++) {
        last = fork();
        if (!last)
            _exit(0);
        waitpid(last, NULL, 0);
    }
    printf("worker %d exited\n", last);
}
