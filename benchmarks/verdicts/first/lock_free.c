/* Whether a pair of pointers is changed in one go. */
#include <stdio.h>

int main(void) {
    puts(__atomic_always_lock_free(16, 0) ? "pairs: atomic" : "pairs: with a lock");
}
