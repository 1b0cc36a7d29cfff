/* A log with the time and a random request on each line, and one number that matters. */
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

static void log_line(const char *text, int value) {
    struct timespec now;
    unsigned request;
    char moment[32];
    clock_gettime(CLOCK_REALTIME, &now);
    getrandom(&request, sizeof request, 0);
    strftime(moment, sizeof moment, "%Y-%m-%dT%H:%M:%S", gmtime(&now.tv_sec));
    printf("%s.%06ldZ [%08x] %s %d\n", moment, now.tv_nsec / 1000, request, text, value);
}

int main(void) {
    volatile char level = (char)200;
    log_line("started, workers", 4);
    log_line("level", level);
    log_line("stopped, code", 0);
}
