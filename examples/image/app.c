/* The program of the demo image. It does the same on every platform, but for two subcommands:
 * `arch` names the platform it was compiled for, and `char` shows a difference that C allows. */
#include "linux.h"

/* Plain char is signed on amd64 and 386, and unsigned on arm, arm64, ppc64le, riscv64, s390x. */
static void show_char(void) {
    volatile char minus_one = (char)-1;
    print(minus_one < 0 ? "char is signed: -1\n" : "char is unsigned: 255\n");
}

static void show_arguments(int argc, char **argv) {
    for (int i = 2; i < argc; i++) {
        print(argv[i]);
        print("\n");
    }
}

/* Work that takes time: steps of a random number generator, Marsaglia's xorshift64. */
static void work(unsigned long steps) {
    volatile unsigned long long number = 88172645463325252ULL;
    for (unsigned long step = 0; step < steps; step++) {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
    }
    print(number % 2 ? "odd\n" : "even\n");
}

/* A service that takes a second to start. */
static void serve(void) {
    print("starting\n");
    sleep_s(1);
    print("ready\n");
    for (;;) sleep_s(3600);
}

int run(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "--version";
    if (is_equal(what, "--version")) print("app 1.4\n");
    else if (is_equal(what, "report")) print("{\"items\": 100, \"total\": 5050, \"mean\": 50.5}\n");
    else if (is_equal(what, "arch")) print(ARCH "\n");
    else if (is_equal(what, "char")) show_char();
    else if (is_equal(what, "args")) show_arguments(argc, argv);
    else if (is_equal(what, "cat") && argc > 2) return copy_file(argv[2]);
    else if (is_equal(what, "sleep") && argc > 2) sleep_s(parse_number(argv[2]));
    else if (is_equal(what, "serve")) serve();
    else if (is_equal(what, "work") && argc > 2) work(parse_number(argv[2]));
    else {
        write_all(2, "app: unknown subcommand\n", 24);
        return 64;
    }
    return 0;
}
