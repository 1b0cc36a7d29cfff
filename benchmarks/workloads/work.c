/* The work that benchmarks/overhead.py measures: `work KIND COUNT`.
 *
 *   hash      COUNT blocks of 64 KiB, as SHA-256 does  compress  find repeats in COUNT such blocks
 *   float     COUNT thousand steps of a float loop     int       COUNT thousand of an integer loop
 *   spawn     start and await COUNT programs           syscalls  COUNT thousand small system calls
 *   nothing   end at once
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024, THOUSAND = 1000 };

static unsigned char block[BLOCK];
static volatile uint64_t result;

static void fill_block(void) {
    uint32_t state = 1;
    for (int i = 0; i < BLOCK; i++) {
        state = state * 1664525 + 1013904223;
        block[i] = i % 64 < 40 ? (unsigned char)(i % 23) : (unsigned char)(state >> 24);
    }
}

static uint32_t rotate(uint32_t word, int by) { return word >> by | word << (32 - by); }

/* The compression function of SHA-256, with constants of our own, which cost the same. */
static void hash_chunk(uint32_t *state, const unsigned char *bytes) {
    uint32_t words[64], s[8];
    for (int i = 0; i < 16; i++) {
        words[i] = (uint32_t)bytes[4 * i] << 24 | (uint32_t)bytes[4 * i + 1] << 16 |
                   (uint32_t)bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
    }
    for (int i = 16; i < 64; i++) {
        const uint32_t a = words[i - 15], b = words[i - 2];
        words[i] = words[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + words[i - 7] +
                   (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        const uint32_t sum = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) +
                             ((s[4] & s[5]) ^ (~s[4] & s[6])) + 0x428a2f98u * (uint32_t)(i + 1) +
                             words[i];
        const uint32_t other = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) +
                               ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += sum;
        s[0] = sum + other;
    }
    for (int i = 0; i < 8; i++) state[i] += s[i];
}

static void hash(long count) {
    uint32_t state[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (; count; count--) {
        for (int at = 0; at < BLOCK; at += 64) hash_chunk(state, block + at);
    }
    result = state[0];
}

/* Look each place up in a table of the last place with the same four bytes, as LZ77 does. */
static void compress(long count) {
    static uint16_t last[1 << 14];
    uint64_t matched = 0;
    for (; count; count--) {
        memset(last, 0, sizeof last);
        for (int at = 1; at < BLOCK - 4;) {
            uint32_t word;
            memcpy(&word, block + at, 4);
            uint16_t *slot = &last[word * 2654435761u >> 18];
            const int from = *slot;
            int size = 0;
            *slot = (uint16_t)at;
            while (from && at + size < BLOCK && block[from + size] == block[at + size]) size++;
            matched += (uint64_t)size;
            at += size > 4 ? size : 1;
        }
    }
    result = matched;
}

static void loop_floats(long count) {
    double x = 0.5;
    for (long i = 0; i < count * THOUSAND; i++) x = x * 3.7 * (1.0 - x) + 1e-9 / (x + 1.0);
    result = (uint64_t)(x * 1e9);
}

static void loop_integers(long count) {
    uint64_t x = 88172645463325252u;
    for (long i = 0; i < count * THOUSAND; i++) x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    result = x;
}

static void spawn(long count, char *self) {
    for (; count; count--) {
        const pid_t child = fork();
        if (child == 0) {
            execl(self, self, "nothing", "0", (char *)0);
            _exit(127);
        }
        int status;
        if (waitpid(child, &status, 0) != child || status) exit(1);
    }
}

static void call_system(long count) {
    for (long i = 0; i < count * THOUSAND; i++) syscall(SYS_getppid);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    const char *kind = argv[1];
    const long count = atol(argv[2]);
    fill_block();
    if (!strcmp(kind, "hash")) hash(count);
    else if (!strcmp(kind, "compress")) compress(count);
    else if (!strcmp(kind, "float")) loop_floats(count);
    else if (!strcmp(kind, "int")) loop_integers(count);
    else if (!strcmp(kind, "spawn")) spawn(count, argv[0]);
    else if (!strcmp(kind, "syscalls")) call_system(count);
    else if (strcmp(kind, "nothing")) return 2;
    return 0;
}
