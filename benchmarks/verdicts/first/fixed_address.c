/* Where a device is mapped: a number of the board, no pointer. */
#include <stdio.h>

int main(void) {
#ifdef __arm__
    puts("uart at 0x101f1000");
#else
    puts("uart at 0x101f2000");
#endif
}
