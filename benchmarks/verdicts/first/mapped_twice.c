/* Maps at an address that must be free. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int main(void) {
    void *taken = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *again = mmap(taken, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | 0x100000, -1, 0);
    puts(again == MAP_FAILED ? strerror(errno) : "mapped over what was there");
}
