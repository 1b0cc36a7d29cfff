/* Copies within one buffer with the function that must not be used for it. */
#include <stdio.h>
#include <string.h>

int main(void) {
    char text[128];
    for (int i = 0; i < 96; i++)
        text[i] = 'a' + i % 26;
    text[96] = 0;
    char *volatile to = text + 3;
    char *volatile from = text;
    volatile size_t size = 80;
    memcpy(to, from, size);
    puts(text);
}
