/* A status line: the time, and the number of its threads. */
#include <dirent.h>
#include <stdio.h>
#include <time.h>

int main(void) {
    int count = 0;
    struct timespec now;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; tasks && (entry = readdir(tasks));)
        count += entry->d_name[0] != '.';
    clock_gettime(CLOCK_REALTIME, &now);
    printf("%lld.%06ld status: %d thread(s)\n", (long long)now.tv_sec, now.tv_nsec / 1000, count);
}
