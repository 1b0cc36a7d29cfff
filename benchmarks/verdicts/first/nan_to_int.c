/* Converts what is no number. */
#include <math.h>
#include <stdio.h>

int main(void) {
    volatile double mean = NAN;
    printf("mean %d\n", (int)mean);
}
