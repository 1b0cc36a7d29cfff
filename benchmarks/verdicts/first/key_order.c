/* The keys of a table whose order is salted, as JSON. */
#include <stdio.h>
#include <sys/random.h>

int main(void) {
    int keys[] = {1, 2, 3, 4, 5, 6};
    for (int i = 5; i > 0; i--) {
        unsigned char chance;
        getrandom(&chance, 1, 0);
        int other = chance % (i + 1), kept = keys[i];
        keys[i] = keys[other];
        keys[other] = kept;
    }
    printf("{");
    for (int i = 0; i < 6; i++)
        printf("%s\"key%d\": %d", i ? ", " : "", keys[i], keys[i] * 10);
    puts("}");
}
