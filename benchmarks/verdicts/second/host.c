/* Services of the kernel that QEMU's user mode does not pass on, or does otherwise. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, long done) { printf("%s: %s\n", what, done < 0 ? strerror(errno) : "fine"); }
static void vdso(void) { printf("fast clock %s\n", getauxval(33) ? "on" : "off"); }
static void openbeneath(void) {
    struct { uint64_t flags, mode, resolve; } how = {O_RDONLY, 0, 8};
    say("open beneath", syscall(437, AT_FDCWD, "etc/passwd", &how, sizeof how));
}
static void waitv(void) {
    long done = syscall(449, NULL, 0, 0, NULL, 0);
    printf("many futexes: %s\n", done < 0 && errno == ENOSYS ? "no" : "yes");
}
static void landlock(void) {
    long abi = syscall(444, NULL, 0, 1);
    printf("landlock %s\n", abi < 0 && errno == ENOSYS ? "missing" : "known");
}
static void preads(void) {
    char text[4];
    struct iovec part = {text, 4};
    int f = open("/etc/passwd", O_RDONLY);
    say("preadv2", syscall(SYS_preadv2, f, &part, 1, 0L, 0L, 0));
}
static void sandbox(void) { say("sandbox", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 ? -1 : 0); }
static void traceme(void) { say("trace", ptrace(PTRACE_TRACEME, 0, NULL, NULL)); }
static volatile int shared;
static void vforked(void) {
    if (vfork() == 0) {
        shared = 1;
        _exit(0);
    }
    printf("child's write %s\n", shared ? "seen" : "lost");
}
static void limit(void) {
    struct rlimit most = {64 << 20, 64 << 20};
    setrlimit(RLIMIT_AS, &most);
    void *got = mmap(NULL, 256 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    printf("256 MiB %s\n", got == MAP_FAILED ? "refused" : "granted");
}
static void tasks(void) {
    DIR *folder = opendir("/proc/self/task");
    int n = -2;
    while (readdir(folder)) n++;
    printf("%d thread%s\n", n, n == 1 ? "" : "s");
}
static void executable(void) {
    char path[64], link[256] = "";
    sprintf(path, "/proc/self/task/%d/exe", getpid());
    readlink(path, link, sizeof link - 1);
    printf("running %s\n", strcmp(strrchr(link, '/') + 1, "host") ? "something else" : "host");
}
static void child(void) {
    fflush(stdout);
    if (fork() == 0) abort();
    int status;
    wait(&status);
    printf("child died of signal %d\n", WTERMSIG(status));
}
static void netlink(void) { say("generic netlink", socket(AF_NETLINK, SOCK_RAW, 16)); }
static void cookie(void) {
    uint64_t value;
    socklen_t size = sizeof value;
    say("socket cookie", getsockopt(socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, 57, &value, &size));
}
static void pacing(void) {
    unsigned rate = 1000000;
    say("pacing", setsockopt(socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, 47, &rate, sizeof rate));
}
static void robust(void) {
    pthread_mutexattr_t how;
    pthread_mutexattr_init(&how);
    int error = pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
    printf("robust lock: %s\n", error ? strerror(error) : "fine");
}
static void executeat(void) {
    char *argv[] = {"host", "done", NULL}, *none[] = {NULL};
    int f = open("/bin/idle", O_PATH | O_CLOEXEC);
    long failed = syscall(SYS_execveat, -1, "/nowhere", argv, none, 0);
    printf("execveat: %s\n", errno == ENOSYS ? "unknown" : "known");
}
static void hint(void) {
    uint64_t hint = 2;
    int f = open("/tmp/hinted", O_RDWR | O_CREAT, 0600);
    say("write hint", fcntl(f, 1036, &hint));
}
static void resident(void) {
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long kb = 0;
    while (fgets(line, sizeof line, f)) sscanf(line, "VmSize: %ld", &kb);
    printf("footprint %s\n", kb < 20000 ? "small" : "large, giving up");
}
static void wipe(void) {
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(volatile int *)page = 1;
    say("key wiped on fork", madvise(page, 4096, 18));
    if (fork() == 0) _exit(*(volatile int *)page);
    int status;
    wait(&status);
    printf("child sees %s\n", status ? "the key" : "nothing");
}
static void restart(void) {
    long done = syscall(SYS_rseq, NULL, 0, 0, 0);
    printf("rseq %s\n", done < 0 && errno == ENOSYS ? "missing" : "there");
}
static void locked(void) {
    long done = syscall(SYS_mlock2, &shared, 4L, 0);
    printf("mlock2 %s\n", done < 0 && errno == ENOSYS ? "missing" : "there");
}

#define DO(name) if (!strcmp(argv[1], #name)) { name(); return 0; }
int main(int argc, char **argv) {
    if (argc < 2) return 2;
    DO(vdso) DO(openbeneath) DO(waitv) DO(landlock) DO(preads) DO(sandbox) DO(traceme)
    DO(vforked) DO(limit) DO(tasks) DO(executable) DO(child) DO(netlink) DO(cookie)
    DO(pacing) DO(robust) DO(executeat) DO(hint) DO(resident) DO(wipe) DO(restart) DO(locked)
    return 2;
}
