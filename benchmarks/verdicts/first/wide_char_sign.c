/* Compares a wide character with what stands for none. */
#include <stdio.h>
#include <wchar.h>

int main(void) {
    volatile wchar_t none = (wchar_t)-1;
    puts(none < L'a' ? "none sorts first" : "none sorts last");
}
