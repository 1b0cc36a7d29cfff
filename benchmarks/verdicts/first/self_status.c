/* Reads its own number of threads from /proc/self/status. */
#include <stdio.h>

int main(void) {
    char line[256];
    int threads = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "Threads: %d", &threads);
    printf("single-threaded: %s\n", threads == 1 ? "yes" : "no");
}
