/* Counts its own threads. */
#include <dirent.h>
#include <stdio.h>

int main(void) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; tasks && (entry = readdir(tasks));)
        count += entry->d_name[0] != '.';
    printf("%d thread(s)\n", count);
}
