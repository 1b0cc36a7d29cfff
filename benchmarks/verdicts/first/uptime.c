/* How long the machine is up, and how busy it is. */
#include <stdio.h>

int main(void) {
    double up, load;
    FILE *file = fopen("/proc/uptime", "r");
    if (!file || fscanf(file, "%lf", &up) != 1)
        return 1;
    file = fopen("/proc/loadavg", "r");
    if (!file || fscanf(file, "%lf", &load) != 1)
        return 1;
    printf("up %.2f, load %.2f\n", up, load);
}
