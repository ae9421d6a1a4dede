/* The build information, in both its forms. */
#include "common/buildinfo.h"

#include <stdlib.h>
#include <string.h>

#define BASE UINT64_C(0x700000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct elf_file *file = elf_file_flat(data, len, BASE);
	struct buildinfo info;

	if (buildinfo_find(file, &info)) {
		/* Both are parts of the input. */
		if (strlen(info.version) > len || strlen(info.modinfo) > len)
			abort();
		buildinfo_free(&info);
	}
	for (uint64_t at = 0; at < 64; at++) {
		if (buildinfo_read(file, BASE + at, &info))
			buildinfo_free(&info);
	}
	elf_file_close(file);
	return 0;
}
