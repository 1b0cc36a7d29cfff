/* Shifts by more than the width. */
#include <stdio.h>

int main(void) {
    volatile unsigned one = 1, by = 33;
    printf("mask %x\n", one << by);
}
