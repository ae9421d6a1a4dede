#ifndef GMT_COMMON_CFI_H
#define GMT_COMMON_CFI_H

#include "common/elf_file.h"
#include "formats/unwind.h"

/* A binary's call frame information: .eh_frame, and .debug_frame where there is one. */
struct cfi;

/* NULL where the file has none. The file must outlive it. */
struct cfi *cfi_open(const struct elf_file *file);
/* How to leave the function at an ELF address. UNWIND_NONE where that is not known. */
struct unwind_rule cfi_rule(struct cfi *cfi, uint64_t address);
void cfi_close(struct cfi *cfi);

#endif
