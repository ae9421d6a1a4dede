#include "common/native_symbols.h"

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

const char *native_symbols_find(const struct native_symbols *symbols, uint64_t file_offset)
{
	const struct elf_file *file = symbols->file;
	size_t low = 0, high = symbols->n;
	uint64_t address = 0;

	for (size_t i = 0; i < file->n_segments; i++) {
		const struct elf_segment *segment = &file->segments[i];

		if (segment->executable && file_offset - segment->offset < segment->file_size)
			address = file_offset - segment->offset + segment->address;
	}
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

void native_symbols_close(struct native_symbols *symbols)
{
	if (!symbols)
		return;
	elf_file_close(symbols->file);
	free(symbols->functions);
	free(symbols);
}
