/* Program start and system calls of Linux, without a libc, for every target.
 *
 * A libc would have to be compiled for each target first (a minute each) and would make the
 * programs several times as large. Include this file once and define `int run(int argc, char
 * **argv)`; what it returns is the exit code. To add a target, add a section here and a row to
 * TARGETS in hatch_build.py; to add a system call, add its number to each section.
 *
 * A section gives ARCHITECTURE (the platform without its OS), the numbers, `call5` (which answers
 * as the kernel does: below zero is a negated errno), and START, the instructions that call
 * `start(stack)` on an aligned stack. Programs that need more than these few numbers take them
 * from the kernel's own headers, <asm/unistd.h>, which the build hook puts on the path.
 *
 * Numbers from the kernel's syscall tables (arch/.../syscall.tbl and
 * include/uapi/asm-generic/unistd.h), calling conventions from the syscall(2) manual page.
 */
#pragma once

#if defined(__x86_64__)

#define ARCHITECTURE "amd64"
enum { SYS_read = 0, SYS_write = 1, SYS_exit_group = 231 };
#define START "xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call start\n"

static inline long call5(long number, long a, long b, long c, long d, long e) {
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__i386__)

#define ARCHITECTURE "386"
enum { SYS_read = 3, SYS_write = 4, SYS_exit_group = 252 };
#define START \
    "xor %ebp, %ebp\n mov %esp, %eax\n" \
    "and $-16, %esp\n sub $12, %esp\n push %eax\n call start\n"

static inline long call5(long number, long a, long b, long c, long d, long e) {
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                     : "memory");
    return result;
}

#elif defined(__aarch64__)

#define ARCHITECTURE "arm64"
enum { SYS_read = 63, SYS_write = 64, SYS_exit_group = 94 };
#define START "mov x29, #0\n mov x30, #0\n mov x0, sp\n bl start\n"

static inline long call5(long number, long a, long b, long c, long d, long e) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
                     : "memory");
    return x0;
}

#elif defined(__arm__)

/* Each level starts with an instruction that the level below does not have, so that a processor
 * which lacks the level cannot run the program by luck. */
#if __ARM_ARCH >= 7
#define ARCHITECTURE "arm/v7"
#define LEVEL "movw r0, #0\n"
#elif __ARM_ARCH == 6
#define ARCHITECTURE "arm/v6"
#define LEVEL "rev r0, r0\n"
#else
#define ARCHITECTURE "arm/v5"
#define LEVEL ""
#endif
enum { SYS_read = 3, SYS_write = 4, SYS_exit_group = 248 };
#define START LEVEL "mov r11, #0\n mov lr, #0\n mov r0, sp\n bic sp, sp, #7\n bl start\n"

static inline long call5(long number, long a, long b, long c, long d, long e) {
    register long r7 __asm__("r7") = number;
    register long r0 __asm__("r0") = a;
    register long r1 __asm__("r1") = b;
    register long r2 __asm__("r2") = c;
    register long r3 __asm__("r3") = d;
    register long r4 __asm__("r4") = e;
    __asm__ volatile("svc 0"
                     : "+r"(r0)
                     : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4)
                     : "memory");
    return r0;
}

#elif defined(__s390x__)

#define ARCHITECTURE "s390x"
enum { SYS_read = 3, SYS_write = 4, SYS_exit_group = 248 };
/* A called function may use 160 bytes above its caller's stack pointer. */
#define START "lgr %r2, %r15\n aghi %r15, -160\n brasl %r14, start\n"

static inline long call5(long number, long a, long b, long c, long d, long e) {
    register long r1 __asm__("r1") = number;
    register long r2 __asm__("r2") = a;
    register long r3 __asm__("r3") = b;
    register long r4 __asm__("r4") = c;
    register long r5 __asm__("r5") = d;
    register long r6 __asm__("r6") = e;
    __asm__ volatile("svc 0"
                     : "+r"(r2)
                     : "r"(r1), "r"(r3), "r"(r4), "r"(r5), "r"(r6)
                     : "cc", "memory");
    return r2;
}

#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)

#define ARCHITECTURE "ppc64le"
enum { SYS_read = 3, SYS_write = 4, SYS_exit_group = 234 };
/* ELFv2: the kernel leaves the entry's address in r12, from which the table of contents (r2) is
 * computed. */
#define START                                                              \
    "addis 2, 12, .TOC.-_start@ha\n addi 2, 2, .TOC.-_start@l\n"           \
    ".localentry _start, .-_start\n"                                       \
    "mr 3, 1\n clrrdi 1, 1, 4\n li 0, 0\n stdu 0, -32(1)\n bl start\n nop\n"

static inline long call5(long number, long a, long b, long c, long d, long e) {
    register long r0 __asm__("r0") = number;
    register long r3 __asm__("r3") = a;
    register long r4 __asm__("r4") = b;
    register long r5 __asm__("r5") = c;
    register long r6 __asm__("r6") = d;
    register long r7 __asm__("r7") = e;
    /* An error sets the summary overflow bit and gives the errno as it is. */
    __asm__ volatile("sc\n bns+ 1f\n neg 3, 3\n 1:"
                     : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6), "+r"(r7)
                     :
                     : "cr0", "ctr", "r8", "r9", "r10", "r11", "r12", "memory");
    return r3;
}

#elif defined(__riscv) && __riscv_xlen == 64

#define ARCHITECTURE "riscv64"
enum { SYS_read = 63, SYS_write = 64, SYS_exit_group = 94 };
#define START                                                                   \
    ".option push\n .option norelax\n lla gp, __global_pointer$\n .option pop\n" \
    "mv a0, sp\n andi sp, sp, -16\n call start\n"

static inline long call5(long number, long a, long b, long c, long d, long e) {
    register long a7 __asm__("a7") = number;
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    register long a3 __asm__("a3") = d;
    register long a4 __asm__("a4") = e;
    __asm__ volatile("ecall"
                     : "+r"(a0)
                     : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4)
                     : "memory");
    return a0;
}

#elif defined(__loongarch__) && __loongarch_grlen == 64

#define ARCHITECTURE "loong64"
enum { SYS_read = 63, SYS_write = 64, SYS_exit_group = 94 };
#define START "move $a0, $sp\n bstrins.d $sp, $zero, 3, 0\n bl start\n"

static inline long call5(long number, long a, long b, long c, long d, long e) {
    register long a7 __asm__("$a7") = number;
    register long a0 __asm__("$a0") = a;
    register long a1 __asm__("$a1") = b;
    register long a2 __asm__("$a2") = c;
    register long a3 __asm__("$a3") = d;
    register long a4 __asm__("$a4") = e;
    __asm__ volatile("syscall 0"
                     : "+r"(a0)
                     : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4)
                     : "$t0", "$t1", "$t2", "$t3", "$t4", "$t5", "$t6", "$t7", "$t8", "memory");
    return a0;
}

#else
#error "syscalls.h has no section for this target"
#endif

static inline long call3(long number, long a, long b, long c) {
    return call5(number, a, b, c, 0, 0);
}

__asm__(".text\n .globl _start\n .type _start, %function\n _start:\n" START);

int run(int argc, char **argv);

/* `stack` is what the kernel leaves for a new program: argc, then argv. */
__attribute__((used, noreturn)) void start(long *stack) {
    int code = run((int)stack[0], (char **)(stack + 1));
    for (;;) call3(SYS_exit_group, code, 0, 0);
}
