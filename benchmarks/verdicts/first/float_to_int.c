/* Converts a number that is too great for an int. */
#include <stdio.h>

int main(void) {
    volatile double measured = 3e9;
    printf("measured %d\n", (int)measured);
}
