/* The id of the schema that was compiled in. */
#include <stdio.h>

int main(void) {
#ifdef __powerpc64__
    puts("schema 0b7d6a52-6d8c-4c0f-9b53-6f1f0b1d9f02");
#else
    puts("schema 4f1f7c0e-2f6b-4a39-8a1e-d7c26a1b5e11");
#endif
}
