#include "formats/symtab.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/*
 * The section: u32 version; then base-128 varints throughout. The count of strings, and each as
 * its length and bytes. The count of addresses, and each, in order of (pid, address), as: pid less
 * the one before, address less the one before in the same pid, count of frames, and for each frame
 * the numbers of its function's and its file's string, line and start line.
 */
#define SYMTAB_VERSION 1

struct entry {
	uint64_t address;
	uint32_t pid, n_frames;
	struct symtab_frame *frames;
};

struct symtab {
	struct entry *entries;
	size_t n_entries, cap_entries;
	char **strings; /* distinct; frames point at them */
	size_t n_strings, cap_strings;
	/* Open addressing, a power of two slots: index + 1, or 0 where free. */
	uint32_t *entry_slots, *string_slots;
	size_t n_entry_slots, n_string_slots;
};

struct symtab *symtab_new(void)
{
	return xcalloc(1, sizeof(struct symtab));
}

void symtab_free(struct symtab *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->n_entries; i++)
		free(table->entries[i].frames);
	for (size_t i = 0; i < table->n_strings; i++)
		free(table->strings[i]);
	free(table->entries);
	free(table->strings);
	free(table->entry_slots);
	free(table->string_slots);
	free(table);
}

static uint64_t entry_hash(uint32_t pid, uint64_t address)
{
	uint64_t h = (address ^ ((uint64_t)pid << 40)) * UINT64_C(0x9e3779b97f4a7c15);

	return h ^ h >> 32;
}

static uint64_t string_hash(const char *text, size_t len)
{
	return XXH3_64bits(text, len);
}

/* The slot that holds the address, or the free one where it belongs. */
static uint32_t *entry_slot(const struct symtab *table, uint32_t pid, uint64_t address)
{
	size_t mask = table->n_entry_slots - 1;
	size_t at = entry_hash(pid, address) & mask;

	for (;; at = (at + 1) & mask) {
		uint32_t used = table->entry_slots[at];

		if (!used || (table->entries[used - 1].address == address &&
			      table->entries[used - 1].pid == pid))
			return &table->entry_slots[at];
	}
}

static uint32_t *string_slot(const struct symtab *table, const char *text, size_t len)
{
	size_t mask = table->n_string_slots - 1;
	size_t at = string_hash(text, len) & mask;

	for (;; at = (at + 1) & mask) {
		uint32_t used = table->string_slots[at];

		if (!used || (strncmp(table->strings[used - 1], text, len) == 0 &&
			      !table->strings[used - 1][len]))
			return &table->string_slots[at];
	}
}

/* New slots, twice as many, where more than half of them would be in use. */
static bool slots_grow(uint32_t **slots, size_t *n_slots, size_t used)
{
	if ((used + 1) * 2 <= *n_slots)
		return false;
	*n_slots = *n_slots ? *n_slots * 2 : 64;
	free(*slots);
	*slots = xcalloc(*n_slots, sizeof(**slots));
	return true;
}

static uint32_t intern(struct symtab *table, const char *text, size_t len)
{
	uint32_t *slot;

	if (slots_grow(&table->string_slots, &table->n_string_slots, table->n_strings)) {
		for (size_t i = 0; i < table->n_strings; i++) {
			const char *s = table->strings[i];

			*string_slot(table, s, strlen(s)) = (uint32_t)i + 1;
		}
	}
	slot = string_slot(table, text, len);
	if (!*slot) {
		xgrow(table->strings, table->cap_strings, table->n_strings + 1);
		table->strings[table->n_strings++] = xstrndup(text, len);
		*slot = (uint32_t)table->n_strings;
	}
	return *slot - 1;
}

static const char *intern_text(struct symtab *table, const char *text)
{
	uint32_t number = intern(table, text ? text : "", text ? strlen(text) : 0);

	return table->strings[number];
}

/* The entry of an address, new where there was none; its old frames are dropped. */
static struct entry *entry_make(struct symtab *table, uint32_t pid, uint64_t address,
				size_t n_frames)
{
	struct entry *entry;
	uint32_t *slot;

	if (slots_grow(&table->entry_slots, &table->n_entry_slots, table->n_entries)) {
		for (size_t i = 0; i < table->n_entries; i++) {
			entry = &table->entries[i];
			*entry_slot(table, entry->pid, entry->address) = (uint32_t)i + 1;
		}
	}
	slot = entry_slot(table, pid, address);
	if (!*slot) {
		xgrow(table->entries, table->cap_entries, table->n_entries + 1);
		table->entries[table->n_entries++] = (struct entry){.pid = pid, .address = address};
		*slot = (uint32_t)table->n_entries;
	}
	entry = &table->entries[*slot - 1];
	free(entry->frames);
	entry->frames = xcalloc(n_frames ? n_frames : 1, sizeof(*entry->frames));
	entry->n_frames = (uint32_t)n_frames;
	return entry;
}

void symtab_add(struct symtab *table, uint32_t pid, uint64_t address,
		const struct symtab_frame *frames, size_t n_frames)
{
	struct entry *entry = entry_make(table, pid, address, n_frames);

	for (size_t i = 0; i < n_frames; i++) {
		entry->frames[i] = (struct symtab_frame){
			.function = intern_text(table, frames[i].function),
			.file = intern_text(table, frames[i].file),
			.line = frames[i].line,
			.start_line = frames[i].start_line,
		};
	}
}

const struct symtab_frame *symtab_find(const struct symtab *table, uint32_t pid, uint64_t address,
				       size_t *n_frames)
{
	uint32_t used = table->n_entry_slots ? *entry_slot(table, pid, address) : 0;

	*n_frames = used ? table->entries[used - 1].n_frames : 0;
	return *n_frames ? table->entries[used - 1].frames : NULL;
}

void symtab_merge(struct symtab *table, const struct symtab *from)
{
	for (size_t i = 0; i < from->n_entries; i++) {
		const struct entry *entry = &from->entries[i];

		symtab_add(table, entry->pid, entry->address, entry->frames, entry->n_frames);
	}
}

size_t symtab_count(const struct symtab *table)
{
	return table->n_entries;
}

static void put_uvarint(struct buffer *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buffer_u8(out, (uint8_t)(v | 0x80));
	buffer_u8(out, (uint8_t)v);
}

static int entry_order(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a;
	const struct entry *y = *(const struct entry *const *)b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->address < y->address ? -1 : x->address > y->address;
}

static uint32_t string_number(const struct symtab *table, const char *text)
{
	return *string_slot(table, text, strlen(text)) - 1;
}

static void encode_entry(const struct symtab *table, const struct entry *entry, struct buffer *out)
{
	put_uvarint(out, entry->n_frames);
	for (size_t i = 0; i < entry->n_frames; i++) {
		const struct symtab_frame *frame = &entry->frames[i];

		put_uvarint(out, string_number(table, frame->function));
		put_uvarint(out, string_number(table, frame->file));
		put_uvarint(out, frame->line);
		put_uvarint(out, frame->start_line);
	}
}

void symtab_encode(const struct symtab *table, struct buffer *out)
{
	const struct entry **sorted = xcalloc(table->n_entries + 1, sizeof(*sorted));
	uint64_t address = 0;
	uint32_t pid = 0;

	buffer_u32(out, SYMTAB_VERSION);
	put_uvarint(out, table->n_strings);
	for (size_t i = 0; i < table->n_strings; i++) {
		size_t len = strlen(table->strings[i]);

		put_uvarint(out, len);
		buffer_append(out, table->strings[i], len);
	}
	for (size_t i = 0; i < table->n_entries; i++)
		sorted[i] = &table->entries[i];
	qsort(sorted, table->n_entries, sizeof(*sorted), entry_order);
	put_uvarint(out, table->n_entries);
	for (size_t i = 0; i < table->n_entries; i++) {
		if (sorted[i]->pid != pid)
			address = 0;
		put_uvarint(out, sorted[i]->pid - pid);
		put_uvarint(out, sorted[i]->address - address);
		pid = sorted[i]->pid;
		address = sorted[i]->address;
		encode_entry(table, sorted[i], out);
	}
	free(sorted);
}

/* The strings of the section, in order, interned; numbers[] maps theirs to ours. */
static struct error *decode_strings(struct cursor *c, struct symtab *table, uint32_t **numbers,
				    size_t *n_numbers)
{
	uint64_t n = cursor_uvarint(c);

	if (c->failed || n > cursor_left(c))
		return error_new("symbol table: more strings than bytes");
	*numbers = xcalloc(n ? n : 1, sizeof(**numbers));
	*n_numbers = n;
	for (size_t i = 0; i < n; i++) {
		uint64_t len = cursor_uvarint(c);
		const uint8_t *text = len <= cursor_left(c) ? cursor_take(c, len) : NULL;

		if (!text || memchr(text, 0, len))
			return error_new("symbol table: bad string at byte %zu", cursor_offset(c));
		(*numbers)[i] = intern(table, (const char *)text, len);
	}
	return NULL;
}

static struct error *decode_entry(struct cursor *c, struct symtab *table, uint32_t pid,
				  uint64_t address, const uint32_t *numbers, size_t n_numbers)
{
	uint64_t n = cursor_uvarint(c);
	struct entry *entry;

	/* A frame has four bytes at least. */
	if (c->failed || n > cursor_left(c) / 4)
		return error_new("symbol table: truncated at byte %zu", cursor_offset(c));
	entry = entry_make(table, pid, address, n);
	for (size_t i = 0; i < n; i++) {
		uint64_t function = cursor_uvarint(c), file = cursor_uvarint(c);
		uint64_t line = cursor_uvarint(c), start_line = cursor_uvarint(c);

		if (c->failed || function >= n_numbers || file >= n_numbers || line > UINT32_MAX ||
		    start_line > UINT32_MAX) {
			entry->n_frames = (uint32_t)i;
			return error_new("symbol table: bad frame at byte %zu", cursor_offset(c));
		}
		entry->frames[i] = (struct symtab_frame){
			.function = table->strings[numbers[function]],
			.file = table->strings[numbers[file]],
			.line = (uint32_t)line,
			.start_line = (uint32_t)start_line,
		};
	}
	return NULL;
}

static struct error *decode_entries(struct cursor *c, struct symtab *table, const uint32_t *numbers,
				    size_t n_numbers)
{
	uint64_t n = cursor_uvarint(c);
	uint64_t pid = 0, address = 0;

	if (c->failed || n > cursor_left(c))
		return error_new("symbol table: more addresses than bytes");
	for (uint64_t i = 0; i < n; i++) {
		uint64_t delta = cursor_uvarint(c);

		address = (delta ? 0 : address) + cursor_uvarint(c);
		if (c->failed || delta > UINT32_MAX - pid)
			return error_new("symbol table: bad address at byte %zu", cursor_offset(c));
		pid += delta;
		TRY(decode_entry(c, table, (uint32_t)pid, address, numbers, n_numbers));
	}
	return NULL;
}

struct error *symtab_decode(const void *data, size_t len, bool swap, struct symtab **table)
{
	struct cursor c = cursor_make(data, len);
	uint32_t version, *numbers = NULL;
	struct error *err;
	size_t n_numbers = 0;

	c.swap = swap;
	*table = NULL;
	version = cursor_u32(&c);
	if (c.failed || version != SYMTAB_VERSION)
		return error_new("symbol table: version %u is not known", version);
	*table = symtab_new();
	err = decode_strings(&c, *table, &numbers, &n_numbers);
	if (!err)
		err = decode_entries(&c, *table, numbers, n_numbers);
	free(numbers);
	if (err) {
		symtab_free(*table);
		*table = NULL;
	}
	return err;
}
