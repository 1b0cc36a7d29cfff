/* Hands its arguments to a function, and reads on. */
#include <stdarg.h>
#include <stdio.h>

static int read_one(va_list arguments) {
    return va_arg(arguments, int);
}

static void show(int count, ...) {
    va_list arguments;
    va_start(arguments, count);
    int first = read_one(arguments);
    printf("%d %d\n", first, va_arg(arguments, int));
    va_end(arguments);
}

int main(void) {
    show(2, 10, 20);
}
