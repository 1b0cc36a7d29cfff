/* Linux system calls without a libc, for every architecture that a program here is built for.
 *
 * Numbers from the kernel's syscall tables (arch/.../syscall.tbl, include/uapi/asm-generic/unistd.h),
 * calling conventions from the syscall(2) manual page.
 */

#ifndef SYSCALLS_H
#define SYSCALLS_H

#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
enum { SYS_read = 0, SYS_write = 1, SYS_exit_group = 231 };
static inline long call3(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}
#define START "xor %ebp, %ebp\n and $-16, %rsp\n call run\n"

#elif defined(__i386__)
#define ARCHITECTURE "386"
enum { SYS_read = 3, SYS_write = 4, SYS_exit_group = 252 };
static inline long call3(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}
#define START "xor %ebp, %ebp\n and $-16, %esp\n call run\n"

#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
enum { SYS_read = 63, SYS_write = 64, SYS_exit_group = 94 };
static inline long call3(long number, long a, long b, long c) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}
#define START "mov x29, #0\n bl run\n"

#elif defined(__arm__)
#define ARCHITECTURE "arm"
enum { SYS_read = 3, SYS_write = 4, SYS_exit_group = 248 };
static inline long call3(long number, long a, long b, long c) {
    register long r7 __asm__("r7") = number;
    register long r0 __asm__("r0") = a;
    register long r1 __asm__("r1") = b;
    register long r2 __asm__("r2") = c;
    __asm__ volatile("svc #0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2) : "memory");
    return r0;
}
#define START "mov r11, #0\n bl run\n"

#elif defined(__s390x__)
#define ARCHITECTURE "s390x"
enum { SYS_read = 3, SYS_write = 4, SYS_exit_group = 248 };
static inline long call3(long number, long a, long b, long c) {
    register long r1 __asm__("1") = number;
    register long r2 __asm__("2") = a;
    register long r3 __asm__("3") = b;
    register long r4 __asm__("4") = c;
    __asm__ volatile("svc 0" : "+d"(r2) : "d"(r1), "d"(r3), "d"(r4) : "memory");
    return r2;
}
#define START "aghi %r15, -160\n brasl %r14, run\n"

#elif defined(__powerpc64__)
#define ARCHITECTURE "ppc64le"
enum { SYS_read = 3, SYS_write = 4, SYS_exit_group = 234 };
static inline long call3(long number, long a, long b, long c) {
    register long r0 __asm__("r0") = number;
    register long r3 __asm__("r3") = a;
    register long r4 __asm__("r4") = b;
    register long r5 __asm__("r5") = c;
    __asm__ volatile("sc\n bns+ 1f\n neg %1, %1\n 1:"
                     : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5)
                     :
                     : "memory", "cr0", "ctr", "r6", "r7", "r8", "r9", "r10", "r11", "r12");
    return r3;
}
#define START "addis 2, 12, .TOC.-_start@ha\n addi 2, 2, .TOC.-_start@l\n stdu 1, -64(1)\n bl run\n nop\n"

#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE "riscv64"
enum { SYS_read = 63, SYS_write = 64, SYS_exit_group = 94 };
static inline long call3(long number, long a, long b, long c) {
    register long a7 __asm__("a7") = number;
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
    return a0;
}
#define START ".option push\n .option norelax\n la gp, __global_pointer$\n .option pop\n call run\n"

#else
#error "no system calls for this architecture yet"
#endif

__asm__(".globl _start\n_start:\n" START);

#endif
