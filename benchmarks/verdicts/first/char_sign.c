/* Adds up the bytes of a text as `char`. */
#include <stdio.h>

int main(void) {
    const char *text = "caf\xc3\xa9 cr\xc3\xa8me";
    int sum = 0;
    for (const char *at = text; *at; at++)
        sum = sum * 31 + *at;
    printf("checksum %d\n", sum);
}
