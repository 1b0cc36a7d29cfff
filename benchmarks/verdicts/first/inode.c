/* Number and change time of a file that was just made. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat found;
    FILE *file = fopen("/tmp/made", "w");
    if (!file || fstat(fileno(file), &found))
        return 1;
    printf("Inode: %llu Links: %d Change: %lld.%09ld\n", (unsigned long long)found.st_ino,
           (int)found.st_nlink, (long long)found.st_ctim.tv_sec, found.st_ctim.tv_nsec);
}
