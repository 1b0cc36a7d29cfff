/* A program that does what a test tells it, for images that hold nothing else.
 *
 *   say TEXT      print TEXT and a line end          err TEXT    the same on stderr
 *   cat           copy stdin to stdout               count       print how many bytes stdin had
 *   flood N       print N bytes                      exit N      end with N
 *   sleep N       sleep N seconds                    env NAME    print a variable
 *   pwd           print the working directory        id          print the user id
 *   show PATH     print a file                       args A...   print the arguments left, one a line
 * Commands are done in the order given.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char block[65536];

static void copy(int from)
{
    ssize_t n;
    while ((n = read(from, block, sizeof block)) > 0)
        if (write(1, block, n) != n)
            exit(3);
}

static void count(void)
{
    long total = 0;
    ssize_t n;
    while ((n = read(0, block, sizeof block)) > 0)
        total += n;
    dprintf(1, "%ld\n", total);
}

static void flood(long left)
{
    memset(block, 'x', sizeof block);
    while (left > 0) {
        ssize_t n = write(1, block, left < (long)sizeof block ? left : (long)sizeof block);
        if (n <= 0)
            exit(3);
        left -= n;
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *verb = argv[i];
        if (!strcmp(verb, "cat")) {
            copy(0);
        } else if (!strcmp(verb, "count")) {
            count();
        } else if (!strcmp(verb, "pwd")) {
            dprintf(1, "%s\n", getcwd(block, sizeof block));
        } else if (!strcmp(verb, "id")) {
            dprintf(1, "%d\n", (int)getuid());
        } else if (!strcmp(verb, "args")) {
            while (++i < argc)
                dprintf(1, "%s\n", argv[i]);
        } else if (++i >= argc) {
            return 2;
        } else if (!strcmp(verb, "say")) {
            dprintf(1, "%s\n", argv[i]);
        } else if (!strcmp(verb, "err")) {
            dprintf(2, "%s\n", argv[i]);
        } else if (!strcmp(verb, "flood")) {
            flood(atol(argv[i]));
        } else if (!strcmp(verb, "sleep")) {
            sleep(atoi(argv[i]));
        } else if (!strcmp(verb, "env")) {
            const char *value = getenv(argv[i]);
            dprintf(1, "%s\n", value ? value : "(unset)");
        } else if (!strcmp(verb, "show")) {
            int file = open(argv[i], O_RDONLY);
            if (file < 0)
                return 4;
            copy(file);
            close(file);
        } else if (!strcmp(verb, "exit")) {
            return atoi(argv[i]);
        } else {
            return 2;
        }
    }
    return 0;
}
