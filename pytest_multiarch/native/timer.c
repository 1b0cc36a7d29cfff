/* The timer: runs a command as often as it is asked to, and says how long each run took.
 *
 *     timer                    do nothing: the main process of a container that is to stay
 *     timer PROGRAM ARG...     take requests from stdin, write reports to stdout
 *
 * It writes `ready`, then reads one request a line: how many runs, how many milliseconds each may
 * take, and whether they are loud. The output of a loud run goes to the timer's stderr, any other
 * is dropped; stdin is always empty. For each run it writes one line:
 *
 *     ran WALL_S WALL_NS USER_S USER_US SYSTEM_S SYSTEM_US STATUS
 *     late ...                 the same, of a run that was killed since its time was up
 *     refused ERRNO            the program cannot be executed
 *     failed ERRNO             the timer could not start any
 *
 * After anything but `ran` the runs left of that request are not made. All numbers are hexadecimal;
 * STATUS is wait4's. Wall time is CLOCK_MONOTONIC's from before fork to after wait4, CPU time
 * contains that of the descendants which the program waited for.
 */
#include "syscalls.h"

#include <linux/fcntl.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/signal.h>
#include <linux/time.h>
#include <linux/wait.h>

#include "execute.h"
#include "text.h"

enum { SECOND_NS = 1000000000, MILLISECOND_NS = 1000000, MASK_SIZE = 8 };

/* The kernel's timespec before 32-bit systems got a wider one: two machine words. */
struct moment {
    long s, ns;
};

struct request {
    unsigned long runs, deadline_ms, is_loud;
};

struct run {
    struct moment wall;
    struct rusage used;
    int status, is_late;
};

static const unsigned long CHILD_ENDS[MASK_SIZE / sizeof(long)] = {1UL << (SIGCHLD - 1)};
static const unsigned long NOTHING[MASK_SIZE / sizeof(long)];

static int nowhere;
/* Through these a child says why it could not become the program. Nothing else can: both ends
 * are closed when the program starts. */
static int trouble[2];

static struct moment read_clock(void) {
    struct moment now = {0, 0};
    call3(__NR_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0);
    return now;
}

static struct moment subtract(struct moment a, struct moment b) {
    struct moment rest = {a.s - b.s, a.ns - b.ns};
    if (rest.ns < 0) rest.s--, rest.ns += SECOND_NS;
    return rest;
}

static void become_program(char **argv, char **environ, int is_loud) {
    const int output = is_loud ? 2 : nowhere;
    call3(__NR_setpgid, 0, 0, 0);
    call3(__NR_dup3, nowhere, 0, 0);
    call3(__NR_dup3, output, 1, 0);
    call3(__NR_dup3, output, 2, 0);
    call5(__NR_rt_sigprocmask, SIG_SETMASK, (long)NOTHING, 0, MASK_SIZE, 0);
    const int failure = (int)-execute(argv, environ);
    call3(SYS_write, trouble[1], (long)&failure, sizeof failure);
    call3(SYS_exit_group, 127, 0, 0);
}

/* Wait for the end of a child, which is killed with its process group at the deadline. */
static long await_child(long child, struct moment deadline, struct run *run) {
    for (;;) {
        const long found = call5(
            __NR_wait4, child, (long)&run->status, run->is_late ? 0 : WNOHANG, (long)&run->used, 0);
        if (found != 0 && found != -EINTR) return found;
        struct moment left = subtract(deadline, read_clock());
        if (left.s < 0) left.s = left.ns = 0;
        const long signal =
            call5(__NR_rt_sigtimedwait, (long)CHILD_ENDS, 0, (long)&left, MASK_SIZE, 0);
        if (signal == -EAGAIN && !run->is_late) {
            run->is_late = 1;
            call3(__NR_kill, -child, SIGKILL, 0);
            call3(__NR_kill, child, SIGKILL, 0);
        }
    }
}

/* Make one run. Gives 0, a negated errno if nothing could be started, or what a program that
 * could not be executed said. */
static long make_run(char **argv, char **environ, const struct request *request, struct run *run) {
    const struct moment begun = read_clock();
    const long child = fork_process();
    if (child < 0) return child;
    if (child == 0) become_program(argv, environ, (int)request->is_loud);
    struct moment deadline = begun;
    unsigned long left_ms = request->deadline_ms;
    for (; left_ms >= 1000; left_ms -= 1000) deadline.s++;
    deadline.ns += (long)left_ms * MILLISECOND_NS;
    if (deadline.ns >= SECOND_NS) deadline.s++, deadline.ns -= SECOND_NS;
    const long result = await_child(child, deadline, run);
    run->wall = subtract(read_clock(), begun);
    if (result < 0) return result;
    int refusal = 0;
    call3(SYS_read, trouble[0], (long)&refusal, sizeof refusal);
    return refusal;
}

/* Report a run. Gives whether the next one may follow. */
static int report(long result, const struct run *run) {
    struct line line;
    line.size = 0;
    add_text(&line, result < 0 ? "failed" : result > 0 ? "refused" : run->is_late ? "late" : "ran");
    const unsigned long numbers[] = {
        (unsigned long)run->wall.s,           (unsigned long)run->wall.ns,
        (unsigned long)run->used.ru_utime.tv_sec, (unsigned long)run->used.ru_utime.tv_usec,
        (unsigned long)run->used.ru_stime.tv_sec, (unsigned long)run->used.ru_stime.tv_usec,
        (unsigned)run->status,
    };
    const unsigned long number = (unsigned long)(result < 0 ? -result : result);
    const unsigned count = result ? 1 : sizeof numbers / sizeof *numbers;
    for (unsigned i = 0; i < count; i++) {
        add_text(&line, " ");
        add_number(&line, result ? number : numbers[i]);
    }
    add_text(&line, "\n");
    return write_line(1, &line) == 0 && !result && !run->is_late;
}

/* Read the next request. Gives 0 at the end of stdin. */
static int read_request(struct request *request) {
    char line[64];
    unsigned size = 0;
    for (char character; size < sizeof line - 1; line[size++] = character) {
        if (call3(SYS_read, 0, (long)&character, 1) != 1) return 0;
        if (character == '\n') break;
    }
    line[size] = 0;
    const char *at = line;
    request->runs = read_number(&at);
    request->deadline_ms = read_number(&at);
    request->is_loud = read_number(&at);
    return 1;
}

/* Stay, and take the children that their parents left behind, as process 1 has to. */
static int idle(void) {
    for (;;) {
        call5(__NR_rt_sigtimedwait, (long)CHILD_ENDS, 0, 0, MASK_SIZE, 0);
        while (call5(__NR_wait4, -1, 0, WNOHANG, 0, 0) > 0) {
        }
    }
}

int run(int argc, char **argv) {
    char **environ = argv + argc + 1;
    call5(__NR_rt_sigprocmask, SIG_BLOCK, (long)CHILD_ENDS, 0, MASK_SIZE, 0);
    if (argc < 2) return idle();
    /* Else a program of the same user could write reports itself, through /proc/PID/fd/1. */
    call3(__NR_prctl, PR_SET_DUMPABLE, 0, 0);
    nowhere = (int)call5(__NR_openat, AT_FDCWD, (long)"/dev/null", O_RDWR | O_CLOEXEC, 0, 0);
    const long piped = call3(__NR_pipe2, (long)trouble, O_CLOEXEC | O_NONBLOCK, 0);
    if (nowhere < 0 || piped < 0) {
        report(nowhere < 0 ? nowhere : piped, &(struct run){.status = 0});
        return 1;
    }
    struct line hello = {.size = 0};
    add_text(&hello, "ready\n");
    write_line(1, &hello);
    for (struct request request; read_request(&request);) {
        for (int goes_on = 1; goes_on && request.runs; request.runs--) {
            struct run made = {.is_late = 0};
            const long result = make_run(argv + 1, environ, &request, &made);
            goes_on = report(result, &made);
        }
    }
    return 0;
}
