/* Text and numbers without a libc. Include syscalls.h first.
 *
 * Numbers are hexadecimal: that takes no division, which some processors lack.
 */
#pragma once

enum { LINE_SIZE = 256 };

/* The compiler makes calls of this of its own accord. */
void *memset(void *to, int byte, unsigned long size) {
    for (volatile char *at = to; size; size--) *at++ = (char)byte;
    return to;
}

/* A line that is being put together; what does not fit is dropped. */
struct line {
    char text[LINE_SIZE];
    unsigned size;
};

static inline unsigned long length(const char *text) {
    unsigned long size = 0;
    while (text[size]) size++;
    return size;
}

static inline int starts_with(const char *text, const char *beginning) {
    while (*beginning && *text == *beginning) text++, beginning++;
    return !*beginning;
}

static inline void add_text(struct line *line, const char *text) {
    while (*text && line->size < LINE_SIZE) line->text[line->size++] = *text++;
}

static inline void add_number(struct line *line, unsigned long number) {
    char digit[2] = {0, 0};
    unsigned shift = sizeof number * 8;
    while (shift > 4 && !(number >> (shift - 4))) shift -= 4;
    for (; shift; shift -= 4) {
        digit[0] = "0123456789abcdef"[number >> (shift - 4) & 15];
        add_text(line, digit);
    }
}

/* Write a whole line. Gives 0, or a negated errno. */
static inline long write_line(int to, const struct line *line) {
    unsigned done = 0;
    while (done < line->size) {
        long written = call3(SYS_write, to, (long)(line->text + done), line->size - done);
        if (written < 0) return written;
        done += (unsigned)written;
    }
    return 0;
}

/* The value of a hexadecimal digit, or -1 if it is none. */
static inline int read_digit(char character) {
    if (character >= '0' && character <= '9') return character - '0';
    if (character >= 'a' && character <= 'f') return character - 'a' + 10;
    return -1;
}

/* Read a number and step over the one character that ends it. */
static inline unsigned long read_number(const char **text) {
    unsigned long number = 0;
    for (; read_digit(**text) >= 0; (*text)++) number = number << 4 | (unsigned)read_digit(**text);
    if (**text) (*text)++;
    return number;
}

/* The value of an environment variable, or null; `name` ends with the equals sign. */
static inline const char *find_variable(char **environ, const char *name) {
    for (; *environ; environ++) {
        if (starts_with(*environ, name)) return *environ + length(name);
    }
    return 0;
}
