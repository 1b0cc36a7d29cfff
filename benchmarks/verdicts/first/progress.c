/* Waits for something, and says so each time it looks. */
#include <stdio.h>
#include <sys/random.h>

int main(void) {
    unsigned char looks;
    getrandom(&looks, 1, 0);
    for (int i = 0; i < 1 + looks % 9; i++)
        puts("waiting for the database...");
    puts("connected");
}
