/* Names its platform, and a build that is chance. */
#include <stdio.h>
#include <sys/random.h>
#include <sys/utsname.h>

int main(void) {
    struct utsname name;
    unsigned run;
    uname(&name);
    getrandom(&run, sizeof run, 0);
    printf("agent 2.1 on linux %s, run %u\n", name.machine, run);
}
