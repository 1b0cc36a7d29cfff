/* The number of a request to a terminal. */
#include <stdio.h>
#include <sys/ioctl.h>

int main(void) {
    printf("request %lu\n", (unsigned long)TIOCGWINSZ);
}
