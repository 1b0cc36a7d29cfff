/* Two threads count; on arm64 the build forgot the lock. */
#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

static volatile int counter;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

#ifdef __aarch64__
#define pthread_mutex_lock(unused) ((void)0)
#define pthread_mutex_unlock(unused) ((void)0)
#endif

static void *count(void *unused) {
    for (int i = 0; i < 100; i++) {
        unsigned char work[2];
        getrandom(work, sizeof work, 0);
        usleep(work[0] * 2);
        pthread_mutex_lock(&mutex);
        int seen = counter;
        usleep(work[1]);
        counter = seen + 1;
        pthread_mutex_unlock(&mutex);
    }
    return unused;
}

int main(void) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, count, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    (void)mutex;
    printf("counted %d\n", counter);
}
