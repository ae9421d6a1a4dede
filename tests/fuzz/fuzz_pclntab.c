/* The function table: any bytes give names, lines and inlined calls within them, or none. */
#include "common/pclntab.h"

#include <stdlib.h>
#include <string.h>

/* Where the seeds lie, and where their text is. */
#define BASE UINT64_C(0x500000)
#define TEXT UINT64_C(0x401000)

#define MAX_FRAMES 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Reads a string that is answered, so that a sanitizer sees one that does not end in time. */
static void touch(const char *text)
{
	if (!text || strlen(text) > SIZE_MAX / 2)
		abort();
}

static void frames_at(const struct pclntab *table, uint64_t address)
{
	struct symtab_frame frames[MAX_FRAMES];
	size_t n = pclntab_frames(table, address, frames, MAX_FRAMES), i;

	if (n > MAX_FRAMES || (n > 0) != pclntab_lookup(table, address, &i))
		abort();
	for (size_t k = 0; k < n; k++) {
		touch(frames[k].function);
		touch(frames[k].file);
	}
	/* What fits in less room is the inner end of the same. */
	if (n > 1 && (pclntab_frames(table, address, &frames[1], 1) != 1 ||
		      strcmp(frames[0].function, frames[1].function) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct elf_file *file = elf_file_flat(data, len, BASE);
	struct pclntab table;

	if (pclntab_find(file, &table)) {
		table.text = TEXT;
		table.gofunc = BASE;
		if (len % 2)
			pclntab_index(&table);
		for (size_t i = 0; i < table.count && i < 64; i++) {
			uint64_t start = pclntab_entry(&table, i);

			touch(pclntab_name(&table, i));
			for (uint64_t step = 0; step < 24; step++)
				frames_at(&table, start + step * step * 3);
		}
		frames_at(&table, pclntab_entry(&table, table.count));
		frames_at(&table, 0);
		frames_at(&table, UINT64_MAX);
		pclntab_free(&table);
	}
	elf_file_close(file);
	return 0;
}
