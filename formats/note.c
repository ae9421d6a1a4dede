#include "formats/note.h"

#include "formats/xalloc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The layout of a body as written here. Readers take any version: bodies only grow at their end. */
#define NOTE_VERSION 1
/* Below the limit of 60,000 with room for the header and the fixed part of every kind. */
#define NOTE_MAX_TEXT  59000u
#define NOTE_MAX_STACK 7000u

#define NOTE_ENTRY_SIZE (sizeof(uint64_t) * (1 + 2 * 4))
#define NOTE_RANGE_SIZE (sizeof(uint64_t) * 4)
/* Of a span without its words. */
#define NOTE_SPAN_SIZE	    (sizeof(uint64_t) * 3)
#define NOTE_GOROUTINE_SIZE (sizeof(uint64_t) * 5)
/* Owners in one note: more than there are, so that newer recorders may have more. */
#define NOTE_MAX_OWNERS 256u

static void put_header(struct buffer *out, enum note_kind kind)
{
	buffer_u32(out, NOTE_MAGIC);
	buffer_u16(out, (uint16_t)kind);
	buffer_u16(out, NOTE_VERSION);
}

/* Cuts a text that is too long in front of a UTF-8 character, not within one. */
static void put_string(struct buffer *out, const char *text, size_t max)
{
	size_t len = text ? strlen(text) : 0;

	if (len > max) {
		len = max;
		while (len && ((uint8_t)text[len] & 0xc0) == 0x80)
			len--;
	}
	buffer_append(out, text, len);
	buffer_u8(out, 0);
}

void note_put_clock(struct buffer *out, const struct note_clock *note)
{
	put_header(out, NOTE_CLOCK);
	buffer_u64(out, note->monotonic);
	buffer_u64(out, note->realtime);
	buffer_u64(out, note->boottime);
	buffer_u64(out, note->uncertainty);
}

void note_put_process(struct buffer *out, const struct note_process *note)
{
	put_header(out, NOTE_PROCESS);
	buffer_u32(out, note->pid);
	buffer_u32(out, note->attached);
	buffer_u64(out, note->start_time);
	buffer_u64(out, note->runtime_init);
	buffer_u64(out, note->mem_profile_rate);
	buffer_u64(out, note->load_bias);
	put_string(out, note->exe, NOTE_MAX_TEXT / 2);
	put_string(out, note->go_version, NOTE_MAX_TEXT / 4);
}

void note_put_bucket(struct buffer *out, const struct note_bucket *note)
{
	/* Go itself records at most 1,024 frames (debug.profstackdepth). */
	size_t n = note->n_stack < NOTE_MAX_STACK ? note->n_stack : NOTE_MAX_STACK;

	put_header(out, NOTE_BUCKET);
	buffer_u32(out, note->pid);
	buffer_u32(out, (uint32_t)n);
	buffer_u64(out, note->address);
	buffer_u64(out, note->size);
	buffer_append(out, note->stack, n * sizeof(*note->stack));
}

static void put_counts(struct buffer *out, const struct note_counts *counts)
{
	buffer_u64(out, counts->allocs);
	buffer_u64(out, counts->frees);
}

void note_put_table(struct buffer *out, const struct note_table *note)
{
	assert(note->n_entries <= NOTE_TABLE_MAX_ENTRIES);
	put_header(out, NOTE_TABLE);
	buffer_u32(out, note->pid);
	buffer_u32(out, note->reading);
	buffer_u32(out, note->part);
	buffer_u32(out, note->parts);
	buffer_u32(out, note->stable);
	buffer_u32(out, note->final);
	buffer_u64(out, note->begin);
	buffer_u64(out, note->end);
	buffer_u32(out, note->cycle);
	buffer_u32(out, note->flushed);
	buffer_u64(out, note->buckets);
	buffer_u64(out, note->n_entries);
	for (size_t i = 0; i < note->n_entries; i++) {
		buffer_u64(out, note->entries[i].address);
		put_counts(out, &note->entries[i].active);
		for (int f = 0; f < 3; f++)
			put_counts(out, &note->entries[i].future[f]);
	}
}

void note_put_rss(struct buffer *out, const struct note_rss *note)
{
	put_header(out, NOTE_RSS);
	buffer_u32(out, note->pid);
	buffer_u32(out, 0); /* alignment */
	buffer_u64(out, note->rss);
	buffer_u64(out, note->anon);
	buffer_u64(out, note->file);
	buffer_u64(out, note->shmem);
	buffer_u64(out, note->swap);
}

void note_put_text(struct buffer *out, const struct note_text *note)
{
	put_header(out, NOTE_TEXT);
	buffer_u32(out, note->pid);
	put_string(out, note->text, NOTE_MAX_TEXT);
}

void note_put_gctrace(struct buffer *out, const struct note_gctrace *note)
{
	put_header(out, NOTE_GCTRACE);
	buffer_u32(out, note->pid);
	put_string(out, note->text, NOTE_MAX_TEXT);
}

/* In the order in which both directions take them. */
static uint64_t *go_field(struct note_go_memory *go, size_t i)
{
	uint64_t *const fields[] = {&go->in_use, &go->free, &go->released, &go->stacks,
				    &go->work,	 &go->live, &go->sys};

	return i < sizeof(fields) / sizeof(*fields) ? fields[i] : NULL;
}

void note_put_owners(struct buffer *out, const struct note_owners *note)
{
	struct note_go_memory go = note->go;
	uint32_t n = 0;

	assert(note->n_ranges <= NOTE_OWNERS_MAX_RANGES);
	put_header(out, NOTE_OWNERS);
	buffer_u32(out, note->pid);
	buffer_u32(out, note->mappings);
	buffer_u64(out, note->begin);
	buffer_u64(out, note->end);
	buffer_u64(out, note->rss);
	buffer_u64(out, note->anon);
	buffer_u64(out, note->file);
	buffer_u64(out, note->shmem);
	buffer_u64(out, note->swap);
	buffer_u64(out, note->statm);
	for (size_t i = 0; go_field(&go, i); i++)
		buffer_u64(out, *go_field(&go, i));
	for (size_t i = 0; i < OWNER_COUNT; i++)
		n += note->bytes[i] != 0;
	buffer_u32(out, n);
	buffer_u32(out, (uint32_t)note->n_ranges);
	for (size_t i = 0; i < OWNER_COUNT; i++) {
		if (!note->bytes[i])
			continue;
		buffer_u64(out, i);
		buffer_u64(out, note->bytes[i]);
	}
	for (size_t i = 0; i < note->n_ranges; i++) {
		buffer_u64(out, note->ranges[i].start);
		buffer_u64(out, note->ranges[i].end);
		buffer_u64(out, note->ranges[i].rss);
		buffer_u64(out, note->ranges[i].owner);
	}
}

void note_put_limits(struct buffer *out, const struct note_limits *note)
{
	put_header(out, NOTE_LIMITS);
	buffer_u32(out, note->pid);
	buffer_u32(out, 0); /* alignment */
	buffer_u64(out, note->go);
	buffer_u64(out, note->cgroup);
	buffer_u64(out, note->machine);
	put_string(out, note->control, NOTE_MAX_TEXT);
}

void note_put_native(struct buffer *out, const struct note_native *note)
{
	put_header(out, NOTE_NATIVE);
	buffer_u32(out, note->pid);
	buffer_u32(out, note->every);
	buffer_u64(out, note->whole_from);
	buffer_u64(out, note->min_size);
	put_string(out, note->path, NOTE_MAX_TEXT);
}

bool note_native_picks(uint32_t every, uint64_t pointer)
{
	/* Bit i is the sum of the bits i + 4, i + 12 and i + 20. */
	return !((pointer >> 4 ^ pointer >> 12 ^ pointer >> 20) & (every - 1) & 0xff);
}

static void put_goroutine(struct buffer *out, const struct note_goroutine *entry)
{
	buffer_u64(out, entry->goid);
	buffer_u64(out, entry->gopc);
	buffer_u64(out, entry->startpc);
	buffer_u64(out, entry->wait_since);
	buffer_u32(out, entry->stack);
	buffer_u8(out, entry->status);
	buffer_u8(out, entry->reason);
	buffer_u16(out, 0); /* alignment */
}

void note_put_goroutines(struct buffer *out, const struct note_goroutines *note)
{
	size_t n_reasons = note->n_reasons < NOTE_GOROUTINES_MAX_REASONS
				   ? note->n_reasons
				   : NOTE_GOROUTINES_MAX_REASONS;

	assert(note->n_entries <= NOTE_GOROUTINES_MAX_ENTRIES);
	put_header(out, NOTE_GOROUTINES);
	buffer_u32(out, note->pid);
	buffer_u32(out, note->part);
	buffer_u32(out, note->parts);
	buffer_u32(out, 0); /* alignment */
	buffer_u64(out, note->begin);
	buffer_u64(out, note->end);
	buffer_u64(out, note->left_out);
	buffer_u32(out, (uint32_t)note->n_entries);
	buffer_u32(out, (uint32_t)n_reasons);
	for (size_t i = 0; i < note->n_entries; i++)
		put_goroutine(out, &note->entries[i]);
	for (size_t i = 0; i < n_reasons; i++) {
		buffer_u8(out, note->reasons[i].reason);
		put_string(out, note->reasons[i].text, NOTE_GOROUTINES_MAX_REASON);
	}
}

void note_put_part(struct buffer *out, const struct note_part *note)
{
	put_header(out, NOTE_PART);
	buffer_u64(out, note->recording);
	buffer_u64(out, note->from);
	buffer_u32(out, note->kind);
	buffer_u32(out, note->number);
	buffer_u32(out, note->ends);
	put_string(out, note->text, NOTE_MAX_TEXT);
}

void note_put_spans(struct buffer *out, const struct note_spans *note)
{
	assert(note->n_entries <= NOTE_SPANS_MAX_ENTRIES);
	put_header(out, NOTE_SPANS);
	buffer_u32(out, note->pid);
	buffer_u32(out, (uint32_t)note->n_entries);
	buffer_u64(out, note->begin);
	buffer_u64(out, note->end);
	for (size_t i = 0; i < note->n_entries; i++) {
		const struct note_span *span = &note->entries[i];

		assert(span->n_words <= NOTE_SPAN_WORDS);
		buffer_u64(out, span->address);
		buffer_u64(out, span->base);
		buffer_u32(out, span->sweepgen);
		buffer_u8(out, span->in_use);
		buffer_u8(out, span->n_words);
		buffer_u16(out, span->count);
		for (size_t w = 0; w < span->n_words; w++)
			buffer_u64(out, span->words[w]);
	}
}

/* The length stands in front: a raw payload is padded. */
void note_put_symbols(struct buffer *out, const struct note_symbols *note)
{
	assert(note->len <= NOTE_SYMBOLS_MAX);
	put_header(out, NOTE_SYMBOLS);
	buffer_u32(out, (uint32_t)note->len);
	buffer_append(out, note->table, note->len);
}

static void get_clock(struct cursor *c, struct note_clock *note)
{
	note->monotonic = cursor_u64(c);
	note->realtime = cursor_u64(c);
	note->boottime = cursor_u64(c);
	note->uncertainty = cursor_u64(c);
}

static void get_process(struct cursor *c, struct note_process *note)
{
	note->pid = cursor_u32(c);
	note->attached = cursor_u32(c);
	note->start_time = cursor_u64(c);
	note->runtime_init = cursor_u64(c);
	note->mem_profile_rate = cursor_u64(c);
	note->load_bias = cursor_u64(c);
	note->exe = cursor_cstring(c);
	note->go_version = cursor_cstring(c);
}

static void get_bucket(struct cursor *c, struct note_bucket *note)
{
	uint64_t *stack;
	uint32_t n;

	note->pid = cursor_u32(c);
	n = cursor_u32(c);
	note->address = cursor_u64(c);
	note->size = cursor_u64(c);
	if (c->failed || n > cursor_left(c) / sizeof(*stack)) {
		c->failed = true;
		return;
	}
	stack = xcalloc(n, sizeof(*stack));
	for (uint32_t i = 0; i < n; i++)
		stack[i] = cursor_u64(c);
	note->stack = stack;
	note->n_stack = n;
}

static void get_counts(struct cursor *c, struct note_counts *counts)
{
	counts->allocs = cursor_u64(c);
	counts->frees = cursor_u64(c);
}

static void get_table(struct cursor *c, struct note_table *note)
{
	uint64_t n;

	note->pid = cursor_u32(c);
	note->reading = cursor_u32(c);
	note->part = cursor_u32(c);
	note->parts = cursor_u32(c);
	note->stable = cursor_u32(c);
	note->final = cursor_u32(c);
	note->begin = cursor_u64(c);
	note->end = cursor_u64(c);
	note->cycle = cursor_u32(c);
	note->flushed = cursor_u32(c);
	note->buckets = cursor_u64(c);
	n = cursor_u64(c);
	if (c->failed || note->part >= note->parts || n > cursor_left(c) / NOTE_ENTRY_SIZE) {
		c->failed = true;
		return;
	}
	note->entries = xcalloc(n, sizeof(*note->entries));
	note->n_entries = n;
	for (size_t i = 0; i < n; i++) {
		note->entries[i].address = cursor_u64(c);
		get_counts(c, &note->entries[i].active);
		for (int f = 0; f < 3; f++)
			get_counts(c, &note->entries[i].future[f]);
	}
}

static void get_rss(struct cursor *c, struct note_rss *note)
{
	note->pid = cursor_u32(c);
	cursor_u32(c);
	note->rss = cursor_u64(c);
	note->anon = cursor_u64(c);
	note->file = cursor_u64(c);
	note->shmem = cursor_u64(c);
	note->swap = cursor_u64(c);
}

static void get_text(struct cursor *c, struct note_text *note)
{
	note->pid = cursor_u32(c);
	note->text = cursor_cstring(c);
}

static void get_gctrace(struct cursor *c, struct note_gctrace *note)
{
	note->pid = cursor_u32(c);
	note->text = cursor_cstring(c);
}

/* An owner that is not known here yet is unknown. */
static enum memory_owner get_owner(struct cursor *c)
{
	uint64_t owner = cursor_u64(c);

	return owner < OWNER_COUNT ? (enum memory_owner)owner : OWNER_UNKNOWN;
}

static void get_ranges(struct cursor *c, struct note_owners *note, uint32_t n)
{
	if (c->failed || n > NOTE_OWNERS_MAX_RANGES || n > cursor_left(c) / NOTE_RANGE_SIZE) {
		c->failed = true;
		return;
	}
	note->ranges = xcalloc(n, sizeof(*note->ranges));
	note->n_ranges = n;
	for (size_t i = 0; i < n; i++) {
		struct note_owner_range *range = &note->ranges[i];

		range->start = cursor_u64(c);
		range->end = cursor_u64(c);
		range->rss = cursor_u64(c);
		range->owner = get_owner(c);
		/* In order and apart, as the address space is. */
		if (range->end <= range->start || (i && range->start < range[-1].end))
			c->failed = true;
	}
}

static void get_owners(struct cursor *c, struct note_owners *note)
{
	uint32_t n_owners, n_ranges;

	note->pid = cursor_u32(c);
	note->mappings = cursor_u32(c);
	note->begin = cursor_u64(c);
	note->end = cursor_u64(c);
	note->rss = cursor_u64(c);
	note->anon = cursor_u64(c);
	note->file = cursor_u64(c);
	note->shmem = cursor_u64(c);
	note->swap = cursor_u64(c);
	note->statm = cursor_u64(c);
	for (size_t i = 0; go_field(&note->go, i); i++)
		*go_field(&note->go, i) = cursor_u64(c);
	n_owners = cursor_u32(c);
	n_ranges = cursor_u32(c);
	if (n_owners > NOTE_MAX_OWNERS)
		c->failed = true;
	for (uint32_t i = 0; i < n_owners && !c->failed; i++) {
		enum memory_owner owner = get_owner(c);

		note->bytes[owner] += cursor_u64(c);
	}
	get_ranges(c, note, n_ranges);
}

static void get_limits(struct cursor *c, struct note_limits *note)
{
	note->pid = cursor_u32(c);
	cursor_u32(c);
	note->go = cursor_u64(c);
	note->cgroup = cursor_u64(c);
	note->machine = cursor_u64(c);
	note->control = cursor_cstring(c);
}

static void get_native(struct cursor *c, struct note_native *note)
{
	note->pid = cursor_u32(c);
	note->every = cursor_u32(c);
	note->whole_from = cursor_u64(c);
	note->min_size = cursor_u64(c);
	note->path = cursor_cstring(c);
	if (!note->every || note->every & (note->every - 1))
		c->failed = true;
}

static void get_goroutine(struct cursor *c, struct note_goroutine *entry)
{
	entry->goid = cursor_u64(c);
	entry->gopc = cursor_u64(c);
	entry->startpc = cursor_u64(c);
	entry->wait_since = cursor_u64(c);
	entry->stack = cursor_u32(c);
	entry->status = cursor_u8(c);
	entry->reason = cursor_u8(c);
	cursor_u16(c);
}

static void get_goroutines(struct cursor *c, struct note_goroutines *note)
{
	uint32_t n, n_reasons;

	note->pid = cursor_u32(c);
	note->part = cursor_u32(c);
	note->parts = cursor_u32(c);
	cursor_u32(c);
	note->begin = cursor_u64(c);
	note->end = cursor_u64(c);
	note->left_out = cursor_u64(c);
	n = cursor_u32(c);
	n_reasons = cursor_u32(c);
	if (c->failed || note->part >= note->parts || n > NOTE_GOROUTINES_MAX_ENTRIES ||
	    n_reasons > NOTE_GOROUTINES_MAX_REASONS || n > cursor_left(c) / NOTE_GOROUTINE_SIZE) {
		c->failed = true;
		return;
	}
	note->entries = xcalloc(n + 1, sizeof(*note->entries));
	note->n_entries = n;
	for (size_t i = 0; i < n; i++)
		get_goroutine(c, &note->entries[i]);
	note->reasons = xcalloc(n_reasons + 1, sizeof(*note->reasons));
	note->n_reasons = n_reasons;
	for (size_t i = 0; i < n_reasons; i++) {
		note->reasons[i].reason = cursor_u8(c);
		note->reasons[i].text = cursor_cstring(c);
	}
}

static void get_part(struct cursor *c, struct note_part *note)
{
	note->recording = cursor_u64(c);
	note->from = cursor_u64(c);
	note->kind = cursor_u32(c);
	note->number = cursor_u32(c);
	note->ends = cursor_u32(c);
	note->text = cursor_cstring(c);
}

static void get_span(struct cursor *c, struct note_span *span)
{
	uint8_t state;

	span->address = cursor_u64(c);
	span->base = cursor_u64(c);
	span->sweepgen = cursor_u32(c);
	state = cursor_u8(c);
	span->n_words = cursor_u8(c);
	span->count = cursor_u16(c);
	span->in_use = state == 1;
	if (state > 1 || span->n_words > NOTE_SPAN_WORDS) {
		c->failed = true;
		return;
	}
	for (size_t w = 0; w < span->n_words; w++)
		span->words[w] = cursor_u64(c);
}

static void get_spans(struct cursor *c, struct note_spans *note)
{
	uint32_t n;

	note->pid = cursor_u32(c);
	n = cursor_u32(c);
	note->begin = cursor_u64(c);
	note->end = cursor_u64(c);
	if (c->failed || n > NOTE_SPANS_MAX_ENTRIES || n > cursor_left(c) / NOTE_SPAN_SIZE) {
		c->failed = true;
		return;
	}
	note->entries = xcalloc(n, sizeof(*note->entries));
	note->n_entries = n;
	for (size_t i = 0; i < n && !c->failed; i++)
		get_span(c, &note->entries[i]);
}

static void get_symbols(struct cursor *c, struct note_symbols *note)
{
	note->len = cursor_u32(c);
	note->table = cursor_take(c, note->len);
	note->swap = c->swap;
}

bool note_decode(const void *raw, size_t len, bool swap, struct note *note)
{
	struct cursor c = cursor_make(raw, len);
	uint16_t kind;

	c.swap = swap;
	*note = (struct note){0};
	if (cursor_u32(&c) != NOTE_MAGIC)
		return false;
	kind = cursor_u16(&c);
	if (cursor_u16(&c) == 0)
		return false;
	note->kind = (enum note_kind)kind;
	switch (kind) {
	case NOTE_CLOCK:
		get_clock(&c, &note->clock);
		break;
	case NOTE_PROCESS:
		get_process(&c, &note->process);
		break;
	case NOTE_BUCKET:
		get_bucket(&c, &note->bucket);
		break;
	case NOTE_TABLE:
		get_table(&c, &note->table);
		break;
	case NOTE_RSS:
		get_rss(&c, &note->rss);
		break;
	case NOTE_TEXT:
		get_text(&c, &note->text);
		break;
	case NOTE_GCTRACE:
		get_gctrace(&c, &note->gctrace);
		break;
	case NOTE_OWNERS:
		get_owners(&c, &note->owners);
		break;
	case NOTE_LIMITS:
		get_limits(&c, &note->limits);
		break;
	case NOTE_NATIVE:
		get_native(&c, &note->native);
		break;
	case NOTE_GOROUTINES:
		get_goroutines(&c, &note->goroutines);
		break;
	case NOTE_PART:
		get_part(&c, &note->part);
		break;
	case NOTE_SPANS:
		get_spans(&c, &note->spans);
		break;
	case NOTE_SYMBOLS:
		get_symbols(&c, &note->symbols);
		break;
	default:
		c.failed = true;
	}
	if (c.failed) {
		note_free(note);
		return false;
	}
	return true;
}

void note_free(struct note *note)
{
	if (note->kind == NOTE_BUCKET)
		free((void *)note->bucket.stack);
	else if (note->kind == NOTE_TABLE)
		free(note->table.entries);
	else if (note->kind == NOTE_OWNERS)
		free(note->owners.ranges);
	else if (note->kind == NOTE_SPANS)
		free(note->spans.entries);
	else if (note->kind == NOTE_GOROUTINES) {
		free(note->goroutines.entries);
		free(note->goroutines.reasons);
	}
	*note = (struct note){0};
}
