/* Reads options into a char until there are none: -1. */
#include <stdio.h>
#include <unistd.h>

int main(int count, char **arguments) {
    char option;
    int seen = 0;
    while ((option = getopt(count, arguments, "ab")) != -1)
        if (++seen == 10) {
            fputs("too many options\n", stderr);
            return 2;
        }
    printf("%d options\n", seen);
}
