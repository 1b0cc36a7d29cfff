/* The control launcher: runs a native program, and all that it starts, under an emulator.
 *
 *     control                                      print `UID GID GROUP...`, then the HOME
 *     control EMULATOR UID GID GROUPS PROGRAM ...  become the program; GROUPS as in `a,14,3e8`
 *
 * It needs root, and a container whose seccomp profile allows unshare and mount. In a user and a
 * mount namespace of its own it mounts a binfmt_misc of its own (Linux 6.7) and registers the
 * emulator for the machine's own programs; what other processes and the host have registered
 * stays as it is. The program gets the user, the groups and no more capabilities than it would
 * have had. The emulator and whatever is to run natively need a byte in their ELF header that the
 * registration does not match: anything but zero at offset 15, which the kernel does not read.
 * All numbers are hexadecimal. What fails is named on stderr, and the exit code is 125.
 */
#include "syscalls.h"

#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/signal.h>

#include "execute.h"
#include "text.h"

/* Magic and mask of the machine's own programs, as QEMU's qemu-binfmt-conf.sh has them: e_ident,
 * e_type (executable or shared object) and e_machine. */
#if defined(__s390x__)
#define ORDER "\\x02"
#define TYPE_AND_MACHINE "\\x00\\x02\\x00\\x16"
#define TYPE_MASK "\\xff\\xfe\\xff\\xff"
#else
#define ORDER "\\x01"
#define TYPE_AND_MACHINE "\\x02\\x00" MACHINE
#define TYPE_MASK "\\xfe\\xff\\xff\\xff"
#endif
#if defined(__x86_64__)
#define MACHINE "\\x3e\\x00"
#elif defined(__i386__)
#define MACHINE "\\x03\\x00"
#elif defined(__aarch64__)
#define MACHINE "\\xb7\\x00"
#elif defined(__arm__)
#define MACHINE "\\x28\\x00"
#elif defined(__powerpc64__)
#define MACHINE "\\x15\\x00"
#elif defined(__riscv)
#define MACHINE "\\xf3\\x00"
#elif defined(__loongarch__)
#define MACHINE "\\x02\\x01"
#endif
#define CLASS (sizeof(long) == 8 ? "\\x02" : "\\x01")
#define ZEROS "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00"
#define ONES "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff"

#define BINFMT "/proc/sys/fs/binfmt_misc"
enum { FAILURE = 125, MOST_GROUPS = 64, WORD_BITS = 32 };

/* The plain numbers of 32-bit systems are for ids of 16 bits. */
#if defined(__NR_setuid32)
enum { GET_UID = __NR_getuid32, GET_GID = __NR_getgid32, GET_GROUPS = __NR_getgroups32 };
enum { SET_UID = __NR_setuid32, SET_GID = __NR_setgid32, SET_GROUPS = __NR_setgroups32 };
#else
enum { GET_UID = __NR_getuid, GET_GID = __NR_getgid, GET_GROUPS = __NR_getgroups };
enum { SET_UID = __NR_setuid, SET_GID = __NR_setgid, SET_GROUPS = __NR_setgroups };
#endif

/* What getdents64 gives. */
struct entry {
    unsigned long long inode, offset;
    unsigned short size;
    unsigned char kind;
    char name[];
};

struct account {
    unsigned uid, gid, groups[MOST_GROUPS];
    long group_count;
};

static char listing[4096];

static void fail(const char *step, long error) {
    struct line line = {.size = 0};
    add_text(&line, "pytest-multiarch control: ");
    add_text(&line, step);
    add_text(&line, ": error ");
    add_number(&line, (unsigned long)-error);
    add_text(&line, "\n");
    write_line(2, &line);
    call3(SYS_exit_group, FAILURE, 0, 0);
}

static long check(const char *step, long result) {
    if (result < 0) fail(step, result);
    return result;
}

static int is_expected(const char *name) {
    return name[0] == '.' || starts_with(name, "register") || starts_with(name, "status");
}

static void print_account(char **environ) {
    const char *home = find_variable(environ, "HOME=");
    unsigned groups[MOST_GROUPS];
    const long count = check("getgroups", call3(GET_GROUPS, MOST_GROUPS, (long)groups, 0));
    struct line line = {.size = 0};
    add_number(&line, (unsigned long)call3(GET_UID, 0, 0, 0));
    add_text(&line, " ");
    add_number(&line, (unsigned long)call3(GET_GID, 0, 0, 0));
    for (long i = 0; i < count; i++) {
        add_text(&line, " ");
        add_number(&line, groups[i]);
    }
    add_text(&line, "\n");
    write_line(1, &line);
    line.size = 0;
    add_text(&line, home ? home : "");
    add_text(&line, "\n");
    write_line(1, &line);
}

static struct account read_account(char **words) {
    struct account account = {.group_count = 0};
    const char *uid = words[0], *gid = words[1], *groups = words[2];
    account.uid = (unsigned)read_number(&uid);
    account.gid = (unsigned)read_number(&gid);
    while (*groups && account.group_count < MOST_GROUPS)
        account.groups[account.group_count++] = (unsigned)read_number(&groups);
    return account;
}

static void write_file(long folder, const char *name, const char *text, unsigned long size) {
    const long file = check(name, call5(__NR_openat, folder, (long)name, O_WRONLY, 0, 0));
    check(name, call3(SYS_write, file, (long)text, (long)size));
    call3(__NR_close, file, 0, 0);
}

/* Enter a user and a mount namespace in which every id stays what it was. Only a process outside
 * can say so: a child that stays there, and begins once the pipe has ended. */
static void enter_namespaces(void) {
    static const char same[] = "0 0 4294967295";
    int pipe[2], status = 0;
    char ignored;
    const long self =
        check("/proc/self", call5(__NR_openat, AT_FDCWD, (long)"/proc/self", O_CLOEXEC, 0, 0));
    check("pipe", call3(__NR_pipe2, (long)pipe, O_CLOEXEC, 0));
    const long child = check("fork", fork_process());
    if (child == 0) {
        call3(__NR_close, pipe[1], 0, 0);
        call3(SYS_read, pipe[0], (long)&ignored, 1);
        write_file(self, "uid_map", same, sizeof same - 1);
        write_file(self, "gid_map", same, sizeof same - 1);
        call3(SYS_exit_group, 0, 0, 0);
    }
    check("unshare", call3(__NR_unshare, CLONE_NEWUSER | CLONE_NEWNS, 0, 0));
    call3(__NR_close, pipe[1], 0, 0);
    call3(__NR_close, pipe[0], 0, 0);
    check("wait", call5(__NR_wait4, child, (long)&status, 0, 0, 0));
    if (status) call3(SYS_exit_group, FAILURE, 0, 0);
    call3(__NR_close, self, 0, 0);
}

/* Before Linux 6.7 there is one binfmt_misc for all, and only the host's root may mount it; should
 * a kernel hand out that one all the same, its entries show, and nothing is registered. */
static void mount_own_binfmt(void) {
    check("mount binfmt_misc", call5(__NR_mount, (long)"x", (long)BINFMT, (long)"binfmt_misc", 0, 0));
    const long folder =
        check(BINFMT, call5(__NR_openat, AT_FDCWD, (long)BINFMT, O_CLOEXEC, 0, 0));
    long size;
    while ((size = call3(__NR_getdents64, folder, (long)listing, sizeof listing)) > 0) {
        for (long at = 0; at < size;) {
            const struct entry *entry = (const struct entry *)(listing + at);
            if (!is_expected(entry->name)) fail("binfmt_misc is not private", -EBUSY);
            at += entry->size;
        }
    }
    check(BINFMT, size);
    call3(__NR_close, folder, 0, 0);
}

static void register_emulator(const char *path) {
    struct line line = {.size = 0};
    add_text(&line, ":native:M::\\x7fELF");
    add_text(&line, CLASS);
    add_text(&line, ORDER "\\x01\\x00" ZEROS TYPE_AND_MACHINE ":");
    add_text(&line, "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00" ONES TYPE_MASK ":");
    add_text(&line, path);
    add_text(&line, ":POF");
    if (line.size == LINE_SIZE) fail("the emulator's path is too long", -ENAMETOOLONG);
    write_file(AT_FDCWD, BINFMT "/register", line.text, line.size);
}

/* A user namespace begins with all capabilities. What the program gets of them is decided by the
 * bounding set when it starts: those that were there before. */
static void limit_capabilities(const struct __user_cap_data_struct *before) {
    for (unsigned each = 0; each <= CAP_LAST_CAP; each++) {
        const unsigned mask = before[each / WORD_BITS].permitted;
        if (mask >> each % WORD_BITS & 1) continue;
        check("prctl", call3(__NR_prctl, PR_CAPBSET_DROP, each, 0));
    }
}

static void become_user(const struct account *account) {
    check("setgroups", call3(SET_GROUPS, account->group_count, (long)account->groups, 0));
    check("setgid", call3(SET_GID, account->gid, 0, 0));
    check("setuid", call3(SET_UID, account->uid, 0, 0));
}

int run(int argc, char **argv) {
    char **environ = argv + argc + 1;
    if (argc < 6) {
        print_account(environ);
        return argc > 1 ? FAILURE : 0;
    }
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    static struct __user_cap_data_struct before[_LINUX_CAPABILITY_U32S_3];
    check("capget", call3(__NR_capget, (long)&header, (long)before, 0));
    const struct account account = read_account(argv + 2);
    enter_namespaces();
    mount_own_binfmt();
    register_emulator(argv[1]);
    limit_capabilities(before);
    become_user(&account);
    fail(argv[5], execute(argv + 5, environ));
    return FAILURE;
}
