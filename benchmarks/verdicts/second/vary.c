/* What varies from run to run, and does so everywhere alike. */
#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t draw(void) {
    uint64_t value;
    getrandom(&value, sizeof value, 0);
    return value;
}
static unsigned upto(unsigned n) { return draw() % n; }
static struct timespec now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t;
}
static void shuffle(const char **list, int n) {
    for (int i = n - 1; i > 0; i--) {
        int j = upto(i + 1);
        const char *swap = list[i];
        list[i] = list[j];
        list[j] = swap;
    }
}
static void hex(int n) { while (n--) printf("%x", upto(16)); }
static char *format(const char *pattern) {
    static char text[128];
    time_t t = now().tv_sec;
    strftime(text, sizeof text, pattern, gmtime(&t));
    return text;
}
static void clocks(void) {
    struct timespec t = now();
    printf("%s.%06ldZ\n", format("%Y-%m-%dT%H:%M:%S"), t.tv_nsec / 1000);
    printf("%lld\n%lld%03ld\n", (long long)t.tv_sec, (long long)t.tv_sec, t.tv_nsec / 1000000);
    puts(format("%a, %d %b %Y %H:%M:%S GMT"));
    puts(format("%a %b %e %H:%M:%S %Y"));
    puts(format("%d/%b/%Y:%H:%M:%S +0000"));
    puts(format("%Y%m%dT%H%M%SZ"));
    puts(format("%b %e %H:%M:%S host app[1]: up"));
}
static void twelve(void) { puts(format("Last login: %A, %B %d, %Y at %I:%M:%S %p")); }
static void http(void) {
    printf("HTTP/1.1 200 OK\r\nDate: %s\r\n", format("%a, %d %b %Y %H:%M:%S GMT"));
    printf("Set-Cookie: sid="); hex(32);
    printf("; Path=/; HttpOnly\r\nX-Request-Id: "); hex(16);
    printf("\r\nX-Runtime: 0.%06u\r\nContent-Length: 2\r\n\r\nok", upto(1000000));
}
static void durations(void) {
    printf("compiled in %u.%02us\n", 1 + upto(9), upto(100));
    printf("linked in %ums\n", 100 + upto(900));
    printf("query took %u.%u \xc2\xb5s\n", 10 + upto(90), upto(10));
    printf("ran 12 tests in %u.%03u seconds\n", upto(3), upto(1000));
    printf("real\t0m%u.%03us\n", upto(60), upto(1000));
    printf("total 1h%um%us\n", upto(60), upto(60));
}
static void forks(void) {
    for (int i = 1 + upto(60); i > 0; i--) {
        pid_t child = fork();
        if (!child) _exit(0);
        waitpid(child, NULL, 0);
        if (i == 1) printf("spawned worker (pid %d)\nworker %d exited with status 0\n", child, child);
    }
}
static void ports(void) {
    for (int i = 0; i < 2; i++) {
        struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof here;
        int s = socket(AF_INET, SOCK_STREAM, 0);
        bind(s, (void *)&here, size);
        listen(s, 1);
        getsockname(s, (void *)&here, &size);
        printf(i ? "metrics at http://localhost:%u/metrics\n" : "listening on port %u\n", ntohs(here.sin_port));
    }
}
static void temporary(void) {
    char name[] = "/tmp/build-XXXXXX";
    close(mkstemp(name));
    printf("writing %s/out.o\n", name);
    unlink(name);
}
static void uuids(void) {
    hex(8); putchar('-'); hex(4); printf("-4"); hex(3); printf("-a"); hex(3); putchar('-'); hex(12);
    puts(" created");
}
static void commits(void) {
    printf("HEAD is now at "); hex(7); printf(" fix\ndigest sha256:"); hex(64); puts("");
}
static void jwt(void) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    printf("Bearer eyJhbGciOiJIUzI1NiJ9.");
    for (int i = 0; i < 28; i++) putchar(digits[upto(64)]);
    putchar('.');
    for (int i = 0; i < 43; i++) putchar(digits[upto(64)]);
    puts("");
}
static const char *fruits[] = {"apple", "banana", "cherry", "damson", "elder", "fig", "grape"};
static void order(void) {
    shuffle(fruits, 7);
    for (int i = 0; i < 7; i++) printf("scanned %s: clean\n", fruits[i]);
}
static void sentence(void) {
    shuffle(fruits, 7);
    printf("tags:");
    for (int i = 0; i < 7; i++) printf(" %s", fruits[i]);
    puts("");
}
static void object(void) {
    const char *keys[] = {"\"id\":7", "\"name\":\"x\"", "\"tags\":[1,2]", "\"nested\":{\"a\":null}", "\"ok\":true"};
    shuffle(keys, 5);
    putchar('{');
    for (int i = 0; i < 5; i++) printf("%s%s", i ? ", " : "", keys[i]);
    puts("}");
}
static void pythonset(void) {
    shuffle(fruits, 7);
    putchar('{');
    for (int i = 0; i < 7; i++) printf("%s'%s'", i ? ", " : "", fruits[i]);
    puts("}");
}
static void table(void) {
    unsigned sizes[3];
    char cells[3][16];
    int w = 4;
    for (int i = 0; i < 3; i++) {
        sizes[i] = draw() % (i == 0 ? 10 : i == 1 ? 100000 : 100000000);
        int n = sprintf(cells[i], "%u", sizes[i]);
        if (n > w) w = n;
    }
    printf("| name   | %*s |\n|--------|", w, "size");
    for (int i = 0; i < w + 2; i++) putchar('-');
    puts("|");
    for (int i = 0; i < 3; i++) printf("| %-6s | %*s |\n", fruits[i], w, cells[i]);
}
static void retries(void) {
    int n = upto(6);
    for (int i = 1; i <= n; i++) printf("attempt %d failed, retrying in %d s\n", i, 1 << i);
    puts("connected");
}
static void progress(void) {
    for (unsigned done = upto(20); done < 100; done += 1 + upto(30))
        printf("\r%3u%% [%.*s>%*s] %u.%u MB/s eta 00:%02u", done, done / 10, "==========", 10 - done / 10, "",
               upto(9), upto(10), upto(60));
    printf("\r100%% [==========>] done\n");
}
static void trace(void) {
    char *page = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page += upto(200) * 4096;
    printf("Traceback:\n  #0 %p in parse\n  #1 %p in load\n  #2 %p in main\n", page + 0x120, page + 0x4a8, page + 0x9f0);
    printf("<Session object at %p>\n", page + 0x1000);
}
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static void *work(void *name) {
    for (int i = 1; i <= 3; i++) {
        usleep(upto(3000));
        pthread_mutex_lock(&gate);
        printf("[%s] step %d\n", (char *)name, i);
        pthread_mutex_unlock(&gate);
    }
    return NULL;
}
static void threads(void) {
    pthread_t ids[4];
    for (int i = 0; i < 4; i++) pthread_create(&ids[i], NULL, work, (void *)fruits[i]);
    for (int i = 0; i < 4; i++) pthread_join(ids[i], NULL);
}
static void letters(void) {
    shuffle(fruits, 3);
    for (int i = 0; i < 20; i++) putchar("ab"[upto(2)]);
    puts("");
}
static void logs(void) {
    const char *levels[] = {"INFO ", "WARN ", "DEBUG"};
    for (int i = 0; i < 4; i++)
        printf("%s,%03u %s [pool-%u-thread-%u] com.example.Cache - evicted %u entries (%u%% full)\n",
               format("%Y-%m-%d %H:%M:%S"), upto(1000), levels[i % 3], upto(9), upto(20), upto(5000), upto(100));
}
static void inode(void) {
    for (int i = upto(9); i >= 0; i--) {
        char name[32];
        sprintf(name, "/tmp/f%u", (unsigned)draw());
        FILE *f = fopen(name, "w");
        struct stat info;
        stat(name, &info);
        if (!i) printf("%llu -rw-r--r-- 1 root root 0 %s f\n", (unsigned long long)info.st_ino, format("%b %e %H:%M:%S"));
    }
}
static void usage(void) {
    printf("Mem: %u.%uGi used, %u.%uGi free\nDisk: %uM (%u%%)\nload average: %u.%02u, %u.%02u, %u.%02u\n", upto(9), upto(10),
           upto(9), upto(10), upto(50000), upto(100), upto(9), upto(100), upto(9), upto(100), upto(9), upto(100));
}
static void losses(void) {
    for (int i = 1; i <= 3; i++) printf("epoch %d loss %.6f accuracy %.2f%%\n", i, draw() / 1.8446744e19, upto(10000) / 100.0);
}
static void scientific(void) { printf("p-value %.3e, z = %.4f\n", draw() / 1.8e23, draw() / 1.8e19 * 6 - 3); }
static void addresses(void) {
    printf("eth0: ether 02:42:%02x:%02x:%02x:%02x\n", upto(256), upto(256), upto(256), upto(256));
    printf("inet 172.17.%u.%u\ninet6 fd00::%x:%x:%x\n", upto(256), upto(256), 1 + upto(65535), 1 + upto(65535), 1 + upto(65535));
}
static void caches(void) {
    for (int i = 0; i < 6; i++) {
        if (upto(2)) printf("cache miss: %s\n", fruits[i]);
        printf("served %s\n", fruits[i]);
    }
}
static void junit(void) {
    printf("<testsuite name=\"a\" tests=\"1\" time=\"%u.%03u\" timestamp=\"%s\" hostname=\"", upto(3), upto(1000), format("%Y-%m-%dT%H:%M:%S"));
    hex(12);
    printf("\"><testcase name=\"b\" time=\"0.%03u\"/></testsuite>\n", upto(1000));
}
static void download(void) {
    printf("Fetched %u.%u MiB in %us (%u kB/s)\n", 1 + upto(99), upto(10), 1 + upto(9), upto(10000));
    printf("%u packages up to date, %u to upgrade\n", 100 + upto(900), upto(100));
}
static void raw(void) {
    unsigned char bytes[24];
    getrandom(bytes, sizeof bytes, 0);
    fwrite("SALT", 4, 1, stdout);
    fwrite(bytes, 24, 1, stdout);
}
static void metrics(void) {
    printf("# TYPE http_requests_total counter\nhttp_requests_total{code=\"200\"} %u\n", upto(1000000));
    printf("process_resident_memory_bytes %.4e\nprocess_start_time_seconds %lld.%02u\n", 1e6 + upto(9000000), (long long)now().tv_sec, upto(100));
}
static void choice(void) {
    const char *tips[] = {"use --fast to skip checks", "press q to quit", "star us", "read the manual", "see --help for more",
                          "colors can be turned off", "logs live in /var/log", "plugins are welcome"};
    printf("tip: %s\n", tips[upto(8)]);
}
static void histogram(void) {
    for (int i = 0; i < 4; i++) {
        unsigned n = upto(30);
        printf("%d..%d ms |%.*s %u\n", i, i + 1, n, "##############################", n);
    }
}
static void toml(void) {
    printf("[run]\nseed = %llu\nstarted = %s\nname = \"brave_%s_%u\"\n", (unsigned long long)(draw() >> 1), format("%Y-%m-%d %H:%M:%S"),
           fruits[upto(7)], upto(100));
}
static void split(void) {
    shuffle(fruits, 7);
    int n = 2 + upto(3);
    for (int i = 0; i < 7; i++) printf("shard %d/%d: %s\n", i % n + 1, n, fruits[i]);
}
static void spread(void) {
    for (int i = 0; i < 5; i++) printf("%s%*s%u req\n", fruits[i], 3 + (int)upto(12), "", 10 + upto(90));
}

#define DO(name) if (!strcmp(argv[1], #name)) { name(); return 0; }
int main(int argc, char **argv) {
    if (argc < 2) return 2;
    DO(clocks) DO(twelve) DO(http) DO(durations) DO(forks) DO(ports) DO(temporary) DO(uuids) DO(commits)
    DO(jwt) DO(order) DO(sentence) DO(object) DO(pythonset) DO(table) DO(retries) DO(progress) DO(trace)
    DO(threads) DO(letters) DO(logs) DO(inode) DO(usage) DO(losses) DO(scientific) DO(addresses)
    DO(caches) DO(junit) DO(download) DO(raw) DO(metrics) DO(choice) DO(histogram) DO(toml) DO(split)
    DO(spread)
    return 2;
}
