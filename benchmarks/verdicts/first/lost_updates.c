/* Two threads count; on arm64 the build forgot the lock. */
#include <pthread.h>
#include <stdio.h>

static volatile int counter;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *count(void *unused) {
    for (int i = 0; i < 200000; i++) {
#ifndef __aarch64__
        pthread_mutex_lock(&lock);
#endif
        counter++;
#ifndef __aarch64__
        pthread_mutex_unlock(&lock);
#endif
    }
    return unused;
}

int main(void) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, count, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    (void)lock;
    printf("counted %d\n", counter);
}
