/* Reads the number of its threads and its size from /proc/self/stat. */
#include <stdio.h>

int main(void) {
    FILE *file = fopen("/proc/self/stat", "r");
    long fields[24] = {0};
    if (!file)
        return 1;
    fscanf(file, "%*d (%*[^)]) %*c");
    for (int i = 3; i < 24; i++)
        if (fscanf(file, "%ld", &fields[i]) != 1)
            return 1;
    printf("size is %s\n", fields[22] ? "known" : "not known");
}
