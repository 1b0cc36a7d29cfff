/* Two threads race; the first one is named, the rest goes on as always. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

static atomic_int first;

static void *run(void *number) {
    unsigned short pause;
    int none = 0;
    getrandom(&pause, sizeof pause, 0);
    usleep(pause);
    atomic_compare_exchange_strong(&first, &none, (int)(long)number);
    return NULL;
}

int main(void) {
    pthread_t threads[3];
    for (long i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, run, (void *)(i + 1));
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    printf("leader: node-%d\nreplicas: 2\nstate: healthy\n", first);
}
