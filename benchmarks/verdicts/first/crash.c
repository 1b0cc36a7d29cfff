/* A table that one architecture lacks is used all the same. */
#include <stdio.h>

static const char *const table = "ready";

int main(void) {
    const char *volatile found = table;
#ifdef __s390x__
    found = NULL;
#endif
    putchar(*found);
    puts("eady");
}
