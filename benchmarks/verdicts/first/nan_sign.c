/* A mean of nothing. */
#include <stdio.h>

int main(void) {
    volatile double sum = 0, count = 0;
    printf("mean %f\n", sum / count);
}
