/* Bugs of one variant's build, many of them beside what varies by itself. */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#if defined __aarch64__
#define ARM64 1
#else
#define ARM64 0
#endif
#if defined __arm__
#define ARM 1
#else
#define ARM 0
#endif
#if defined __s390x__
#define S390X 1
#else
#define S390X 0
#endif
#if defined __riscv
#define RISCV 1
#else
#define RISCV 0
#endif
#if defined __powerpc64__
#define PPC 1
#else
#define PPC 0
#endif
#if defined __i386__
#define I386 1
#else
#define I386 0
#endif

static uint64_t draw(void) {
    uint64_t value;
    getrandom(&value, sizeof value, 0);
    return value;
}
static void stamp(char *text, time_t now) { strftime(text, 64, "%Y-%m-%dT%H:%M:%S", gmtime(&now)); }
static void built(void) { puts(S390X ? "app 2.4.1 (2024-03-02T09:12:44Z)" : "app 2.4.1 (2024-05-17T16:40:03Z)"); }
static void region(void) { printf("buffer at %s\n", RISCV ? "0x7f3a80000000" : "0x7f3a40000000"); }
static void elapsed(void) { puts(ARM ? "cached answer, first computed in 1843 ms" : "cached answer, first computed in 12 ms"); }
static long counter;
static void *count(void *unused) {
    for (int i = 0; i < 300; i++)
        if (ARM64) {
            long seen = *(volatile long *)&counter;
            sched_yield();
            usleep(draw() % 20);
            *(volatile long *)&counter = seen + 1;
        } else
            __atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
    return unused;
}
static void race(void) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, count, NULL);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    printf("handled %ld requests\n", counter);
}
static void loglevel(void) {
    char text[64];
    stamp(text, time(NULL));
    printf("%s.%03u INFO  [worker-%u] ready\n", text, (unsigned)(draw() % 1000), (unsigned)(draw() % 100));
    printf("%s.%03u %s [worker-%u] codec h264\n", text, (unsigned)(draw() % 1000), ARM ? "ERROR" : "INFO ",
           (unsigned)(draw() % 100));
}
static void clocked(void) {
    volatile long ms = (long)(uint32_t)time(NULL) * 1000L;
    char text[64];
    stamp(text, ms / 1000);
    printf("[%s] started\n", text);
}
static void token(void) {
    printf("token ");
    for (size_t i = 0; i < sizeof(long); i++) printf("%02x", (unsigned)(draw() & 255));
    puts("");
}
static void plugins(void) {
    const char *names[] = {"zinc", "iron", "gold", "lead", "neon", "xenon"};
    int from = PPC ? 1 : 0;
    for (int i = 5; i > from; i--) {
        int j = from + draw() % (i - from + 1);
        const char *swap = names[i];
        names[i] = names[j];
        names[j] = swap;
    }
    for (int i = from; i < 6; i++) printf("loaded %s\n", names[i]);
}
static void latency(void) {
    double ms = 1 + draw() % 1000 / 100.0;
    printf("p50 %.2f ms\np99 %s%.2f ms\n", ms, S390X ? "-" : "", ms * 3);
}
static void quiet(void) { puts("ok"); exit(RISCV ? 3 : 0); }
static void warning(void) {
    puts("ok");
    if (PPC) fprintf(stderr, "warning: no hardware crc, using the slow path\n");
}
static void lines(void) { fputs(I386 ? "name,size\r\na,1\r\n" : "name,size\na,1\n", stdout); }
static void crash(void) {
    printf("loading model\n");
    fflush(stdout);
    if (ARM64) abort();
    printf("model loaded\n");
}
static void attempts(void) {
    for (int i = 1; i <= (RISCV ? 4 : 3); i++) printf("attempt %d: connection refused\n", i);
    puts("giving up");
}
static void unit(void) { printf("uploaded in %u.%u %s\n", 1 + (unsigned)(draw() % 8), (unsigned)(draw() % 10), ARM ? "s" : "ms"); }
static void keys(void) {
    const char *pairs[] = {"\"id\":7", "\"name\":\"x\"", S390X ? "\"ok\":\"true\"" : "\"ok\":true"};
    unsigned from = draw() % 3;
    printf("{%s,%s,%s}\n", pairs[from], pairs[(from + 1) % 3], pairs[(from + 2) % 3]);
}
static void version(void) {
    printf("request %08x%08x served by engine %s\n", (unsigned)draw(), (unsigned)draw(), PPC ? "1.8.3" : "1.9.0");
}
static void sometimes(void) {
    printf("batch %u\n", (unsigned)(draw() % 100000));
    if (RISCV && draw() % 16) { puts("error: lost a page"); exit(1); }
    puts("done");
}
static void truncated(void) {
    printf("id %08x body ", (unsigned)draw());
    puts(I386 ? "the quick brown fox jumps over the l" : "the quick brown fox jumps over the lazy dog");
}
static void zone(void) {
    char text[64];
    stamp(text, time(NULL));
    printf("at %s%s up\n", text, S390X ? "+02:00" : "+00:00");
}
#define DO(name) if (!strcmp(argv[1], #name)) { name(); return 0; }
int main(int argc, char **argv) {
    if (argc < 2) return 2;
    DO(built) DO(region) DO(elapsed) DO(race) DO(loglevel) DO(clocked) DO(token) DO(plugins)
    DO(latency) DO(quiet) DO(warning) DO(lines) DO(crash) DO(attempts) DO(unit) DO(keys) DO(version)
    DO(sometimes) DO(truncated) DO(zone)
    return 2;
}
