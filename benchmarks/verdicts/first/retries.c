/* Tries until it works, which is chance. */
#include <stdio.h>
#include <sys/random.h>

int main(void) {
    unsigned char chance;
    int attempt = 1;
    for (getrandom(&chance, 1, 0); chance % 3 && attempt < 9; getrandom(&chance, 1, 0))
        fprintf(stderr, "attempt %d failed: connection refused\n", attempt++);
    fprintf(stderr, "attempt %d succeeded\n", attempt);
    puts("ok");
}
