/* Stores what the system says of a file, as it is. */
#include <stdio.h>
#include <sys/stat.h>

int main(void) {
    printf("entry of %zu bytes\n", sizeof(struct stat));
}
