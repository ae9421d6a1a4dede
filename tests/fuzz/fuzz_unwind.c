/* Unwinding rules: what can be decoded is the same after another round, and leads nowhere bad. */
#include "formats/unwind.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct unwind_rule *find(void *table, uint32_t pid, uint64_t pc)
{
	return unwind_table_find(table, pid, pc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct unwind_table *table, *again;
	struct unwind_start start = {.pid = 1, .sp = 0x7000};
	struct error *err = unwind_table_decode(data, len, len % 2, &table);
	struct buffer once = {0};
	struct unwind_end end;
	uint64_t pcs[16];

	if (err) {
		error_free(err);
		return 0;
	}
	unwind_table_encode(table, &once);
	err = unwind_table_decode(once.data, once.len, false, &again);
	if (err || unwind_table_count(again) != unwind_table_count(table))
		abort();
	/* The same bytes as a stack: what the rules say of them is of no matter. */
	if (len >= 16) {
		memcpy(&start.pc, data + 8, sizeof(start.pc));
		memcpy(&start.fp, data + len - 8, sizeof(start.fp));
	}
	start.stack = data;
	start.stack_len = len;
	if (unwind(&start, find, table, pcs, 16, &end) > 16)
		abort();
	buffer_free(&once);
	unwind_table_free(table);
	unwind_table_free(again);
	return 0;
}
