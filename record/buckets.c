#include "record/buckets.h"

#include "common/clock.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES  48   /* up to the first stack word, in every version */
#define MAX_STACK     1024 /* GODEBUG=profstackdepth allows no more */
#define MAX_BUCKETS   (1u << 20)
#define STABLE_PASSES 4
#define MEM_PROFILE   1 /* bucketType memProfile */
#define RECORD_CYCLES 4 /* active, future[3] */

struct bucket {
	uint64_t address;
	uint32_t n_stack;
	struct note_table_entry sent; /* as last noted */
};

struct buckets {
	struct buckets_options options;
	struct bucket *known; /* oldest first */
	size_t n_known, cap_known;
	uint64_t newest; /* address of the list's head at the last walk */
	uint64_t *raw;	 /* two passes of record words, for all known */
	size_t cap_raw;
	struct memory_piece *pieces;
	size_t cap_pieces;
	uint32_t reading; /* of this file, the next one */
	uint32_t readings, stable;
};

struct buckets *buckets_new(const struct buckets_options *options)
{
	struct buckets *b = xcalloc(1, sizeof(*b));

	b->options = *options;
	return b;
}

/* A bucket as read while walking from new to old. */
struct found {
	uint64_t address, size;
	uint64_t *stack;
	uint32_t n_stack;
};

static bool read_bucket(const struct buckets *b, uint64_t address, struct found *found,
			uint64_t *next)
{
	const struct go_layout *layout = b->options.layout;
	uint8_t header[HEADER_BYTES];
	uint64_t type, n_stack;

	if (!memory_read(b->options.memory, address, header, sizeof(header)))
		return false;
	memcpy(next, header + layout->bucket_allnext, sizeof(*next));
	memcpy(&type, header + layout->bucket_type, sizeof(type));
	memcpy(&found->size, header + layout->bucket_size, sizeof(found->size));
	memcpy(&n_stack, header + layout->bucket_nstk, sizeof(n_stack));
	if (type != MEM_PROFILE || n_stack > MAX_STACK)
		return false;
	found->address = address;
	found->n_stack = (uint32_t)n_stack;
	found->stack = xcalloc(n_stack ? n_stack : 1, sizeof(uint64_t));
	if (memory_read(b->options.memory, address + (uint64_t)layout->bucket_stack, found->stack,
			n_stack * sizeof(uint64_t)))
		return true;
	free(found->stack);
	return false;
}

/* Walks from the head to the newest known bucket; the new ones are appended, oldest first. */
static bool walk_new(struct buckets *b, void *context,
		     void (*on_bucket)(void *context, const struct note_bucket *bucket))
{
	struct found *found = NULL;
	size_t n = 0, cap = 0;
	uint64_t head, at;
	bool ok;

	ok = memory_u64(b->options.memory, b->options.head, &head);
	at = ok ? head : 0;
	while (at && at != b->newest && n < MAX_BUCKETS) {
		xgrow(found, cap, n + 1);
		ok = read_bucket(b, at, &found[n], &at);
		if (!ok)
			break;
		n++;
	}
	for (size_t i = n; i-- > 0;) {
		if (ok) {
			xgrow(b->known, b->cap_known, b->n_known + 1);
			b->known[b->n_known++] = (struct bucket){
				.address = found[i].address,
				.n_stack = found[i].n_stack,
				.sent.address = found[i].address,
			};
			on_bucket(context, &(struct note_bucket){
						   .pid = b->options.pid,
						   .address = found[i].address,
						   .size = found[i].size,
						   .stack = found[i].stack,
						   .n_stack = found[i].n_stack,
					   });
		}
		free(found[i].stack);
	}
	free(found);
	if (ok)
		b->newest = head;
	return ok;
}

static size_t record_words(const struct buckets *b)
{
	return (size_t)b->options.layout->record_words * RECORD_CYCLES;
}

/* Reads the counters of all known buckets into raw. */
static bool read_counters(struct buckets *b, uint64_t *raw)
{
	size_t words = record_words(b);

	xgrow(b->pieces, b->cap_pieces, b->n_known);
	for (size_t i = 0; i < b->n_known; i++) {
		uint64_t offset = (uint64_t)b->options.layout->bucket_stack +
				  b->known[i].n_stack * sizeof(uint64_t);

		b->pieces[i] = (struct memory_piece){
			.address = b->known[i].address + offset,
			.buf = raw + i * words,
			.len = words * sizeof(uint64_t),
		};
	}
	return memory_read_pieces(b->options.memory, b->pieces, b->n_known);
}

/* One pass: the head, all counters and the cycle, with the time it took. */
struct pass {
	uint64_t begin, end, head;
	uint32_t cycle;
};

static bool read_pass(struct buckets *b, uint64_t *raw, struct pass *pass)
{
	*pass = (struct pass){.begin = clock_ns(CLOCK_MONOTONIC)};
	if (b->options.cycle && !memory_u32(b->options.memory, b->options.cycle, &pass->cycle))
		return false;
	if (!read_counters(b, raw) || !memory_u64(b->options.memory, b->options.head, &pass->head))
		return false;
	pass->end = clock_ns(CLOCK_MONOTONIC);
	return true;
}

static struct note_table_entry decode_entry(const struct buckets *b, size_t i, const uint64_t *raw)
{
	size_t stride = (size_t)b->options.layout->record_words;
	struct note_table_entry entry = {.address = b->known[i].address};

	/* allocs and frees are the first two words of a memRecordCycle in every version. */
	entry.active = (struct note_counts){raw[0], raw[1]};
	for (size_t k = 0; k < 3; k++)
		entry.future[k] =
			(struct note_counts){raw[(k + 1) * stride], raw[(k + 1) * stride + 1]};
	return entry;
}

/* Notes the entries that have changed, in parts. */
static void send_table(struct buckets *b, const uint64_t *raw, struct note_table *table,
		       void *context, void (*on_table)(void *context, const struct note_table *))
{
	struct note_table_entry *changed = xcalloc(b->n_known + 1, sizeof(*changed));
	size_t n = 0, words = record_words(b), sent = 0;

	for (size_t i = 0; i < b->n_known; i++) {
		struct note_table_entry entry = decode_entry(b, i, raw + i * words);

		if (memcmp(&entry, &b->known[i].sent, sizeof(entry)) != 0) {
			changed[n++] = entry;
			b->known[i].sent = entry;
		}
	}
	table->parts = (uint32_t)((n + NOTE_TABLE_MAX_ENTRIES - 1) / NOTE_TABLE_MAX_ENTRIES);
	if (!table->parts)
		table->parts = 1;
	for (table->part = 0; table->part < table->parts; table->part++) {
		size_t part = n - sent < NOTE_TABLE_MAX_ENTRIES ? n - sent : NOTE_TABLE_MAX_ENTRIES;

		table->entries = changed + sent;
		table->n_entries = part;
		on_table(context, table);
		sent += part;
	}
	free(changed);
}

bool buckets_read(struct buckets *b, bool final, void *context,
		  void (*on_bucket)(void *context, const struct note_bucket *bucket),
		  void (*on_table)(void *context, const struct note_table *part))
{
	struct pass before, after;
	bool stable = false;
	uint64_t *raw[2];
	size_t bytes;

	if (!walk_new(b, context, on_bucket))
		return false;
	xgrow(b->raw, b->cap_raw, 2 * b->n_known * record_words(b) + 2);
	raw[0] = b->raw;
	raw[1] = b->raw + b->n_known * record_words(b);
	bytes = b->n_known * record_words(b) * sizeof(uint64_t);
	if (!read_pass(b, raw[0], &before))
		return false;
	after = before;
	for (int i = 0; i < STABLE_PASSES && !stable; i++) {
		if (i)
			before = after;
		if (!read_pass(b, raw[(i + 1) % 2], &after))
			return false;
		stable = before.head == b->newest && after.head == b->newest &&
			 before.cycle == after.cycle && memcmp(raw[0], raw[1], bytes) == 0;
	}
	send_table(b, raw[0],
		   &(struct note_table){
			   .pid = b->options.pid,
			   .reading = b->reading,
			   .stable = stable,
			   .final = final,
			   .begin = before.begin,
			   .end = after.end,
			   .cycle = b->options.cycle_has_flag ? after.cycle >> 1 : after.cycle,
			   .flushed = b->options.cycle_has_flag ? after.cycle & 1 : 0,
			   .buckets = b->n_known,
		   },
		   context, on_table);
	b->reading++;
	b->readings++;
	b->stable += stable;
	return true;
}

void buckets_read_new(struct buckets *b, void *context,
		      void (*on_bucket)(void *context, const struct note_bucket *bucket))
{
	/* Where that fails there is nothing yet, or nothing any more. */
	walk_new(b, context, on_bucket);
}

void buckets_restart(struct buckets *buckets)
{
	buckets->n_known = 0;
	buckets->newest = 0;
	buckets->reading = 0;
}

size_t buckets_count(const struct buckets *buckets)
{
	return buckets->n_known;
}

void buckets_stats(const struct buckets *buckets, uint32_t *readings, uint32_t *stable)
{
	*readings = buckets->readings;
	*stable = buckets->stable;
}

void buckets_free(struct buckets *buckets)
{
	if (!buckets)
		return;
	free(buckets->known);
	free(buckets->raw);
	free(buckets->pieces);
	free(buckets);
}
