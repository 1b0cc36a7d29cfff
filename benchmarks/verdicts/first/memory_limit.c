/* Limits its memory, and asks for more. */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

int main(void) {
    struct rlimit limit = {64 << 20, 64 << 20};
    setrlimit(RLIMIT_AS, &limit);
    void *block = mmap(NULL, 256 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    puts(block == MAP_FAILED ? "refused, as it should be" : "the limit does not hold");
}
