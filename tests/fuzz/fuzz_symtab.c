/* A trace's symbol table: what can be decoded is the same after another round. */
#include "formats/symtab.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buffer once = {0}, twice = {0};
	struct symtab *table, *again;
	struct error *err = symtab_decode(data, len, len % 2, &table);
	size_t n;

	if (err) {
		error_free(err);
		return 0;
	}
	symtab_find(table, 1, 0x401000, &n);
	symtab_encode(table, &once);
	/* Strings that nothing names are kept, and those that stood twice stand once. */
	err = symtab_decode(once.data, once.len, false, &again);
	if (err || symtab_count(again) != symtab_count(table))
		abort();
	symtab_encode(again, &twice);
	if (once.len != twice.len || memcmp(once.data, twice.data, once.len) != 0)
		abort();
	buffer_free(&once);
	buffer_free(&twice);
	symtab_free(table);
	symtab_free(again);
	return 0;
}
