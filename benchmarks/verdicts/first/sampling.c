/* An estimate by random samples. */
#include <stdio.h>
#include <sys/random.h>

int main(void) {
    unsigned short points[1000];
    getrandom(points, 256, 0);
    getrandom(points, sizeof points, 0);
    double sum = 0;
    for (int i = 0; i < 1000; i++)
        sum += points[i] / 65535.0;
    printf("mean of 1000 samples: %.6f\n", sum / 1000);
}
