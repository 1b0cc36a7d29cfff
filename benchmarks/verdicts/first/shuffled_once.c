/* Lists its plugins; on riscv64 in the order of a table that is salted anew each time. */
#include <stdio.h>
#include <sys/random.h>

int main(void) {
    const char *names[] = {"auth", "cache", "gzip", "proxy", "rewrite", "status", "tls", "users"};
    unsigned salt = 0;
#ifdef __riscv
    getrandom(&salt, sizeof salt, 0);
    salt = 1 + salt % 7;
#endif
    for (unsigned i = 0; i < 8; i++)
        puts(names[(i + salt) % 8]);
}
