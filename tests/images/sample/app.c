/* The program of the sample images: what it does is the same on every platform, but for the
 * subcommands `arch`, `char`, `endian` and `wordsize`. */
#include "linux.h"

static char block[1 << 16];

static void flood(long megabytes) {
    for (size i = 0; i < sizeof block; i++) block[i] = i % 64 == 63 ? '\n' : 'x';
    for (long written = 0; written < megabytes * 16; written++) write_all(1, block, sizeof block);
}

static void print_arguments(int argc, char **argv) {
    for (int i = 2; i < argc; i++) {
        print(argv[i]);
        print("\n");
    }
}

static void print_endianness(void) {
    const union { unsigned word; char first; } probe = {1};
    print(probe.first ? "little\n" : "big\n");
}

/* Whether plain char is signed is the platform's choice: on arm, ppc64le, s390x and riscv64 it is
 * not. */
static void print_char(void) {
    volatile char minus_one = (char)-1;
    print(minus_one < 0 ? "-1\n" : "255\n");
}

static void print_bytes(void) {
    static const char bytes[] = "ok \xff\xfe\xc3( \x1b[31mred\x1b[0m \x1b]0;title\a \b\r\x00 end\n";
    write_all(1, bytes, sizeof bytes - 1);
}

static void crash(void) { *(volatile int *)8 = 1; }

int run(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "--version";
    const long number = argc > 2 ? parse_number(argv[2]) : 0;
    if (is_equal(what, "--version")) print("app 1.4\n");
    else if (is_equal(what, "report")) print("{\"items\": 100, \"total\": 5050, \"mean\": 50.5}\n");
    else if (is_equal(what, "arch")) print(ARCH "\n");
    else if (is_equal(what, "char")) print_char();
    else if (is_equal(what, "endian")) print_endianness();
    else if (is_equal(what, "wordsize")) print(sizeof(long) == 8 ? "64\n" : "32\n");
    else if (is_equal(what, "args")) print_arguments(argc, argv);
    else if (is_equal(what, "cat")) copy_stream(0);
    else if (is_equal(what, "bytes")) print_bytes();
    else if (is_equal(what, "flood")) flood(number);
    else if (is_equal(what, "sleep")) sleep_s(number);
    else if (is_equal(what, "crash")) crash();
    else if (is_equal(what, "exit")) return (int)number;
    else {
        static const char usage[] = "app: unknown subcommand\n";
        write_all(2, usage, sizeof usage - 1);
        return 64;
    }
    return 0;
}
