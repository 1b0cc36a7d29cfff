/* The last bits of functions of the C library. */
#include <math.h>
#include <stdio.h>

int main(void) {
    double sum = 0;
    for (volatile int i = 1; i < 2000; i++)
        sum += exp(i * 1e-3) + sin(i * 0.7) + pow(i, 0.3) + log(i);
    printf("%a\n", sum);
}
