/* A third, to more digits than a double has. */
#include <stdio.h>

int main(void) {
    volatile long double three = 3;
    printf("%.36Lf\n", 1 / three);
}
