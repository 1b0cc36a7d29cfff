/* Writes a header as it lies in memory, and says how long it is. */
#include <stdio.h>

struct header {
    char kind;
    double scale;
    int count;
};

int main(void) {
    printf("header of %zu bytes\n", sizeof(struct header));
}
