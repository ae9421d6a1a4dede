#include "common/dwarf_lines.h"
#include "common/gobin_internal.h"
#include "formats/xalloc.h"

#include <elf.h>
#include <stdlib.h>

struct native_symbol {
	uint64_t address, size;
	const char *name;
	unsigned rank; /* which of several at one address is shown: the lowest */
};

struct gobin_native {
	struct native_symbol *symbols; /* by address, one for each */
	size_t n_symbols, cap_symbols;
	struct dwarf_lines *lines;
};

/* 0 is best; negative: not code. */
static int symbol_rank(const struct elf_file *file, const struct elf_symbol *symbol)
{
	const struct elf_segment *seg;

	if (!symbol->defined || !symbol->name[0])
		return -1;
	seg = elf_file_segment(file, symbol->address);
	if (!seg || !seg->executable)
		return -1;
	/* Assembly often leaves its labels without a type. */
	if (symbol->type == STT_NOTYPE)
		return 4;
	if (symbol->type != STT_FUNC && symbol->type != STT_GNU_IFUNC)
		return -1;
	return (symbol->size ? 0 : 2) + (symbol->binding == STB_LOCAL);
}

static void add_symbols(struct gobin_native *native, const struct elf_file *file,
			const struct elf_symbols *symbols)
{
	for (size_t i = 0; i < symbols->count; i++) {
		struct elf_symbol symbol = elf_symbols_nth(symbols, i);
		int rank = symbol_rank(file, &symbol);

		if (rank < 0)
			continue;
		xgrow(native->symbols, native->cap_symbols, native->n_symbols + 1);
		native->symbols[native->n_symbols++] = (struct native_symbol){
			.address = symbol.address,
			.size = symbol.size,
			.name = symbol.name,
			.rank = (unsigned)rank,
		};
	}
}

static int symbol_order(const void *a, const void *b)
{
	const struct native_symbol *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static struct gobin_native *native_make(const struct elf_file *file)
{
	struct gobin_native *native = xcalloc(1, sizeof(*native));
	size_t kept = 0;

	add_symbols(native, file, &file->symtab);
	add_symbols(native, file, &file->dynsym);
	if (native->n_symbols)
		qsort(native->symbols, native->n_symbols, sizeof(*native->symbols), symbol_order);
	for (size_t i = 0; i < native->n_symbols; i++) {
		if (kept && native->symbols[kept - 1].address == native->symbols[i].address)
			continue;
		native->symbols[kept++] = native->symbols[i];
	}
	native->n_symbols = kept;
	native->lines = dwarf_lines_open(file);
	return native;
}

void gobin_native_free(struct gobin_native *native)
{
	if (!native)
		return;
	dwarf_lines_close(native->lines);
	free(native->symbols);
	free(native);
}

static const struct native_symbol *find_symbol(const struct gobin_native *native, uint64_t address)
{
	size_t low = 0, high = native->n_symbols;
	const struct native_symbol *symbol;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (native->symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	symbol = &native->symbols[low - 1];
	/* Without a size, it reaches to the next one. */
	return !symbol->size || address - symbol->address < symbol->size ? symbol : NULL;
}

size_t gobin_native_frames(struct gobin *bin, uint64_t address, struct symtab_frame *frames,
			   size_t max)
{
	const struct elf_segment *seg = elf_file_segment(bin->file, address);
	const struct native_symbol *symbol;
	const char *name;
	size_t n;

	if (max == 0 || !seg || !seg->executable)
		return 0;
	if (!bin->lazy->native)
		bin->lazy->native = native_make(bin->file);
	symbol = find_symbol(bin->lazy->native, address);
	name = symbol ? symbol->name : NULL;
	n = dwarf_lines_frames(bin->lazy->native->lines, address, name, frames, max);
	if (n == 0 && name) {
		frames[0] = (struct symtab_frame){.function = name, .file = ""};
		n = 1;
	}
	return n;
}
