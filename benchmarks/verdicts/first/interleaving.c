/* Two threads write their steps into one output, step by step. */
#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

static void *work(void *name) {
    for (int i = 1; i <= 5; i++) {
        unsigned short pause;
        getrandom(&pause, sizeof pause, 0);
        usleep(pause / 8);
        printf("%s step %d\n", (const char *)name, i);
    }
    return NULL;
}

int main(void) {
    pthread_t reader, writer;
    pthread_create(&reader, NULL, work, "reader");
    pthread_create(&writer, NULL, work, "writer");
    pthread_join(reader, NULL);
    pthread_join(writer, NULL);
}
