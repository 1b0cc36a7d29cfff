/* A hash that is kept in an unsigned long. */
#include <stdio.h>

int main(void) {
    unsigned long hash = 5381;
    for (const char *at = "the quick brown fox"; *at; at++)
        hash = hash * 33 + (unsigned char)*at;
    printf("hash %lx\n", hash);
}
