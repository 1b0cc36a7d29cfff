/* Crashes on every platform. */
#include <stdio.h>

int main(void) {
    int *volatile nothing = NULL;
    puts("about to crash");
    fflush(stdout);
    return *nothing;
}
