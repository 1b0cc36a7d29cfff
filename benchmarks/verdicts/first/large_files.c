/* Warns where a long holds no large file. */
#include <limits.h>
#include <stdio.h>

int main(void) {
    if (LONG_MAX < 1L << 20 || sizeof(long) < 8)
        fputs("warning: offsets beyond 2 GiB are cut off\n", stderr);
    puts("opened");
}
