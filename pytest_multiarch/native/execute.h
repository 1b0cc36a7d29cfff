/* Starting programs: a new process, and a program as a shell finds it. Include syscalls.h first. */
#pragma once

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/signal.h>

#include "text.h"

static inline long fork_process(void) {
#if defined(__NR_fork)
    return call3(__NR_fork, 0, 0, 0);
#else
    return call3(__NR_clone, SIGCHLD, 0, 0);
#endif
}

/* Put `folder` (up to a colon), a slash and `name` together; an empty folder is the current one.
 * Gives the text after the folder, or null if it does not fit. */
static inline const char *join_path(char *path, const char *folder, const char *name) {
    unsigned size = 0;
    for (; *folder && *folder != ':'; folder++) {
        if (size >= PATH_MAX) return 0;
        path[size++] = *folder;
    }
    if (size) path[size++] = '/';
    if (size + length(name) >= PATH_MAX) return 0;
    do path[size++] = *name;
    while (*name++);
    return folder;
}

/* Become the program `argv[0]`, looked up in PATH. Gives a negated errno if that is impossible. */
static inline long execute(char **argv, char **environ) {
    static char path[PATH_MAX + 1];
    const char *folder = find_variable(environ, "PATH=");
    for (const char *at = argv[0]; *at; at++) {
        if (*at == '/') return call3(__NR_execve, (long)argv[0], (long)argv, (long)environ);
    }
    long failure = -ENOENT;
    while (folder && argv[0][0]) {
        folder = join_path(path, folder, argv[0]);
        if (!folder) return -ENAMETOOLONG;
        const long result = call3(__NR_execve, (long)path, (long)argv, (long)environ);
        if (result != -ENOENT && result != -ENOTDIR && result != -EACCES) return result;
        if (result == -EACCES) failure = result;
        folder = *folder ? folder + 1 : 0;
    }
    return failure;
}
