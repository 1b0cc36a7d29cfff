/* One thread writes 64 bits at a time, another reads them: are they ever half old, half new? */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static volatile uint64_t shared;
static volatile int is_over;

static void *write_both(void *unused) {
    while (!is_over) {
        shared = 0;
        shared = UINT64_MAX;
    }
    return unused;
}

int main(void) {
    pthread_t writer;
    pthread_create(&writer, NULL, write_both, NULL);
    time_t end = time(NULL) + 3;
    int torn = 0;
    while (!torn && time(NULL) < end)
        for (int i = 0; i < 100000 && !torn; i++) {
            uint64_t seen = shared;
            torn = seen != 0 && seen != UINT64_MAX;
        }
    is_over = 1;
    pthread_join(writer, NULL);
    puts(torn ? "a counter was torn" : "counters are whole");
}
