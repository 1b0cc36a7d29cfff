/* Keeps a secret from its children. */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int status;
    char *secret = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *secret = 'x';
    int refused = madvise(secret, 65536, 18);
    pid_t child = fork();
    if (!child)
        _exit(*secret == 'x');
    waitpid(child, &status, 0);
    printf("secret is %s\n", refused ? "unprotected" : status ? "leaked" : "wiped");
}
