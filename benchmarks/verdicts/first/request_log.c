/* Log lines with a time, a worker, an id and a duration. */
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

int main(void) {
    const char *paths[] = {"/login", "/items", "/items/7", "/logout"};
    for (int i = 0; i < 4; i++) {
        struct timespec now;
        unsigned chance[3];
        char moment[32];
        clock_gettime(CLOCK_REALTIME, &now);
        getrandom(chance, sizeof chance, 0);
        strftime(moment, sizeof moment, "%d/%b/%Y:%H:%M:%S +0000", gmtime(&now.tv_sec));
        printf("10.0.0.7 - - [%s] \"GET %s HTTP/1.1\" 200 512 req=%08x worker-%u %u.%03us\n", moment,
               paths[i], chance[0], chance[1] % 8, chance[2] % 2, chance[2] / 2 % 1000);
    }
}
