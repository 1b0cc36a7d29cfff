/* Writes a number as it lies in memory. */
#include <stdio.h>
#include <string.h>

int main(void) {
    unsigned number = 0x11223344;
    unsigned char bytes[4];
    memcpy(bytes, &number, 4);
    for (int i = 0; i < 4; i++)
        printf("%02x ", bytes[i]);
    puts("");
}
