/* A default that looks like a time that passed. */
#include <stdio.h>

int main(void) {
    printf("gives up after %d ms\n", sizeof(void *) == 4 ? 3000 : 30000);
}
