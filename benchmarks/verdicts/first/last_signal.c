/* Uses the last of the real-time signals. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t seen;

static void note(int number) {
    seen = number;
}

int main(void) {
    signal(SIGRTMAX, SIG_IGN);
    if (signal(SIGRTMAX, note) == SIG_ERR || raise(SIGRTMAX)) {
        printf("no signal %d: %s\n", SIGRTMAX, strerror(errno));
        return 1;
    }
    printf("signal %d came\n", seen);
}
