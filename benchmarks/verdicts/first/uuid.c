/* A random UUID. */
#include <stdio.h>
#include <sys/random.h>

int main(void) {
    unsigned char b[16];
    getrandom(b, sizeof b, 0);
    printf("request %02x%02x%02x%02x-%02x%02x-4%x%02x-a%x%02x-%02x%02x%02x%02x%02x%02x accepted\n",
           b[0], b[1], b[2], b[3], b[4], b[5], b[6] % 16, b[7], b[8] % 16, b[9], b[10], b[11],
           b[12], b[13], b[14], b[15]);
}
