#include "common/native_symbols.h"

#include "common/cfi.h"
#include "common/dwarf_lines.h"
#include "common/elf_file.h"
#include "formats/xalloc.h"

#include <elf.h>
#include <stdlib.h>

struct function {
	uint64_t address, size;
	const char *name;
};

struct native_symbols {
	struct elf_file *file;
	struct function *functions; /* by address */
	size_t n, cap;
	/* Opened when first asked for */
	bool has_lines, has_cfi;
	struct dwarf_lines *lines;
	struct cfi *cfi;
};

static int by_address(const void *a, const void *b)
{
	const struct function *fa = a, *fb = b;

	return fa->address < fb->address ? -1 : fa->address > fb->address;
}

static void add_functions(struct native_symbols *s, const struct elf_symbols *table)
{
	for (size_t i = 0; i < table->count; i++) {
		struct elf_symbol symbol = elf_symbols_nth(table, i);

		if (!symbol.defined || !symbol.name[0] ||
		    (symbol.type != STT_FUNC && symbol.type != STT_GNU_IFUNC))
			continue;
		xgrow(s->functions, s->cap, s->n + 1);
		s->functions[s->n++] = (struct function){symbol.address, symbol.size, symbol.name};
	}
}

struct error *native_symbols_open(const char *path, struct native_symbols **symbols)
{
	struct native_symbols *s = xcalloc(1, sizeof(*s));
	struct error *err = elf_file_open(path, &s->file);

	if (err) {
		free(s);
		return err;
	}
	add_functions(s, s->file->symtab.count ? &s->file->symtab : &s->file->dynsym);
	if (s->n)
		qsort(s->functions, s->n, sizeof(*s->functions), by_address);
	*symbols = s;
	return NULL;
}

/* The ELF address of an offset of the file; 0 where no code lies there. */
static uint64_t address_of(const struct native_symbols *symbols, uint64_t file_offset)
{
	const struct elf_file *file = symbols->file;
	uint64_t address = 0;

	for (size_t i = 0; i < file->n_segments; i++) {
		const struct elf_segment *segment = &file->segments[i];

		if (segment->executable && file_offset - segment->offset < segment->file_size)
			address = file_offset - segment->offset + segment->address;
	}
	return address;
}

const char *native_symbols_find(const struct native_symbols *symbols, uint64_t file_offset)
{
	uint64_t address = address_of(symbols, file_offset);
	size_t low = 0, high = symbols->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (symbols->functions[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	/* Hand-written assembly may have no size: then up to the next function. */
	if (symbols->functions[low - 1].size &&
	    address - symbols->functions[low - 1].address >= symbols->functions[low - 1].size)
		return NULL;
	return symbols->functions[low - 1].name;
}

size_t native_symbols_frames(struct native_symbols *symbols, uint64_t file_offset,
			     struct symtab_frame *frames, size_t max)
{
	const char *name = native_symbols_find(symbols, file_offset);
	size_t n;

	if (!symbols->has_lines)
		symbols->lines = dwarf_lines_open(symbols->file);
	symbols->has_lines = true;
	n = dwarf_lines_frames(symbols->lines, address_of(symbols, file_offset), name, frames, max);
	if (n || !name || !max)
		return n;
	frames[0] = (struct symtab_frame){.function = name, .file = ""};
	return 1;
}

struct unwind_rule native_symbols_rule(struct native_symbols *symbols, uint64_t file_offset)
{
	if (!symbols->has_cfi)
		symbols->cfi = cfi_open(symbols->file);
	symbols->has_cfi = true;
	return cfi_rule(symbols->cfi, address_of(symbols, file_offset));
}

void native_symbols_close(struct native_symbols *symbols)
{
	if (!symbols)
		return;
	dwarf_lines_close(symbols->lines);
	cfi_close(symbols->cfi);
	elf_file_close(symbols->file);
	free(symbols->functions);
	free(symbols);
}
