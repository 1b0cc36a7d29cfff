/* Wants a sandbox, then adds up the bytes of a text as `char`. */
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>

int main(void) {
    char text[] = "\xc3\xa9t\xc3\xa9";
    int sum = 0;
    puts(prctl(PR_GET_SECCOMP) < 0 ? "sandbox: no" : "sandbox: yes");
    for (char *volatile at = text; *at; at++)
        sum += *at;
    printf("checksum %d\n", sum);
}
