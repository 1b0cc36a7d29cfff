/* A name made of two words, as containers get. */
#include <stdio.h>
#include <sys/random.h>

int main(void) {
    const char *left[] = {"calm", "eager", "brave", "quizzical", "zen", "happy", "sad", "bold"};
    const char *right[] = {"turing", "hopper", "lovelace", "knuth", "ritchie", "noether", "bohr"};
    unsigned char chance[2];
    getrandom(chance, sizeof chance, 0);
    printf("created %s_%s\n", left[chance[0] % 8], right[chance[1] % 7]);
}
