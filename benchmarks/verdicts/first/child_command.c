/* Looks at the command line of a program that it started. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    char path[64], command[64] = "";
    pid_t child = fork();
    if (!child) {
        pause();
        _exit(0);
    }
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)child);
    FILE *file = fopen(path, "r");
    fread(command, 1, sizeof command - 1, file);
    kill(child, 9);
    waitpid(child, NULL, 0);
    puts(strstr(command, "qemu") || strstr(command, "binfmt") ? "a stranger" : "a child of mine");
}
