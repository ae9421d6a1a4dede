#ifndef GMT_COMMON_DWARF_LAYOUT_H
#define GMT_COMMON_DWARF_LAYOUT_H

#include "common/elf_file.h"
#include "common/gobin.h"

/*
 * Replaces what DWARF knows of the layout, field by field, and sets `from_dwarf` where it had the
 * structures that sampling needs. `minor` is the binary's Go
 * version. Returns the number of fields found: 0 where there is no DWARF.
 */
size_t dwarf_layout_read(const struct elf_file *file, int minor, struct go_layout *layout);

#endif
