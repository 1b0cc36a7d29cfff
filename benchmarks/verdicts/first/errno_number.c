/* Reports an error by its number. */
#include <errno.h>
#include <stdio.h>

int main(void) {
    printf("lock: error %d\n", EDEADLOCK);
}
