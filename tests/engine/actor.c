/* A program that does what a test tells it, for images that hold nothing else.
 *
 *   say TEXT   print TEXT and a line end       err TEXT   the same on stderr
 *   cat        copy stdin to stdout            count      print how many bytes stdin had
 *   flood N    print N bytes                   exit N     end with N
 *   sleep N    sleep N seconds                 env NAME   print a variable
 *   pwd        print the working directory     id         print the user id
 *   show PATH  print a file                    args A...  print the arguments left, one a line
 *
 * Commands are done in the order given.
 */
#include "../../pytest_multiarch/native/syscalls.h"

#if defined(__x86_64__)
enum { SYS_openat = 257, SYS_nanosleep = 35, SYS_getcwd = 79, SYS_getuid = 102 };
#elif defined(__aarch64__)
enum { SYS_openat = 56, SYS_nanosleep = 101, SYS_getcwd = 17, SYS_getuid = 174 };
#endif
enum { CURRENT_FOLDER = -100 };

static char block[65536];

/* The compiler makes calls of these of its own accord. */
void *memset(void *to, int byte, unsigned long size) {
    for (volatile char *at = to; size; size--) *at++ = (char)byte;
    return to;
}

static long length(const char *text) {
    long n = 0;
    while (text[n]) n++;
    return n;
}

static int equal(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

static long number(const char *text) {
    long n = 0;
    while (*text) n = n * 10 + (*text++ - '0');
    return n;
}

static void put(int to, const char *data, long left) {
    while (left > 0) {
        long n = call3(SYS_write, to, (long)data, left);
        if (n <= 0) call3(SYS_exit_group, 3, 0, 0);
        data += n, left -= n;
    }
}

static void put_line(int to, const char *text) {
    put(to, text, length(text));
    put(to, "\n", 1);
}

static void put_number(long n) {
    char digits[24], *at = digits + sizeof digits;
    *--at = 0;
    do *--at = (char)('0' + n % 10);
    while (n /= 10);
    put_line(1, at);
}

static void copy(long from) {
    long n;
    while ((n = call3(SYS_read, from, (long)block, sizeof block)) > 0) put(1, block, n);
}

static void count(void) {
    long total = 0, n;
    while ((n = call3(SYS_read, 0, (long)block, sizeof block)) > 0) total += n;
    put_number(total);
}

static void flood(long left) {
    memset(block, 'x', sizeof block);
    for (; left > 0; left -= (long)sizeof block)
        put(1, block, left < (long)sizeof block ? left : (long)sizeof block);
}

static void print_variable(char **variables, const char *name) {
    const long n = length(name);
    for (; *variables; variables++) {
        long i = 0;
        while (i < n && (*variables)[i] == name[i]) i++;
        if (i == n && (*variables)[n] == '=') return put_line(1, *variables + n + 1);
    }
    put_line(1, "(unset)");
}

/* Do a command that takes a word; false if there is no such command. */
static int act_on(const char *verb, const char *word, char **variables) {
    if (equal(verb, "say")) put_line(1, word);
    else if (equal(verb, "err")) put_line(2, word);
    else if (equal(verb, "flood")) flood(number(word));
    else if (equal(verb, "exit")) call3(SYS_exit_group, number(word), 0, 0);
    else if (equal(verb, "env")) print_variable(variables, word);
    else if (equal(verb, "show")) copy(call3(SYS_openat, CURRENT_FOLDER, (long)word, 0));
    else if (equal(verb, "sleep")) {
        long duration[2] = {number(word), 0};
        call3(SYS_nanosleep, (long)duration, 0, 0);
    } else return 0;
    return 1;
}

int run(int argc, char **argv) {
    char **variables = argv + argc + 1;
    for (int i = 1; i < argc; i++) {
        if (equal(argv[i], "cat")) copy(0);
        else if (equal(argv[i], "count")) count();
        else if (equal(argv[i], "id")) put_number(call3(SYS_getuid, 0, 0, 0));
        else if (equal(argv[i], "pwd")) {
            call3(SYS_getcwd, (long)block, sizeof block, 0);
            put_line(1, block);
        } else if (equal(argv[i], "args")) {
            while (++i < argc) put_line(1, argv[i]);
        } else if (++i >= argc || !act_on(argv[i - 1], argv[i], variables)) {
            return 2;
        }
    }
    return 0;
}
