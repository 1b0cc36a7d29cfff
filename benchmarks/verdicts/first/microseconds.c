/* Microseconds of a fixed moment, kept in a long. */
#include <stdio.h>

int main(void) {
    volatile long seconds = 1700000000;
    printf("at %ld us\n", (long)((unsigned long)seconds * 1000000));
}
