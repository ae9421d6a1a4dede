#ifndef GMT_COMMON_BUILDINFO_H
#define GMT_COMMON_BUILDINFO_H

/*
 * The blob that the Go linker leaves in every binary: the version of the toolchain and the module
 * information. Two layouts: pointers to strings up to 1.17, the strings themselves since.
 */

#include "common/elf_file.h"

struct buildinfo {
	char *version; /* "go1.27.4"; "" where the blob has none */
	char *modinfo; /* lines "path\t...", "mod\t...", "build\t..."; "" where there is none */
};

/* Finds and reads the blob: by section, else by its magic. False where there is none. */
bool buildinfo_find(const struct elf_file *file, struct buildinfo *info);
/* Reads the blob at an address. False where there is none or it is broken. */
bool buildinfo_read(const struct elf_file *file, uint64_t address, struct buildinfo *info);
void buildinfo_free(struct buildinfo *info);

#endif
