/* The flags of a file, as a protocol might send them. */
#include <fcntl.h>
#include <stdio.h>

int main(void) {
    printf("flags %o\n", O_DIRECTORY | O_NOFOLLOW);
}
