/* A register whose layout has a gap. */
#include <stdio.h>

struct control {
    char on : 1;
    int : 0;
    char level;
};

int main(void) {
    printf("control of %zu bytes\n", sizeof(struct control));
}
