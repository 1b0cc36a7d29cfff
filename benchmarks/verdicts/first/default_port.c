/* A default that looks like a port that the system chose. */
#include <stdio.h>

int main(void) {
#ifdef __s390x__
    puts("listening on 0.0.0.0:34567");
#else
    puts("listening on 0.0.0.0:34568");
#endif
}
