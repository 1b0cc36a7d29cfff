/* Counts in a field that lies across two cache lines. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static _Alignas(64) char buffer[128];

static void note(int number) {
    (void)number;
    write(1, "misaligned\n", 11);
    _exit(1);
}

int main(void) {
    signal(SIGBUS, note);
    signal(SIGILL, note);
    signal(SIGSEGV, note);
    uintptr_t address = (uintptr_t)buffer + 62;
    __asm__ volatile("" : "+r"(address));
    __atomic_fetch_add((uint32_t *)address, 1, __ATOMIC_SEQ_CST);
    puts("counted");
}
