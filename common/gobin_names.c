#include "common/gobin_internal.h"

#include "formats/xalloc.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static void names_make(struct gobin_names *names, size_t count)
{
	names->n_slots = 16;
	while (names->n_slots < count * 2)
		names->n_slots *= 2;
	names->slots = xcalloc(names->n_slots, sizeof(*names->slots));
}

static size_t first_slot(const struct gobin_names *names, const char *name)
{
	return XXH3_64bits(name, strlen(name)) & (names->n_slots - 1);
}

void gobin_names_free(struct gobin_names *names)
{
	free(names->slots);
	*names = (struct gobin_names){0};
}

static uint64_t function_size(const struct pclntab *table, size_t i)
{
	return pclntab_entry(table, i + 1) - pclntab_entry(table, i);
}

/*
 * Where a name stands twice, one of the two is a wrapper that converts between calling
 * conventions; the function itself is larger.
 */
void gobin_names_functions(struct gobin_names *names, const struct pclntab *table)
{
	names_make(names, table->count);
	for (size_t i = 0; i < table->count && i < UINT32_MAX; i++) {
		const char *name = pclntab_name(table, i);
		size_t at = first_slot(names, name);

		if (!name[0])
			continue;
		while (names->slots[at] &&
		       strcmp(pclntab_name(table, names->slots[at] - 1), name) != 0)
			at = (at + 1) & (names->n_slots - 1);
		if (!names->slots[at] ||
		    function_size(table, i) > function_size(table, names->slots[at] - 1))
			names->slots[at] = (uint32_t)i + 1;
	}
}

bool gobin_names_find_function(const struct gobin_names *names, const struct pclntab *table,
			       const char *name, size_t *i)
{
	if (!names->n_slots)
		return false;
	for (size_t at = first_slot(names, name); names->slots[at];
	     at = (at + 1) & (names->n_slots - 1)) {
		*i = names->slots[at] - 1;
		if (strcmp(pclntab_name(table, *i), name) == 0)
			return true;
	}
	return false;
}

static bool is_data(const struct elf_symbol *symbol)
{
	return symbol->defined && symbol->name[0] &&
	       (symbol->type == STT_OBJECT || symbol->type == STT_NOTYPE);
}

void gobin_names_symbols(struct gobin_names *names, const struct elf_symbols *symbols)
{
	size_t count = 0;

	for (size_t i = 0; i < symbols->count; i++) {
		struct elf_symbol symbol = elf_symbols_nth(symbols, i);

		count += is_data(&symbol);
	}
	names_make(names, count);
	for (size_t i = 0; i < symbols->count && i < UINT32_MAX; i++) {
		struct elf_symbol symbol = elf_symbols_nth(symbols, i);
		size_t at;

		if (!is_data(&symbol))
			continue;
		at = first_slot(names, symbol.name);
		while (names->slots[at] &&
		       strcmp(elf_symbols_nth(symbols, names->slots[at] - 1).name, symbol.name))
			at = (at + 1) & (names->n_slots - 1);
		if (!names->slots[at])
			names->slots[at] = (uint32_t)i + 1;
	}
}

bool gobin_names_find_symbol(const struct gobin_names *names, const struct elf_symbols *symbols,
			     const char *name, struct elf_symbol *symbol)
{
	if (!names->n_slots)
		return false;
	for (size_t at = first_slot(names, name); names->slots[at];
	     at = (at + 1) & (names->n_slots - 1)) {
		*symbol = elf_symbols_nth(symbols, names->slots[at] - 1);
		if (strcmp(symbol->name, name) == 0)
			return true;
	}
	return false;
}
