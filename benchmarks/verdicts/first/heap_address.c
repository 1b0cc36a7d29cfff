/* Where things lie in memory. */
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    int local;
    printf("buffer at %p, stack at %p\n", malloc(1 << 20), (void *)&local);
}
