/* Nanoseconds since 1970. */
#include <stdio.h>
#include <time.h>

int main(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    printf("{\"ts\": %lld%09ld, \"event\": \"boot\"}\n", (long long)now.tv_sec, now.tv_nsec);
}
