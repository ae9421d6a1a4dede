#include "formats/gctrace_items.h"

#include <string.h>

#define MAX_SECONDS 1000000000 /* nothing runs for thirty years: it is another's number */

enum item_type {
	ITEM_TEXT,
	ITEM_OPTION,  /* a text that may be absent */
	ITEM_ARROW,   /* "->", or as JSON escapes it */
	ITEM_NUMBER,  /* digits */
	ITEM_PERCENT, /* digits, with a sign where the runtime divided zero by zero */
	ITEM_SECONDS, /* digits and three decimals */
	ITEM_MS,      /* a duration as fmtNSAsMS prints it */
	ITEM_MB,
	ITEM_TAIL,   /* a number: stacks from Go 1.18 on, the number of Ps before */
	ITEM_BRANCH, /* what tells which */
	ITEM_END,    /* "(forced)" or nothing */
};

struct item {
	enum item_type type;
	const char *text;
	size_t field; /* offset in struct gctrace_entry */
};

#define FIELD(name) offsetof(struct gctrace_entry, name)

/* The print statements of gcMarkTermination, in order. */
static const struct item items[] = {
	{ITEM_TEXT, "gc ", 0},
	{ITEM_NUMBER, NULL, FIELD(number)},
	{ITEM_TEXT, " @", 0},
#define ITEM_INDEX_TIME 3
	{ITEM_SECONDS, NULL, FIELD(time)},
	{ITEM_TEXT, "s ", 0},
	{ITEM_PERCENT, NULL, FIELD(percent)},
	{ITEM_TEXT, "%", 0},
	{ITEM_OPTION, " (checking for goroutine leaks)", FIELD(leak_check)},
	{ITEM_TEXT, ": ", 0},
	{ITEM_MS, NULL, FIELD(clock[0])},
	{ITEM_TEXT, "+", 0},
	{ITEM_MS, NULL, FIELD(clock[1])},
	{ITEM_TEXT, "+", 0},
	{ITEM_MS, NULL, FIELD(clock[2])},
	{ITEM_TEXT, " ms clock, ", 0},
	{ITEM_MS, NULL, FIELD(cpu[0])},
	{ITEM_TEXT, "+", 0},
	{ITEM_MS, NULL, FIELD(cpu[1])},
	{ITEM_TEXT, "/", 0},
	{ITEM_MS, NULL, FIELD(cpu[2])},
	{ITEM_TEXT, "/", 0},
	{ITEM_MS, NULL, FIELD(cpu[3])},
	{ITEM_TEXT, "+", 0},
	{ITEM_MS, NULL, FIELD(cpu[4])},
	{ITEM_TEXT, " ms cpu, ", 0},
#define ITEM_INDEX_HEAP 25
	{ITEM_MB, NULL, FIELD(heap_start)},
	{ITEM_ARROW, "->", 0},
	{ITEM_MB, NULL, FIELD(heap_peak)},
	{ITEM_ARROW, "->", 0},
	{ITEM_MB, NULL, FIELD(heap_live)},
	{ITEM_TEXT, " MB, ", 0},
	{ITEM_MB, NULL, FIELD(goal)},
	{ITEM_TEXT, " MB goal, ", 0},
	{ITEM_TAIL, NULL, 0},
	{ITEM_BRANCH, NULL, 0},
	{ITEM_MB, NULL, FIELD(globals)},
	{ITEM_TEXT, " MB globals, ", 0},
	{ITEM_NUMBER, NULL, FIELD(procs)},
	{ITEM_TEXT, " P", 0},
#define ITEM_INDEX_END 39
	{ITEM_END, NULL, 0},
};

#define ITEM_COUNT (sizeof(items) / sizeof(items[0]))

_Static_assert(ITEM_COUNT == ITEM_INDEX_END + 1, "the end is the last item");

bool gctrace_item_done(const struct gctrace_progress *progress)
{
	return progress->item >= ITEM_COUNT;
}

bool gctrace_item_last(const struct gctrace_progress *progress)
{
	return progress->item == ITEM_INDEX_END;
}

bool gctrace_item_certain(const struct gctrace_progress *progress)
{
	return progress->item >= ITEM_INDEX_TIME;
}

bool gctrace_item_telling(const struct gctrace_progress *progress)
{
	return progress->item <= ITEM_INDEX_HEAP;
}

const char *gctrace_item_text(const struct gctrace_progress *progress)
{
	const struct item *item;

	if (gctrace_item_done(progress))
		return NULL;
	item = &items[progress->item];
	/* The fixed text that can be searched for; an option's successor is tried with it. */
	return item->type == ITEM_TEXT ? item->text : item->type == ITEM_ARROW ? "-" : NULL;
}

static bool is_digit(const char *p, const char *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

static const char *read_text(const char *p, const char *end, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(end - p) >= len && !memcmp(p, text, len) ? p + len : NULL;
}

/* Each JSON record that another one holds as a string doubles the backslashes in it. */
static const char *skip_backslashes(const char *p, const char *end)
{
	while (p < end && *p == '\\')
		p++;
	return p;
}

/* "->", of which encoders of JSON escape the second half. */
static const char *read_arrow(const char *p, const char *end)
{
	const char *next = read_text(p, end, "->");

	if (next || end - p < 3 || p[0] != '-' || p[1] != '\\')
		return next;
	return read_text(skip_backslashes(p + 1, end), end, "u003e");
}

/* Whether the text at p has the form: '0' stands for a digit, anything else for itself. */
static bool has_form(const char *p, const char *end, const char *form)
{
	for (; *form; p++, form++)
		if (*form == '0' ? !is_digit(p, end) : p == end || *p != *form)
			return false;
	return true;
}

/* Whether a date or a time of day stands at p: the way most log lines begin. No gctrace line holds
 * one, so what stands there was written by another. */
static bool at_time(const char *p, const char *end)
{
	return has_form(p, end, "0000/00/00") || has_form(p, end, "0000-00-00") ||
	       has_form(p, end, "00:00:00");
}

/* Whether the text at p, which is no digit, was begun there by another: not "ms" or "MB", which can
 * follow a number of its own. */
static bool at_other(const char *p, const char *end)
{
	int letters = 0;

	if (p < end && strchr("{[\"<", *p))
		return *p != 0;
	if (p < end && strchr("IWEF", *p) && has_form(p + 1, end, "0000 00:00"))
		return true;
	if (read_text(p, end, items[0].text)) /* another process's line */
		return true;
	while (p + letters < end && letters < 4 && ((p[letters] | 32) >= 'a') &&
	       ((p[letters] | 32) <= 'z'))
		letters++;
	return letters == 4;
}

/* Where a run of digits that begins at p ends as a number of the runtime's: at the date of another
 * line, which may have been glued to it, or at its last digit. */
static const char *number_end(const char *p, const char *end)
{
	const char *at = p;

	for (; is_digit(at, end); at++)
		if (at > p && (*p == '0' || at_time(at, end)))
			break;
	return at;
}

/* Digits without a leading zero, as the runtime prints integers. NULL: none, or too large. */
static const char *read_digits(const char *p, const char *end, uint64_t *value)
{
	uint64_t v = 0;

	if (!is_digit(p, end))
		return NULL;
	if (*p == '0') {
		*value = 0;
		return p + 1;
	}
	for (; is_digit(p, end); p++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return NULL;
	}
	*value = v;
	return p;
}

static const char *read_decimals(const char *p, const char *end, int n, uint64_t *value)
{
	for (int i = 0; i < n; i++, p++) {
		if (!is_digit(p, end))
			return NULL;
		*value = *value * 10 + (uint64_t)(*p - '0');
	}
	return p;
}

static const char *read_seconds(const char *p, const char *end, uint64_t *ns)
{
	uint64_t ms;

	p = read_digits(p, end, &ms);
	if (!p || p == end || *p != '.' || ms > MAX_SECONDS)
		return NULL;
	p = read_decimals(p + 1, end, 3, &ms);
	*ns = ms * 1000000;
	return p;
}

/*
 * Two digits below 10 ms, whole milliseconds from there on, which end at `stop`. What does not look
 * like this was not printed by the runtime.
 */
static const char *read_ms(const char *p, const char *stop, const char *end, uint64_t *ns)
{
	uint64_t value;

	if (stop == p + 1 && stop < end && *stop == '.') {
		value = (uint64_t)(*p - '0');
		if (value > 0) {
			p = read_decimals(stop + 1, end, 1, &value);
			*ns = value * 100000;
			return p;
		}
		p = read_decimals(stop + 1, end, 2, &value);
		*ns = value * 10000;
		if (!p || value >= 10)
			return p;
		p = read_decimals(p, end, 1, &value);
		*ns = value * 1000;
		return value ? p : NULL;
	}
	p = read_digits(p, stop, &value);
	if (!p || (value && value < 10) || __builtin_mul_overflow(value, 1000000, ns))
		return NULL;
	return p;
}

static void set_field(struct gctrace_progress *progress, const struct item *item, uint64_t value)
{
	memcpy((char *)&progress->entry + item->field, &value, sizeof(value));
}

/*
 * Takes a number. *loose: for all that can be seen here, digits at its end, or all of it, may have
 * been written by another.
 */
static const char *take_number(struct gctrace_progress *progress, const struct item *item,
			       const char *p, const char *end, bool *loose)
{
	bool negative = item->type == ITEM_PERCENT && p < end && *p == '-';
	const char *stop;
	uint64_t value = 0;

	p += negative;
	if (at_time(p, end))
		return NULL;
	stop = number_end(p, end);
	if (item->type == ITEM_SECONDS)
		stop = read_seconds(p, end, &value);
	else if (item->type == ITEM_MS)
		stop = read_ms(p, stop, end, &value);
	else
		stop = read_digits(p, stop, &value);
	if (!stop || (item->type == ITEM_MB && value >> 44))
		return NULL;
	*loose = !at_time(stop, end) && !at_other(stop, end);
	if (item->type == ITEM_MB)
		value <<= 20;
	if (item->type == ITEM_TAIL)
		progress->tail = value;
	else
		set_field(progress, item, negative ? -value : value);
	progress->item++;
	return stop;
}

static const char *take_branch(struct gctrace_progress *progress, const char *p, const char *end)
{
	const char *next = read_text(p, end, " MB stacks, ");

	if (next && !(progress->tail >> 44)) {
		progress->entry.has_stacks = true;
		progress->entry.stacks = progress->tail << 20;
		progress->item++;
		return next;
	}
	next = read_text(p, end, " P");
	if (next) {
		progress->entry.procs = progress->tail;
		progress->item = ITEM_INDEX_END;
	}
	return next;
}

static const char *take_end(struct gctrace_progress *progress, const char *p, const char *end)
{
	const char *next = read_text(p, end, " (forced)");

	if (!next && !gctrace_at_end(p, end))
		return NULL;
	progress->entry.forced = next != NULL;
	progress->entry.forced_known = true;
	progress->item++;
	return next ? next : p;
}

/* Takes the next item at p; NULL where it does not stand there. */
static const char *take_item(struct gctrace_progress *progress, const char *p, const char *end,
			     bool *loose)
{
	const struct item *item = &items[progress->item];
	const char *next;

	*loose = false;
	switch (item->type) {
	case ITEM_TEXT:
		next = read_text(p, end, item->text);
		break;
	case ITEM_ARROW:
		next = read_arrow(p, end);
		break;
	case ITEM_OPTION:
		next = read_text(p, end, item->text);
		progress->entry.leak_check = next != NULL;
		/* Absent only where what comes after it stands here. */
		if (!next && read_text(p, end, item[1].text))
			next = p;
		break;
	case ITEM_BRANCH:
		return take_branch(progress, p, end);
	case ITEM_END:
		return take_end(progress, p, end);
	default:
		return take_number(progress, item, p, end, loose);
	}
	if (next)
		progress->item++;
	if (next && next - p >= 8)
		progress->clear = true;
	return next;
}

static void keep_raw(struct gctrace_progress *progress, const char *text, size_t len)
{
	if (progress->raw_len + len > sizeof(progress->raw))
		return;
	memcpy(progress->raw + progress->raw_len, text, len);
	progress->raw_len += len;
}

const char *gctrace_advance(struct gctrace_progress *progress, const char *p, const char *end)
{
	const char *safe = p;
	unsigned item = progress->item, first = item;
	size_t raw_len = progress->raw_len;
	bool loose = false;

	progress->clear = false;
	while (!gctrace_item_done(progress)) {
		bool arrow = items[progress->item].type == ITEM_ARROW;
		const char *next = take_item(progress, p, end, &loose);

		if (!next)
			break;
		keep_raw(progress, arrow ? "->" : p, arrow ? 2 : (size_t)(next - p));
		p = next;
		if (loose)
			continue;
		safe = p;
		item = progress->item;
		raw_len = progress->raw_len;
	}
	if (!gctrace_item_done(progress)) {
		/* A number counts only where it is seen to end. */
		progress->item = item;
		progress->raw_len = raw_len;
	}
	progress->taken = progress->item - first;
	return safe;
}

bool gctrace_at_end(const char *p, const char *end)
{
	while (p < end && (*p == '\r' || *p == ' ' || *p == '\t'))
		p++;
	/* The end of the line, of a string, of a line inside a JSON string (which may itself stand
	 * in one), or a change of colour. */
	if (p == end || *p == '"' || *p == '\033')
		return true;
	return *p == '\\' && (p = skip_backslashes(p, end)) < end && strchr("nr\"", *p);
}
