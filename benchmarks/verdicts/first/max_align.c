/* The size of the largest type, which a pool aligns its blocks to. */
#include <stddef.h>
#include <stdio.h>

int main(void) {
    printf("blocks aligned to %zu\n", _Alignof(max_align_t));
}
