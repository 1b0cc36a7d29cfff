/* Arithmetic, sizes and layouts that the architecture or the ABI decides. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <wchar.h>

static volatile int zero = 0, one = 1, width = 32, least = -2147483647 - 1, minus = -1;
static volatile double big = 1e10, negative = -1.0, tenth = 0.1, ten = 10.0;

static void saturate(void) { printf("pixels %d\n", (int)(big * big)); }
static void wrap(void) { printf("level %u\n", (unsigned)(negative * 3.0)); }
static void divide(void) { printf("mean %d\n", one / zero); }
static void overflow(void) { printf("quotient %d\n", least / minus); }
static void shift(void) { printf("mask %#x\n", (unsigned)one << width); }
static void residue(void) { printf("residue %g\n", tenth * ten - 1.0); }
static void notanumber(void) {
    volatile double nothing = zero;
    printf("ratio %f\n", nothing / nothing);
}
static void precise(void) {
    long double sum = 0;
    for (int i = 0; i < 10; i++) sum += 0.1L;
    printf("sum %.22Lf digits %d\n", sum, LDBL_DIG);
}
static void wide(void) {
    volatile wchar_t end = (wchar_t)-1;
    printf("sentinel %s\n", end < 0 ? "found" : "missed");
}
static void parse(void) { printf("limit %ld\n", strtol("99999999999", NULL, 10)); }
static void timeout(void) {
    volatile unsigned long seconds = 5000;
    unsigned long us = seconds * 1000000;
    printf("gives up after %.3f s\n", us / 1e6);
}
static void expires(void) {
    volatile long when = (long)4102444800LL;
    time_t t = when;
    char text[64];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime(&t));
    printf("certificate valid until %s\n", text);
}
static void percent(void) {
    volatile long done = 45000000, all = 60000000;
    printf("[%ld%%] copied\n", done * 100 / all);
}
struct sample { char kind; double value; };
static void record(void) { printf("record of %zu bytes\n", sizeof(struct sample)); }
static void events(void) { printf("events %zu bytes\n", 64 * sizeof(struct epoll_event)); }
static void jump(void) { printf("context %zu\n", sizeof(jmp_buf)); }
static void offset(void) { printf("st_size at %zu\n", offsetof(struct stat, st_size)); }

static const char *words[] = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta",
                              "theta", "iota", "kappa"};
static void buckets(void) {
    const char *table[64] = {0};
    for (int i = 0; i < 10; i++) {
        size_t hash = (size_t)14695981039346656037ULL;
        for (const char *c = words[i]; *c; c++) hash = (hash ^ (unsigned char)*c) * (size_t)1099511628211ULL;
        size_t at = (hash >> (sizeof hash * 8 - 6)) & 63;
        while (table[at]) at = (at + 1) & 63;
        table[at] = words[i];
    }
    for (int i = 0; i < 64; i++)
        if (table[i]) puts(table[i]);
}
static void accents(void) {
    const char *names[] = {"\xc3\xa4pfel", "\xc3\xb6l", "zucker", "brot", "\xc3\xbc" "bung"};
    for (int i = 0; i < 5; i++)
        for (int j = i + 1; j < 5; j++)
            if (names[j][0] < names[i][0] || (names[j][0] == names[i][0] && names[j][1] < names[i][1])) {
                const char *swap = names[i];
                names[i] = names[j];
                names[j] = swap;
            }
    for (int i = 0; i < 5; i++) printf("%s%s", names[i], i < 4 ? ", " : "\n");
}
static void flags(void) {
    struct { unsigned low : 3, middle : 5, high : 8; } set = {1, 2, 3};
    unsigned char bytes[4];
    memcpy(bytes, &set, 4);
    printf("header %02x%02x\n", bytes[0], bytes[1]);
}

#define DO(name) if (!strcmp(argv[1], #name)) { name(); return 0; }
int main(int argc, char **argv) {
    if (argc < 2) return 2;
    DO(saturate) DO(wrap) DO(divide) DO(overflow) DO(shift) DO(residue) DO(notanumber) DO(precise)
    DO(wide) DO(parse) DO(timeout) DO(expires) DO(percent) DO(record) DO(events) DO(jump)
    DO(offset) DO(buckets) DO(accents) DO(flags)
    return 2;
}
