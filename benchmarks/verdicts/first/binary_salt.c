/* Random bytes, as they are, between a fixed head and tail. */
#include <stdio.h>
#include <sys/random.h>

int main(void) {
    unsigned char salt[12];
    getrandom(salt, sizeof salt, 0);
    fwrite("Salted__", 1, 8, stdout);
    fwrite(salt, 1, sizeof salt, stdout);
    fwrite("\x00\x01\x02\x03", 1, 4, stdout);
}
