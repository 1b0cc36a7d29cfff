/* A random token with as many bytes as a long has. */
#include <stdio.h>
#include <sys/random.h>

int main(void) {
    unsigned char bytes[sizeof(long)];
    getrandom(bytes, sizeof bytes, 0);
    printf("session ");
    for (unsigned i = 0; i < sizeof bytes; i++)
        printf("%02x", bytes[i]);
    puts("");
}
