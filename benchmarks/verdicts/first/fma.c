/* A determinant whose products may be rounded once or twice. */
#include <stdio.h>

static volatile double a = 1.1, b = 2.2, c = 3.3, d = 0.7333333333333333;

int main(void) {
    double w = a, x = b, y = c, z = d;
    printf("determinant %.3e\n", w * x - y * z);
}
