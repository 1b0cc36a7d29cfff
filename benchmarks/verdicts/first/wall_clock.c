/* The time of day. */
#include <stdio.h>
#include <time.h>

int main(void) {
    struct timespec now;
    char text[40];
    clock_gettime(CLOCK_REALTIME, &now);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", gmtime(&now.tv_sec));
    printf("started at %s.%03ld\nready\n", text, now.tv_nsec / 1000000);
}
