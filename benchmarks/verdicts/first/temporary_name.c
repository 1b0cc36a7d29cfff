/* Makes a temporary file and says where. */
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char path[] = "/tmp/upload-XXXXXX";
    if (mkstemp(path) < 0)
        return 1;
    printf("spooled to %s\n", path);
}
