/* Threads report as they finish, each after a pause of its own. */
#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

static void *work(void *name) {
    unsigned short pause;
    getrandom(&pause, sizeof pause, 0);
    usleep(pause);
    printf("done: %s\n", (const char *)name);
    return NULL;
}

int main(void) {
    char *names[] = {"alpha", "beta", "gamma", "delta", "epsilon"};
    pthread_t threads[5];
    for (int i = 0; i < 5; i++)
        pthread_create(&threads[i], NULL, work, names[i]);
    for (int i = 0; i < 5; i++)
        pthread_join(threads[i], NULL);
    puts("all done");
}
