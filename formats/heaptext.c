#include "formats/heaptext.h"

#include "formats/xalloc.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define HEADER "heap profile: "

/* A line, or what is left of it. */
struct text {
	const char *pos, *end;
};

struct heaptext {
	struct text rest;
	size_t line_number;
	struct heap_profile *profile;
	struct heap_entry totals; /* as the first line has them */
};

bool heaptext_is(const void *data, size_t len)
{
	return len >= strlen(HEADER) && !memcmp(data, HEADER, strlen(HEADER));
}

static bool next_line(struct heaptext *t, struct text *line)
{
	const char *newline;

	if (t->rest.pos == t->rest.end)
		return false;
	newline = memchr(t->rest.pos, '\n', (size_t)(t->rest.end - t->rest.pos));
	line->pos = t->rest.pos;
	line->end = newline ? newline : t->rest.end;
	t->rest.pos = newline ? newline + 1 : t->rest.end;
	while (line->end > line->pos && line->end[-1] == '\r')
		line->end--;
	t->line_number++;
	return true;
}

static bool take(struct text *line, const char *literal)
{
	size_t n = strlen(literal);

	if ((size_t)(line->end - line->pos) < n || memcmp(line->pos, literal, n) != 0)
		return false;
	line->pos += n;
	return true;
}

/* One digit of a base up to 16; -1 where there is none. */
static int take_digit(struct text *line, unsigned base)
{
	static const char digits[] = "0123456789abcdef";
	const char *at;

	if (line->pos == line->end || !*line->pos)
		return -1;
	at = memchr(digits, *line->pos, base);
	if (!at)
		return -1;
	line->pos++;
	return (int)(at - digits);
}

static bool take_unsigned(struct text *line, unsigned base, uint64_t *value)
{
	int digit = take_digit(line, base);

	if (digit < 0)
		return false;
	*value = 0;
	for (; digit >= 0; digit = take_digit(line, base)) {
		if (__builtin_mul_overflow(*value, (uint64_t)base, value) ||
		    __builtin_add_overflow(*value, (uint64_t)digit, value))
			return false;
	}
	return true;
}

static bool take_count(struct text *line, int64_t *value)
{
	bool negative = take(line, "-");
	uint64_t magnitude;

	if (!take_unsigned(line, 10, &magnitude) || magnitude > INT64_MAX)
		return false;
	*value = negative ? -(int64_t)magnitude : (int64_t)magnitude;
	return true;
}

static void take_space(struct text *line)
{
	while (line->pos < line->end && (*line->pos == ' ' || *line->pos == '\t'))
		line->pos++;
}

/* "N: B [N: B] @", in use and then allocated. */
static bool take_counts(struct text *line, struct heap_entry *entry)
{
	return take_count(line, &entry->inuse_objects) && take(line, ": ") &&
	       take_count(line, &entry->inuse_bytes) && take(line, " [") &&
	       take_count(line, &entry->alloc_objects) && take(line, ": ") &&
	       take_count(line, &entry->alloc_bytes) && take(line, "] @");
}

static struct error *read_header(struct heaptext *t)
{
	struct text line = {0};
	int64_t twice;

	if (!next_line(t, &line) || !take(&line, HEADER) || !take_counts(&line, &t->totals))
		return error_new("not the first line of a heap dump");
	if (!take(&line, " heap/") || !take_count(&line, &twice) || line.pos != line.end)
		return error_remedy(error_new("a heap dump, but not one that Go wrote"),
				    "only dumps of Go programs can be read");
	/* It has been twice the rate since the format was another allocator's. */
	t->profile->rate = twice / 2;
	return NULL;
}

static struct error *read_entry(struct heaptext *t, struct text *line)
{
	struct heap_entry *entry = heap_profile_add(t->profile);
	size_t most = (size_t)(line->end - line->pos) / 4; /* " 0x1" is the shortest */

	if (!take_counts(line, entry))
		return error_new("not a line of a heap dump");
	entry->pcs = arena_zalloc(&t->profile->arena, most, sizeof(*entry->pcs));
	while (take(line, " 0x")) {
		if (!take_unsigned(line, 16, &entry->pcs[entry->n_pcs++]))
			return error_new("address %zu of the stack is damaged", entry->n_pcs);
	}
	take_space(line);
	if (line->pos != line->end)
		return error_new("the stack ends in something that is no address");
	if (entry->alloc_objects > 0 && entry->alloc_bytes > 0) {
		entry->size = (uint64_t)(entry->alloc_bytes / entry->alloc_objects);
		entry->inexact = entry->alloc_bytes % entry->alloc_objects != 0;
	}
	return NULL;
}

static const char *keep(struct heaptext *t, const char *from, const char *to)
{
	return to > from ? arena_strndup_printable(&t->profile->arena, from, (size_t)(to - from))
			 : "";
}

/* "FUNCTION+0xOFFSET": the position of its plus; names may hold spaces. NULL where there is none.
 */
static const char *find_offset(const struct text *line)
{
	for (const char *at = line->pos; at < line->end; at++) {
		struct text rest = {.pos = at, .end = line->end};
		uint64_t offset;

		if (take(&rest, "+0x") && take_unsigned(&rest, 16, &offset) &&
		    (rest.pos == rest.end || *rest.pos == '\t' || *rest.pos == ' '))
			return at;
	}
	return NULL;
}

/* "0xPC", then "FUNCTION+0xOFFSET" and "FILE:LINE" where they are known. */
static void read_frame(struct heaptext *t, struct text *line, struct heap_frame *frame)
{
	const char *plus, *colon;
	uint64_t number;

	*frame = (struct heap_frame){"", "", 0};
	if (!take(line, "0x") || !take_unsigned(line, 16, &number))
		return;
	take_space(line);
	plus = find_offset(line);
	if (!plus)
		return;
	frame->function = keep(t, line->pos, plus);
	line->pos = plus + strlen("+0x");
	if (!take_unsigned(line, 16, &number))
		return;
	take_space(line);
	colon = memrchr(line->pos, ':', (size_t)(line->end - line->pos));
	if (!colon)
		return;
	frame->file = keep(t, line->pos, colon);
	line->pos = colon + 1;
	if (take_unsigned(line, 10, &number) && number <= UINT32_MAX)
		frame->line = (uint32_t)number;
}

/* ---- MemStats --------------------------------------------------------------------------- */

#define AT(field) offsetof(struct heap_memstats, field)

/* What is read of it; the others are rings of pauses and flags. */
static const struct {
	const char *key;
	size_t first, second; /* offsets; second where the value is "A / B" */
} memstats_fields[] = {
	{"Alloc", AT(alloc), 0},
	{"TotalAlloc", AT(total_alloc), 0},
	{"Sys", AT(sys), 0},
	{"Mallocs", AT(mallocs), 0},
	{"Frees", AT(frees), 0},
	{"HeapAlloc", AT(heap_alloc), 0},
	{"HeapSys", AT(heap_sys), 0},
	{"HeapIdle", AT(heap_idle), 0},
	{"HeapInuse", AT(heap_inuse), 0},
	{"HeapReleased", AT(heap_released), 0},
	{"HeapObjects", AT(heap_objects), 0},
	{"Stack", AT(stack_inuse), AT(stack_sys)},
	{"MSpan", AT(mspan_inuse), AT(mspan_sys)},
	{"MCache", AT(mcache_inuse), AT(mcache_sys)},
	{"BuckHashSys", AT(buck_hash_sys), 0},
	{"GCSys", AT(gc_sys), 0},
	{"OtherSys", AT(other_sys), 0},
	{"NextGC", AT(next_gc), 0},
	{"LastGC", AT(last_gc), 0},
	{"NumGC", AT(num_gc), 0},
	{"NumForcedGC", AT(num_forced_gc), 0},
	{"MaxRSS", AT(max_rss), 0},
};

/* "KEY = VALUE"; what is not known is passed over. */
static void read_memstat(struct heap_memstats *stats, struct text line)
{
	for (size_t i = 0; i < sizeof(memstats_fields) / sizeof(*memstats_fields); i++) {
		struct text rest = line;
		uint64_t first, second;

		if (!take(&rest, memstats_fields[i].key) || !take(&rest, " = ") ||
		    !take_unsigned(&rest, 10, &first))
			continue;
		memcpy((char *)stats + memstats_fields[i].first, &first, sizeof(first));
		if (memstats_fields[i].second && take(&rest, " / ") &&
		    take_unsigned(&rest, 10, &second))
			memcpy((char *)stats + memstats_fields[i].second, &second, sizeof(second));
		return;
	}
	if (take(&line, "GCCPUFraction = ")) {
		char number[32] = "";
		size_t n = (size_t)(line.end - line.pos);

		memcpy(number, line.pos, n < sizeof(number) ? n : sizeof(number) - 1);
		stats->gc_cpu_fraction = strtod(number, NULL);
	}
}

/* ---- All of it -------------------------------------------------------------------------- */

/* The frames that follow an entry are gathered here until the next one. */
struct frames {
	struct heap_frame *items;
	size_t n, cap;
};

static void keep_frames(struct heaptext *t, struct frames *frames)
{
	struct heap_profile *p = t->profile;
	struct heap_entry *entry;

	if (p->n_entries) {
		entry = &p->entries[p->n_entries - 1];
		entry->n_frames = frames->n;
		entry->frames = arena_zalloc(&p->arena, frames->n, sizeof(*entry->frames));
		if (frames->n)
			memcpy(entry->frames, frames->items, frames->n * sizeof(*frames->items));
	}
	frames->n = 0;
}

/* A line after the first. */
static struct error *read_line(struct heaptext *t, struct text line, struct frames *frames)
{
	struct heap_profile *p = t->profile;

	if (line.pos == line.end)
		return NULL;
	if (!take(&line, "#")) {
		if (p->has_memstats)
			return error_new("an entry after the MemStats");
		keep_frames(t, frames);
		return read_entry(t, &line);
	}
	take_space(&line);
	if (p->has_memstats) {
		read_memstat(&p->memstats, line);
	} else if (take(&line, "runtime.MemStats")) {
		p->has_memstats = true;
	} else if (p->n_entries) {
		xgrow(frames->items, frames->cap, frames->n + 1);
		read_frame(t, &line, &frames->items[frames->n++]);
	}
	return NULL;
}

/*
 * From Go 1.20 the allocated bytes of the first line are one too many where they would equal those
 * in use, so that pprof does not take the dump for one with two columns.
 */
static struct error *check_totals(const struct heaptext *t)
{
	const struct heap_profile *p = t->profile;
	const struct heap_entry *want = &t->totals;
	int64_t surplus = want->alloc_bytes - p->alloc_bytes;

	if (want->inuse_objects == p->inuse_objects && want->inuse_bytes == p->inuse_bytes &&
	    want->alloc_objects == p->alloc_objects &&
	    (!surplus || (surplus == 1 && p->alloc_bytes == p->inuse_bytes)))
		return NULL;
	return error_remedy(error_new("cut or damaged: the first line counts %lld objects, the "
				      "entries hold %lld",
				      (long long)want->alloc_objects, (long long)p->alloc_objects),
			    "fetch or copy the file again");
}

static struct error *read_text(struct heaptext *t)
{
	struct frames frames = {0};
	struct error *err;
	struct text line;

	err = read_header(t);
	while (!err && next_line(t, &line))
		err = read_line(t, line, &frames);
	keep_frames(t, &frames);
	free(frames.items);
	return error_context(err, "line %zu", t->line_number);
}

struct error *heaptext_parse(const void *data, size_t len, struct heap_profile **profile)
{
	struct heaptext t = {0};
	struct error *err;

	*profile = NULL;
	if (!heaptext_is(data, len))
		return error_new("not a heap dump in text form");
	t.rest = (struct text){.pos = data, .end = (const char *)data + len};
	t.profile = xcalloc(1, sizeof(*t.profile));
	t.profile->form = HEAP_PROFILE_TEXT;
	t.profile->exe = t.profile->build_id = "";
	err = read_text(&t);
	if (!err) {
		heap_profile_sum(t.profile);
		err = check_totals(&t);
	}
	if (err)
		heap_profile_free(t.profile);
	else
		*profile = t.profile;
	return err;
}
