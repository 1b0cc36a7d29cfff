/* What is written or sent in the order of the machine's bytes, and the kernel's numbers. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

static uint32_t mix(const char *text) {
    uint32_t hash = 2166136261u, word;
    char padded[32] = {0};
    strcpy(padded, text);
    for (int i = 0; i < 32; i += 4) {
        memcpy(&word, padded + i, 4);
        hash = (hash ^ word) * 16777619u;
        hash ^= hash >> 15;
    }
    return hash;
}
static void etag(void) { printf("HTTP/1.1 200 OK\r\nETag: \"%08x%08x\"\r\n\r\n", mix("index.html"), mix("body")); }
static void uuid(void) {
    uint32_t a = mix("a"), b = mix("b"), c = mix("c"), d = mix("d");
    printf("object %08x-%04x-5%03x-8%03x-%08x%04x\n", a, b >> 16, b & 0xfff, c >> 20, d, c & 0xffff);
}
static void port(void) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = 8080};
    printf("listening on 127.0.0.1:%u\n", ntohs(here.sin_port));
}
static void address(void) {
    struct in_addr host = {.s_addr = 0x0a00010f};
    printf("peer %s\n", inet_ntoa(host));
}
static void session(void) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct { uint32_t user; uint16_t role, flags; uint32_t made; } pass = {1042, 7, 3, 1700000000};
    unsigned char bytes[12];
    memcpy(bytes, &pass, 12);
    printf("cookie ");
    for (int i = 0; i < 12; i += 3) {
        unsigned three = bytes[i] << 16 | bytes[i + 1] << 8 | bytes[i + 2];
        for (int j = 18; j >= 0; j -= 6) putchar(digits[three >> j & 63]);
    }
    puts("");
}
static void magic(void) {
    uint32_t word = 0x89504e47;
    fwrite(&word, 4, 1, stdout);
}
static void pointer(void) {
    union { void *p; unsigned char bytes[8]; } slot = {.p = (void *)0x1234};
    printf("tag %#x\n", slot.bytes[0]);
}
static void directory(void) { printf("open flags %#o\n", O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW); }
static void window(void) { printf("request %#lx\n", (unsigned long)TIOCGWINSZ); }
static void deadlock(void) { printf("error %d: %s\n", EDEADLOCK, strerror(58)); }
static void speed(void) { printf("speed %#x\n", (unsigned)B115200); }
static void altstack(void) { printf("stack %d\n", (int)SIGSTKSZ); }
static void number(void) { printf("filter %d %d\n", (int)SYS_getppid, (int)SYS_futex); }

#define DO(name) if (!strcmp(argv[1], #name)) { name(); return 0; }
int main(int argc, char **argv) {
    if (argc < 2) return 2;
    DO(etag) DO(uuid) DO(port) DO(address) DO(session) DO(magic) DO(pointer) DO(directory)
    DO(window) DO(deadlock) DO(speed) DO(altstack) DO(number)
    return 2;
}
