/* Linux system calls and program start without a C library, for seven platforms.
 *
 * A C library would have to be built first for each of them; this needs none. A program includes
 * this file once and defines `int run(int argc, char **argv)`.
 */
#pragma once

typedef unsigned long size;

#if defined(__x86_64__)
#define ARCH "amd64"
enum { SYS_read = 0, SYS_write = 1, SYS_nanosleep = 35, SYS_exit_group = 231, SYS_openat = 257 };
#define REGISTERS(n, a, b, c) \
    register long r0 __asm__("rax") = n, r1 __asm__("rdi") = a, r2 __asm__("rsi") = b, \
                  r3 __asm__("rdx") = c
#define TRAP "syscall"
#define CLOBBERED "rcx", "r11", "memory"
#define START "xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call start\n"

#elif defined(__i386__)
#define ARCH "386"
enum { SYS_read = 3, SYS_write = 4, SYS_nanosleep = 162, SYS_exit_group = 252, SYS_openat = 295 };
#define REGISTERS(n, a, b, c) \
    register long r0 __asm__("eax") = n, r1 __asm__("ebx") = a, r2 __asm__("ecx") = b, \
                  r3 __asm__("edx") = c
#define TRAP "int $0x80"
#define CLOBBERED "memory"
#define START "mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n push %eax\n call start\n"

#elif defined(__aarch64__)
#define ARCH "arm64"
enum { SYS_openat = 56, SYS_read = 63, SYS_write = 64, SYS_exit_group = 94, SYS_nanosleep = 101 };
#define REGISTERS(n, a, b, c) \
    register long number __asm__("x8") = n, r0 __asm__("x0") = a, r2 __asm__("x1") = b, \
                  r3 __asm__("x2") = c
#define TRAP "svc 0"
#define CLOBBERED "memory"
#define START "mov x0, sp\n bl start\n"

#elif defined(__arm__)
#define ARCH "arm"
enum { SYS_read = 3, SYS_write = 4, SYS_nanosleep = 162, SYS_exit_group = 248, SYS_openat = 322 };
#define REGISTERS(n, a, b, c) \
    register long number __asm__("r7") = n, r0 __asm__("r0") = a, r2 __asm__("r1") = b, \
                  r3 __asm__("r2") = c
#define TRAP "svc 0"
#define CLOBBERED "memory"
#define START "mov r0, sp\n bic sp, sp, #7\n bl start\n"

#elif defined(__riscv)
#define ARCH "riscv64"
enum { SYS_openat = 56, SYS_read = 63, SYS_write = 64, SYS_exit_group = 94, SYS_nanosleep = 101 };
#define REGISTERS(n, a, b, c) \
    register long number __asm__("a7") = n, r0 __asm__("a0") = a, r2 __asm__("a1") = b, \
                  r3 __asm__("a2") = c
#define TRAP "ecall"
#define CLOBBERED "memory"
#define START \
    ".option push\n .option norelax\n lla gp, __global_pointer$\n .option pop\n" \
    "mv a0, sp\n andi sp, sp, -16\n call start\n"

#elif defined(__s390x__)
#define ARCH "s390x"
enum { SYS_read = 3, SYS_write = 4, SYS_nanosleep = 162, SYS_exit_group = 248, SYS_openat = 288 };
#define REGISTERS(n, a, b, c) \
    register long number __asm__("r1") = n, r0 __asm__("r2") = a, r2 __asm__("r3") = b, \
                  r3 __asm__("r4") = c
#define TRAP "svc 0"
#define CLOBBERED "memory"
#define START "lgr %r2, %r15\n aghi %r15, -160\n brasl %r14, start\n"

#elif defined(__powerpc64__)
#define ARCH "ppc64le"
enum { SYS_read = 3, SYS_write = 4, SYS_nanosleep = 162, SYS_exit_group = 234, SYS_openat = 286 };
#define REGISTERS(n, a, b, c) \
    register long number __asm__("r0") = n, r0 __asm__("r3") = a, r2 __asm__("r4") = b, \
                  r3 __asm__("r5") = c
/* An error sets the summary overflow bit and gives a positive number. */
#define TRAP "sc\n bns+ 1f\n neg 3, 3\n 1:"
#define CLOBBERED \
    "memory", "cr0", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "ctr", "lr"
#define START \
    "addis 2, 12, .TOC.-_start@ha\n addi 2, 2, .TOC.-_start@l\n" \
    ".localentry _start, .-_start\n" \
    "mr 3, 1\n clrrdi 1, 1, 4\n li 0, 0\n stdu 0, -32(1)\n bl start\n"
#endif

static long call(long n, long a, long b, long c) {
    REGISTERS(n, a, b, c);
#if defined(__x86_64__) || defined(__i386__)
    __asm__ volatile(TRAP : "+r"(r0) : "r"(r1), "r"(r2), "r"(r3) : CLOBBERED);
#else
    __asm__ volatile(TRAP : "+r"(r0), "+r"(number), "+r"(r2), "+r"(r3) : : CLOBBERED);
#endif
    return r0;
}

__asm__(".text\n .global _start\n .type _start, %function\n _start:\n" START);

int run(int argc, char **argv);

__attribute__((used, noreturn)) void start(long *stack) {
    call(SYS_exit_group, run((int)stack[0], (char **)(stack + 1)), 0, 0);
    __builtin_unreachable();
}

static size length(const char *text) {
    size n = 0;
    while (text[n]) n++;
    return n;
}

static void write_all(int file, const char *bytes, size count) {
    while (count) {
        long done = call(SYS_write, file, (long)bytes, (long)count);
        if (done <= 0) return;
        bytes += done;
        count -= (size)done;
    }
}

static void print(const char *text) { write_all(1, text, length(text)); }

static void copy_stream(long from) {
    static char block[1 << 12];
    long count;
    while ((count = call(SYS_read, from, (long)block, sizeof block)) > 0)
        write_all(1, block, (size)count);
}

/* Print a file; returns an exit code. */
static int copy_file(const char *path) {
    enum { AT_FDCWD = -100, O_RDONLY = 0 };
    const long file = call(SYS_openat, AT_FDCWD, (long)path, O_RDONLY);
    if (file < 0) return 1;
    copy_stream(file);
    return 0;
}

static void sleep_s(long seconds) {
    long span[2] = {seconds, 0};
    call(SYS_nanosleep, (long)span, 0, 0);
}

static int is_equal(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

static long parse_number(const char *text) {
    long value = 0;
    while (*text >= '0' && *text <= '9') value = value * 10 + (*text++ - '0');
    return value;
}
