/* Its exit code is chance; nobody looks at it. */
#include <stdio.h>
#include <sys/random.h>

int main(void) {
    unsigned char chance;
    getrandom(&chance, 1, 0);
    puts("polled");
    return chance % 4;
}
