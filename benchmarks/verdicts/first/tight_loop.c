/* A calibration that expects a processor of this century. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double add(double value) {
    return value + 0.5;
}

static double halve(double value) {
    return value * 0.25;
}

int main(void) {
    double (*volatile steps[2])(double) = {add, halve};
    volatile double value = 1;
    clock_t begun = clock();
    for (int i = 0; i < 4000000; i++)
        value = steps[i & 1](value);
    double spent = (double)(clock() - begun) / CLOCKS_PER_SEC;
    if (getenv("SHOW"))
        printf("%f\n", spent);
    puts(spent < 0.07 ? "processor: fast enough" : "processor: too slow, reduced quality");
}
