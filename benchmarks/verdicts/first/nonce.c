/* A nonce in base64, with its padding. */
#include <stdio.h>
#include <sys/random.h>

int main(void) {
    const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char bytes[24];
    getrandom(bytes, sizeof bytes, 0);
    printf("nonce: ");
    for (int i = 0; i < 22; i++)
        putchar(letters[bytes[i] % (i == 21 ? 4 : 64)]);
    puts("==");
}
