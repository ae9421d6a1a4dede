#include "formats/unwind.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define VERSION	   1
#define ENTRY_SIZE 32u

enum { FLAG_CFA_FROM_FP = 1, FLAG_FP_SAVED = 2 };

struct entry {
	uint64_t pc;
	uint32_t pid;
	bool used;
	struct unwind_rule rule;
};

/* Open addressing; nothing is ever taken out. */
struct unwind_table {
	struct entry *entries;
	size_t n, mask; /* mask + 1 slots, a power of two; none yet: entries is NULL */
};

struct unwind_table *unwind_table_new(void)
{
	return xcalloc(1, sizeof(struct unwind_table));
}

void unwind_table_free(struct unwind_table *table)
{
	if (!table)
		return;
	free(table->entries);
	free(table);
}

static struct entry *slot_of(const struct unwind_table *table, uint32_t pid, uint64_t pc)
{
	uint64_t hash = (pc ^ (uint64_t)pid << 40) * 0x9e3779b97f4a7c15ull;
	size_t at = (size_t)(hash >> 20) & table->mask;

	while (table->entries[at].used &&
	       (table->entries[at].pc != pc || table->entries[at].pid != pid))
		at = (at + 1) & table->mask;
	return &table->entries[at];
}

static void grow(struct unwind_table *table)
{
	struct unwind_table larger = {.n = table->n,
				      .mask = table->entries ? table->mask * 2 + 1 : 255};

	larger.entries = xcalloc(larger.mask + 1, sizeof(*larger.entries));
	for (size_t i = 0; table->entries && i <= table->mask; i++) {
		const struct entry *entry = &table->entries[i];

		if (entry->used)
			*slot_of(&larger, entry->pid, entry->pc) = *entry;
	}
	free(table->entries);
	*table = larger;
}

void unwind_table_add(struct unwind_table *table, uint32_t pid, uint64_t pc,
		      const struct unwind_rule *rule)
{
	struct entry *entry;

	if (!table->entries || table->n * 2 > table->mask)
		grow(table);
	entry = slot_of(table, pid, pc);
	table->n += !entry->used;
	*entry = (struct entry){.pc = pc, .pid = pid, .used = true, .rule = *rule};
}

const struct unwind_rule *unwind_table_find(const struct unwind_table *table, uint32_t pid,
					    uint64_t pc)
{
	const struct entry *entry = table->entries ? slot_of(table, pid, pc) : NULL;

	return entry && entry->used ? &entry->rule : NULL;
}

size_t unwind_table_count(const struct unwind_table *table)
{
	return table->n;
}

void unwind_table_encode(const struct unwind_table *table, struct buffer *out)
{
	buffer_u32(out, VERSION);
	buffer_u32(out, (uint32_t)table->n);
	for (size_t i = 0; table->entries && i <= table->mask; i++) {
		const struct entry *entry = &table->entries[i];
		const struct unwind_rule *rule = &entry->rule;

		if (!entry->used)
			continue;
		buffer_u64(out, entry->pc);
		buffer_u32(out, entry->pid);
		buffer_u16(out, (uint16_t)rule->kind);
		buffer_u16(out, (uint16_t)((rule->cfa_from_fp ? FLAG_CFA_FROM_FP : 0) |
					   (rule->fp_saved ? FLAG_FP_SAVED : 0)));
		buffer_u32(out, (uint32_t)rule->cfa);
		buffer_u32(out, (uint32_t)rule->return_address);
		buffer_u32(out, (uint32_t)rule->fp);
		buffer_u32(out, 0);
	}
}

struct error *unwind_table_decode(const void *data, size_t len, bool swap,
				  struct unwind_table **out)
{
	struct cursor c = cursor_make(data, len);
	struct unwind_table *table;
	uint32_t n;

	c.swap = swap;
	if (cursor_u32(&c) != VERSION || c.failed)
		return error_new("the unwinding rules have a form that is not known here");
	n = cursor_u32(&c);
	if (c.failed || n > cursor_left(&c) / ENTRY_SIZE)
		return error_new("the unwinding rules are cut off");
	table = unwind_table_new();
	for (uint32_t i = 0; i < n; i++) {
		struct unwind_rule rule;
		uint64_t pc = cursor_u64(&c);
		uint32_t pid = cursor_u32(&c);
		uint16_t kind = cursor_u16(&c), flags = cursor_u16(&c);

		rule = (struct unwind_rule){
			.kind = kind <= UNWIND_GO ? (enum unwind_kind)kind : UNWIND_NONE,
			.cfa_from_fp = flags & FLAG_CFA_FROM_FP,
			.fp_saved = flags & FLAG_FP_SAVED,
			.cfa = (int32_t)cursor_u32(&c),
			.return_address = (int32_t)cursor_u32(&c),
			.fp = (int32_t)cursor_u32(&c),
		};
		cursor_u32(&c);
		unwind_table_add(table, pid, pc, &rule);
	}
	*out = table;
	return NULL;
}

/* The word at an address of the stack; false where it is not at hand. */
static bool stack_word(const struct unwind_start *start, uint64_t address, uint64_t *word)
{
	uint64_t offset = address - start->sp;

	if (address < start->sp || start->stack_len < sizeof(*word) ||
	    offset > start->stack_len - sizeof(*word))
		return false;
	memcpy(word, (const uint8_t *)start->stack + offset, sizeof(*word));
	return true;
}

size_t unwind(const struct unwind_start *start, unwind_lookup *lookup, void *context, uint64_t *pcs,
	      size_t max, struct unwind_end *end)
{
	uint64_t pc = start->pc, sp = start->sp, fp = start->fp;
	size_t n = 0;

	*end = (struct unwind_end){.fp = fp};
	while (n < max) {
		const struct unwind_rule *rule = lookup(context, start->pid, pc);
		uint64_t cfa;

		pcs[n++] = pc;
		end->fp = fp;
		end->kind = rule ? rule->kind : UNWIND_NONE;
		if (end->kind != UNWIND_FRAME)
			break;
		cfa = (rule->cfa_from_fp ? fp : sp) + (uint64_t)(int64_t)rule->cfa;
		/* Callers lie above; what says otherwise is no stack. */
		if (cfa <= sp) {
			end->kind = UNWIND_NONE;
			break;
		}
		if (!stack_word(start, cfa + (uint64_t)(int64_t)rule->return_address, &pc) ||
		    (rule->fp_saved &&
		     !stack_word(start, cfa + (uint64_t)(int64_t)rule->fp, &fp))) {
			end->cut = true;
			break;
		}
		sp = cfa;
	}
	return n;
}
