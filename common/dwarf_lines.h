#ifndef GMT_COMMON_DWARF_LINES_H
#define GMT_COMMON_DWARF_LINES_H

#include "common/elf_file.h"
#include "formats/symtab.h"

/* Lines and inlined functions of C code, from DWARF. Go code has its pclntab, which is faster. */
struct dwarf_lines;

/* NULL where the file has no DWARF of code that is not Go. */
struct dwarf_lines *dwarf_lines_open(const struct elf_file *file);
/*
 * The frames of an address, innermost inlined first, at most max; 0 where DWARF does not know it
 * or `lines` is NULL. `name` is the symbol's and names the outermost; NULL: DWARF's name. Strings
 * live as long as `lines` and the file.
 */
size_t dwarf_lines_frames(const struct dwarf_lines *lines, uint64_t address, const char *name,
			  struct symtab_frame *frames, size_t max);
void dwarf_lines_close(struct dwarf_lines *lines);

#endif
