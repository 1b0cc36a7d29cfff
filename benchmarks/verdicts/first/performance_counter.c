/* Asks for a performance counter. */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attributes};
    attributes.config = PERF_COUNT_SW_TASK_CLOCK;
    long counter = syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
    printf("perf: %s\n", counter < 0 ? strerror(errno) : "yes");
}
