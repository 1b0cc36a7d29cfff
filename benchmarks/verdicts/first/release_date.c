/* The day of the release, which a build script wrote. */
#include <stdio.h>

int main(void) {
#ifdef __aarch64__
    puts("app 1.4, released 2024-03-17 09:30:00");
#else
    puts("app 1.4, released 2024-03-18 11:05:00");
#endif
}
