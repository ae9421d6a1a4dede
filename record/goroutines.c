#include "record/goroutines.h"

#include "common/clock.h"
#include "formats/xalloc.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Of a longer list the end is not read: 0.1 s of a recording's beginning in which no ring is
 * emptied, and 10 MB of notes before they are compressed, are enough.
 */
#define MOST_READ     ((uint64_t)1 << 18)
#define MOST_LISTED   ((uint64_t)1 << 32) /* more than any machine has: not such a list */
#define READ_AT_ONCE  512
#define TRIES	      4
#define MOST_G_BYTES  1024 /* of a g, what is read */
#define STATUS_SCAN   0x1000u
#define SETTLE_NS     1000000
#define REASON_LENGTH NOTE_GOROUTINES_MAX_REASON

/* runtime/runtime2.go; 11 came with 1.26 */
enum status {
	STATUS_IDLE = 0,
	STATUS_SYSCALL = 3,
	STATUS_WAITING = 4,
	STATUS_MORIBUND = 5,
	STATUS_DEAD = 6,
	STATUS_LEAKED = 10,
	STATUS_DEAD_EXTRA = 11,
};

struct goroutines {
	struct goroutines_options options;
	size_t g_bytes;
	struct note_wait_reason *reasons;
	size_t n_reasons;
};

/* A g and where it lies. */
struct found {
	uint64_t address;
	struct note_goroutine entry;
	bool alive;
};

/* ---- What the reasons are called --------------------------------------------------------- */

/* A Go string of the process that is one to print; NULL where it is none. */
static char *read_string(const struct memory *memory, const uint64_t header[2])
{
	char text[REASON_LENGTH + 1] = "";

	if (!header[0] || !header[1] || header[1] > REASON_LENGTH ||
	    !memory_read(memory, header[0], text, header[1]))
		return NULL;
	for (size_t i = 0; i < header[1]; i++)
		if (!isprint((unsigned char)text[i]))
			return NULL;
	return xstrdup(text);
}

/* The first reason has no name, the others follow one another. How many there are is not known:
 * what lies behind them and looks like names is never asked for. */
static void read_reasons(struct goroutines *g)
{
	uint64_t headers[NOTE_GOROUTINES_MAX_REASONS][2];

	if (!g->options.reasons)
		return;
	if (!g->reasons)
		g->reasons = xcalloc(NOTE_GOROUTINES_MAX_REASONS, sizeof(*g->reasons));
	if (!memory_read(g->options.memory, g->options.reasons, headers, sizeof(headers)))
		return;
	for (size_t i = 1; i < NOTE_GOROUTINES_MAX_REASONS; i++) {
		char *text = read_string(g->options.memory, headers[i]);

		if (!text)
			break;
		g->reasons[g->n_reasons++] = (struct note_wait_reason){(uint8_t)i, text};
	}
}

/* ---- The list ---------------------------------------------------------------------------- */

struct slice {
	uint64_t array, len, cap;
};

static bool read_slice(const struct goroutines *g, struct slice *slice)
{
	return memory_read(g->options.memory, g->options.list, slice, sizeof(*slice)) &&
	       slice->len <= slice->cap && slice->cap < MOST_LISTED;
}

/* The places of the list, where it did not move meanwhile; NULL where it cannot be had. */
static uint64_t *read_list(const struct goroutines *g, size_t *n, uint64_t *left_out)
{
	for (int i = 0; i < TRIES; i++) {
		struct slice before, after;
		uint64_t *list;

		if (!read_slice(g, &before))
			return NULL;
		*n = (size_t)(before.len < MOST_READ ? before.len : MOST_READ);
		*left_out = before.len - *n;
		list = xcalloc(*n + 1, sizeof(*list));
		if ((!*n ||
		     memory_read(g->options.memory, before.array, list, *n * sizeof(*list))) &&
		    read_slice(g, &after) && after.array == before.array)
			return list;
		free(list);
	}
	return NULL;
}

/* ---- Goroutines -------------------------------------------------------------------------- */

static uint64_t word_at(const uint8_t *bytes, int offset)
{
	uint64_t word;

	memcpy(&word, bytes + offset, sizeof(word));
	return word;
}

static void decode(const struct goroutines *g, const uint8_t *bytes, struct found *found)
{
	const struct go_layout *l = g->options.layout;
	uint64_t lo = word_at(bytes, l->g_stack_lo), hi = word_at(bytes, l->g_stack_hi);
	uint32_t status;

	memcpy(&status, bytes + l->g_status, sizeof(status));
	status &= ~STATUS_SCAN;
	found->entry = (struct note_goroutine){
		.goid = word_at(bytes, l->g_goid),
		.gopc = word_at(bytes, l->g_gopc),
		.startpc = word_at(bytes, l->g_startpc),
		.stack = hi > lo && hi - lo <= UINT32_MAX ? (uint32_t)(hi - lo) : 0,
		.status = (uint8_t)status,
	};
	if (status == STATUS_WAITING || status == STATUS_LEAKED) {
		found->entry.wait_since = word_at(bytes, l->g_wait_since);
		found->entry.reason = bytes[l->g_wait_reason];
	}
	found->alive = found->entry.goid && status != STATUS_IDLE && status != STATUS_MORIBUND &&
		       status != STATUS_DEAD && status < STATUS_DEAD_EXTRA;
}

/* Reads so many g at once. One that cannot be read is left as it was, not alive. */
static void read_some(const struct goroutines *g, struct found **some, size_t n, uint8_t *bytes)
{
	struct memory_piece pieces[READ_AT_ONCE] = {0};
	bool ok[READ_AT_ONCE];

	for (size_t i = 0; i < n; i++)
		pieces[i] =
			(struct memory_piece){some[i]->address, bytes + i * g->g_bytes, g->g_bytes};
	memory_read_each(g->options.memory, pieces, n, ok);
	for (size_t i = 0; i < n; i++) {
		if (ok[i])
			decode(g, pieces[i].buf, some[i]);
		else
			some[i]->alive = false;
	}
}

/* A goroutine that runs may be about to end, or not have its number yet. */
static bool is_settled(const struct found *found)
{
	return !found->alive || found->entry.status == STATUS_SYSCALL ||
	       found->entry.status == STATUS_WAITING || found->entry.status == STATUS_LEAKED;
}

/*
 * Between the end that a probe sees and the status that says it, and between the status of a new
 * one and its number, there is a moment: those that may be in it are looked at again behind it.
 * What is another one by then began after the reading, and its beginning was seen.
 */
static void look_again(const struct goroutines *g, struct found *found, size_t n, uint8_t *bytes)
{
	struct timespec settle = {.tv_nsec = SETTLE_NS};
	struct found *some[READ_AT_ONCE];
	uint64_t goids[READ_AT_ONCE];
	size_t k = 0;

	nanosleep(&settle, NULL);
	for (size_t i = 0; i <= n; i++) {
		if (i < n && !is_settled(&found[i])) {
			goids[k] = found[i].entry.goid;
			some[k++] = &found[i];
		}
		if (k < READ_AT_ONCE && (i < n || !k))
			continue;
		read_some(g, some, k, bytes);
		for (size_t j = 0; j < k; j++)
			some[j]->alive = some[j]->alive && some[j]->entry.goid == goids[j];
		k = 0;
	}
}

static void read_all(const struct goroutines *g, struct found *found, size_t n)
{
	uint8_t *bytes = xmalloc(READ_AT_ONCE * g->g_bytes);
	struct found *some[READ_AT_ONCE];

	for (size_t i = 0; i < n; i += READ_AT_ONCE) {
		size_t k = n - i < READ_AT_ONCE ? n - i : READ_AT_ONCE;

		for (size_t j = 0; j < k; j++)
			some[j] = &found[i + j];
		read_some(g, some, k, bytes);
	}
	look_again(g, found, n, bytes);
	free(bytes);
}

static void send(const struct goroutines *g, const struct found *found, size_t n,
		 struct note_goroutines *part, void *context,
		 void (*on_part)(void *context, const struct note_goroutines *part))
{
	struct note_goroutine *entries = xcalloc(n + 1, sizeof(*entries));
	size_t n_alive = 0, sent = 0;

	for (size_t i = 0; i < n; i++)
		if (found[i].alive)
			entries[n_alive++] = found[i].entry;
	part->parts = (uint32_t)((n_alive + NOTE_GOROUTINES_MAX_ENTRIES - 1) /
				 NOTE_GOROUTINES_MAX_ENTRIES);
	if (!part->parts)
		part->parts = 1;
	part->reasons = g->reasons;
	part->n_reasons = g->n_reasons;
	for (part->part = 0; part->part < part->parts; part->part++) {
		size_t most = NOTE_GOROUTINES_MAX_ENTRIES;

		part->entries = entries + sent;
		part->n_entries = n_alive - sent < most ? n_alive - sent : most;
		on_part(context, part);
		sent += part->n_entries;
	}
	free(entries);
}

bool goroutines_read(struct goroutines *g, void *context,
		     void (*on_part)(void *context, const struct note_goroutines *part),
		     uint64_t *left_out)
{
	struct note_goroutines part = {.pid = g->options.pid, .begin = clock_ns(CLOCK_MONOTONIC)};
	struct found *found;
	uint64_t *list;
	size_t n;

	list = read_list(g, &n, left_out);
	if (!list)
		return false;
	/* A program that has just begun may still have to be relocated. */
	if (!g->n_reasons)
		read_reasons(g);
	found = xcalloc(n + 1, sizeof(*found));
	for (size_t i = 0; i < n; i++)
		found[i].address = list[i];
	free(list);
	read_all(g, found, n);
	part.end = clock_ns(CLOCK_MONOTONIC);
	part.left_out = *left_out;
	send(g, found, n, &part, context, on_part);
	free(found);
	return true;
}

/* ---- The interface ----------------------------------------------------------------------- */

/* The bytes from the beginning of a g up to the last of its fields that are read. */
static size_t bytes_of_g(const struct go_layout *l)
{
	const int offsets[] = {l->g_stack_lo, l->g_stack_hi, l->g_goid,	      l->g_gopc,
			       l->g_startpc,  l->g_status,   l->g_wait_since, l->g_wait_reason};
	int last = 0;

	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		if (offsets[i] < 0 || offsets[i] > MOST_G_BYTES)
			return 0;
		if (offsets[i] > last)
			last = offsets[i];
	}
	return (size_t)last + sizeof(uint64_t);
}

struct goroutines *goroutines_new(const struct goroutines_options *options)
{
	struct goroutines *g;
	size_t g_bytes = bytes_of_g(options->layout);

	if (!options->list || !g_bytes)
		return NULL;
	g = xcalloc(1, sizeof(*g));
	g->options = *options;
	g->g_bytes = g_bytes;
	return g;
}

void goroutines_free(struct goroutines *goroutines)
{
	if (!goroutines)
		return;
	for (size_t i = 0; i < goroutines->n_reasons; i++)
		free((char *)goroutines->reasons[i].text);
	free(goroutines->reasons);
	free(goroutines);
}
