/* Says for which pages the linker laid this program out. */
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <sys/auxv.h>

int main(void) {
    const ElfW(Phdr) *header = (const void *)getauxval(AT_PHDR);
    unsigned long count = getauxval(AT_PHNUM), align = 0;
    for (; count; count--, header++)
        if (header->p_type == PT_LOAD && header->p_align > align)
            align = header->p_align;
    printf("pages of up to %lu bytes\n", align);
}
