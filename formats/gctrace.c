#include "formats/gctrace.h"

#include "formats/bytes.h"
#include "formats/gctrace_items.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW_MAX   65536 /* a longer line is looked at in pieces */
#define PENDING_MAX  8	   /* torn lines, and readings of them, that are waited for */
#define READINGS_MAX 3	   /* of one torn line */
#define PENDING_WAIT 64	   /* lines that may stand between two pieces of a torn one */
#define HEADS_MAX    16 /* that are looked for in the line they begin in, so that it takes no long */
#define STREAMS	     2	/* standard output and standard error of a container */

/* A torn line: what was seen of it, and where its continuation may begin in a line. */
struct pending {
	struct gctrace_progress progress;
	uint64_t origin;    /* the same in all readings of one torn line */
	uint64_t last_line; /* until when to wait */
	size_t prefix;	    /* bytes before it in its own line */
};

/* The first part of a line that the container runtime has cut in pieces. */
struct partial {
	struct buffer text;
	uint64_t line, offset;
};

struct gctrace_parser {
	gctrace_emit *emit;
	void *arg;
	struct buffer window; /* the bytes of an unfinished line */
	bool inside;	      /* the window's line began in an earlier window */
	uint64_t line, offset;
	uint64_t origins;
	unsigned heads; /* torn lines that began in the line at hand */
	struct pending pending[PENDING_MAX];
	size_t n_pending;
	struct partial partial[STREAMS];
};

/* A line of the log, or a piece of a very long one. */
struct text {
	const char *begin, *end;
	const char *head_end; /* no gctrace line that begins behind it is taken */
	uint64_t line, offset;
};

uint64_t gctrace_resolution(uint64_t duration)
{
	return duration < 100000     ? 1000
	       : duration < 1000000  ? 10000
	       : duration < 10000000 ? 100000
				     : 1000000;
}

const char *gctrace_kind_name(enum gctrace_kind kind)
{
	static const char *const names[GCTRACE_KINDS] = {
		[GCTRACE_GC] = "gc",
		[GCTRACE_GC_FORCED] = "GC forced",
		[GCTRACE_SCAV] = "scav",
		[GCTRACE_SCVG] = "scvg",
		[GCTRACE_INIT] = "init",
		[GCTRACE_PACER] = "pacer",
		[GCTRACE_SCHED] = "SCHED",
		[GCTRACE_SCAN] = "scan",
		[GCTRACE_DAMAGED] = "damaged gc line",
	};

	return kind < GCTRACE_KINDS ? names[kind] : "unknown";
}

/* ---- Torn lines ------------------------------------------------------------------------ */

static void emit_progress(struct gctrace_parser *parser, struct gctrace_progress *progress,
			  enum gctrace_kind kind)
{
	progress->entry.kind = kind;
	progress->entry.raw = progress->raw;
	progress->entry.raw_len = progress->raw_len;
	parser->emit(parser->arg, &progress->entry);
}

static void drop_pending(struct gctrace_parser *parser, size_t i)
{
	parser->n_pending--;
	memmove(&parser->pending[i], &parser->pending[i + 1],
		(parser->n_pending - i) * sizeof(parser->pending[0]));
}

/* Gives up all readings of the torn line that parser->pending[i] is one of. */
static void abandon(struct gctrace_parser *parser, size_t i)
{
	struct pending best = parser->pending[i];

	for (size_t j = parser->n_pending; j-- > 0;) {
		if (parser->pending[j].origin != best.origin)
			continue;
		if (parser->pending[j].progress.item > best.progress.item)
			best = parser->pending[j];
		drop_pending(parser, j);
	}
	if (gctrace_item_last(&best.progress))
		emit_progress(parser, &best.progress, GCTRACE_GC);
	else if (gctrace_item_certain(&best.progress))
		emit_progress(parser, &best.progress, GCTRACE_DAMAGED);
}

static void expire(struct gctrace_parser *parser, uint64_t line)
{
	for (size_t i = 0; i < parser->n_pending;) {
		if (parser->pending[i].last_line < line)
			abandon(parser, i);
		else
			i++;
	}
}

static void add_pending(struct gctrace_parser *parser, const struct pending *pending)
{
	if (parser->n_pending == PENDING_MAX)
		abandon(parser, 0);
	parser->pending[parser->n_pending++] = *pending;
}

static bool same_reading(const struct pending *a, const struct pending *b)
{
	return a->origin == b->origin && a->progress.item == b->progress.item &&
	       a->progress.raw_len == b->progress.raw_len &&
	       !memcmp(a->progress.raw, b->progress.raw, a->progress.raw_len);
}

/* Adds a further reading of a torn line, in the place of the oldest where there are many. */
static void add_reading(struct gctrace_parser *parser, const struct pending *reading)
{
	size_t n = 0, oldest = 0;

	for (size_t i = parser->n_pending; i-- > 0;) {
		if (parser->pending[i].origin != reading->origin)
			continue;
		if (same_reading(&parser->pending[i], reading))
			return;
		n++;
		oldest = i;
	}
	if (n >= READINGS_MAX)
		drop_pending(parser, oldest);
	add_pending(parser, reading);
}

/* Continues pending at p; true where it made headway. */
static bool continue_at(const struct pending *pending, const struct text *text, const char *p,
			struct pending *result)
{
	*result = *pending;
	gctrace_advance(&result->progress, p, text->end);
	result->last_line = text->line + PENDING_WAIT;
	result->progress.entry.stitched = true;
	return result->progress.taken > 0;
}

/*
 * The places of a line at which the program's own output may begin: its start, behind what the
 * container runtime puts before it, in the string of a JSON record, and at the column at which the
 * torn line began.
 */
#define STARTS_MAX 9
static size_t line_starts(const struct text *text, size_t prefix, const char *starts[STARTS_MAX])
{
	static const char *const marks[] = {
		" F ", "\"log\":\"", "\"message\":\"", "\"msg\":\"", "| ", "\"MESSAGE\":\"", "]: "};
	size_t n = 0, len = (size_t)(text->end - text->begin);

	starts[n++] = text->begin;
	if (prefix && prefix < len)
		starts[n++] = text->begin + prefix;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		const char *mark = memmem(text->begin, len, marks[i], strlen(marks[i]));

		if (mark)
			starts[n++] = mark + strlen(marks[i]);
	}
	return n;
}

/*
 * Looks for the rest of a torn line. *whole: the reading that completes it; *part: one that ends in
 * another tear.
 */
static void find_rest(const struct pending *pending, const struct text *text, const char *from,
		      struct pending *whole, bool *has_whole, struct pending *part, bool *has_part)
{
	const char *starts[STARTS_MAX], *fixed = gctrace_item_text(&pending->progress);
	struct pending result;
	size_t n = from == text->begin ? line_starts(text, pending->prefix, starts) : 0;

	*has_whole = *has_part = false;
	for (size_t i = 0; i < n && !*has_whole; i++) {
		if (!continue_at(pending, text, starts[i], &result))
			continue;
		*has_whole = gctrace_item_done(&result.progress);
		*has_part = !*has_whole;
		*(*has_whole ? whole : part) = result;
	}
	if (*has_whole || !fixed || !gctrace_item_telling(&pending->progress))
		return;
	/* In the middle of a line only all of the rest counts, which is near its end, and not
	 * behind what may itself be a piece of it. */
	if (text->end - from > GCTRACE_LINE_MAX)
		from = text->end - GCTRACE_LINE_MAX;
	for (const char *p = from; (p = memmem(p, (size_t)(text->end - p), fixed, strlen(fixed)));
	     p++) {
		if (p > text->begin && strchr("0123456789.%)", p[-1]))
			continue;
		if (continue_at(pending, text, p, &result) && gctrace_item_done(&result.progress)) {
			*whole = result;
			*has_whole = true;
			return;
		}
	}
}

static void drop_origin(struct gctrace_parser *parser, uint64_t origin)
{
	for (size_t i = parser->n_pending; i-- > 0;)
		if (parser->pending[i].origin == origin)
			drop_pending(parser, i);
}

static void abandon_origin(struct gctrace_parser *parser, uint64_t origin)
{
	for (size_t i = 0; i < parser->n_pending; i++) {
		if (parser->pending[i].origin == origin) {
			abandon(parser, i);
			return;
		}
	}
}

/* Whether the text holds a piece of a torn line that no other line holds. */
static bool holds_piece(const struct text *text)
{
	static const char *const pieces[] = {" ms clock, ",  " ms cpu, ",     " MB goal, ",
					     " MB stacks, ", " MB globals, ", " (checking for "};
	size_t len = (size_t)(text->end - text->begin);

	if (memmem(text->begin, len, "gc ", 3))
		return false;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		if (memmem(text->begin, len, pieces[i], strlen(pieces[i])))
			return true;
	return false;
}

static bool has_origin(const struct pending *readings, size_t n, uint64_t origin)
{
	for (size_t i = 0; i < n; i++)
		if (readings[i].origin == origin)
			return true;
	return false;
}

/* Tries to complete the torn lines from the first-th on with this one, from `from` on. */
static void continue_pending(struct gctrace_parser *parser, const struct text *text,
			     const char *from, size_t first)
{
	struct pending whole[PENDING_MAX], parts[PENDING_MAX];
	size_t n_whole = 0, n_parts = 0, n = parser->n_pending;
	bool has_whole, has_part, unique = true;

	for (size_t i = first; i < n; i++) {
		find_rest(&parser->pending[i], text, from, &whole[n_whole], &has_whole,
			  &parts[n_parts], &has_part);
		n_parts += has_part;
		if (has_whole && n_whole && !same_reading(&whole[0], &whole[n_whole]))
			unique = false;
		n_whole += has_whole;
	}
	/* A piece that fits nowhere may belong to any of them, which then lacks it. */
	for (size_t i = !n_whole && holds_piece(text) ? n : first; i-- > first;)
		if (i < parser->n_pending && !has_origin(parts, n_parts, parser->pending[i].origin))
			abandon_origin(parser, parser->pending[i].origin);
	/* Text that only the runtime writes settles which reading is right. */
	for (size_t i = 0; i < n_parts && !n_whole; i++)
		if (parts[i].progress.clear)
			drop_origin(parser, parts[i].origin);
	for (size_t i = 0; i < n_parts && !n_whole; i++)
		add_reading(parser, &parts[i]);
	/* A line that would complete several readings completes none that is safe. */
	for (size_t i = 0; i < n_whole && !unique; i++)
		abandon_origin(parser, whole[i].origin);
	if (n_whole && unique) {
		drop_origin(parser, whole[0].origin);
		emit_progress(parser, &whole[0].progress, GCTRACE_GC);
	}
}

/* ---- One line -------------------------------------------------------------------------- */

/* "gc " alone, which other text holds too: the last one is kept, and never at others' cost. */
static void add_vague(struct gctrace_parser *parser, const struct pending *pending)
{
	for (size_t i = parser->n_pending; i-- > 0;)
		if (!gctrace_item_certain(&parser->pending[i].progress))
			drop_pending(parser, i);
	if (parser->n_pending < PENDING_MAX)
		add_pending(parser, pending);
}

/* Reads the gctrace line that begins at p; returns where to look on. */
static const char *read_gc(struct gctrace_parser *parser, const struct text *text, const char *p)
{
	struct pending pending = {.origin = ++parser->origins,
				  .last_line = text->line + PENDING_WAIT,
				  .prefix = (size_t)(p - text->begin)};
	struct gctrace_progress *progress = &pending.progress;
	const char *stop;

	stop = gctrace_advance(progress, p, text->end);
	progress->entry.line = text->line;
	progress->entry.offset = text->offset + (size_t)(p - text->begin);
	if (gctrace_item_done(progress)) {
		emit_progress(parser, progress, GCTRACE_GC);
		return stop;
	}
	if (gctrace_item_certain(progress)) {
		add_pending(parser, &pending);
		if (parser->heads++ < HEADS_MAX)
			continue_pending(parser, text, stop, parser->n_pending - 1);
	} else {
		add_vague(parser, &pending);
	}
	return stop;
}

/* At most one line of another kind in a line of the log. */
static void read_other(struct gctrace_parser *parser, const struct text *text)
{
	struct gctrace_entry entry = {.line = text->line};
	const char *p = gctrace_find_other(text->begin, text->end, &entry.kind);

	if (!p || p >= text->head_end)
		return;
	entry.offset = text->offset + (size_t)(p - text->begin);
	entry.raw = p;
	entry.raw_len = (size_t)(text->end - p);
	if (entry.raw_len > 2 * GCTRACE_LINE_MAX)
		entry.raw_len = 2 * GCTRACE_LINE_MAX;
	parser->emit(parser->arg, &entry);
}

static void process_text(struct gctrace_parser *parser, const struct text *text)
{
	const char *p = text->begin;

	parser->heads = 0;
	if (parser->n_pending) {
		expire(parser, text->line);
		continue_pending(parser, text, text->begin, 0);
	}
	while (p < text->head_end && (p = memmem(p, (size_t)(text->end - p), "gc ", 3)) &&
	       p < text->head_end)
		p = read_gc(parser, text, p);
	read_other(parser, text);
}

/* ---- From bytes to lines --------------------------------------------------------------- */

/*
 * The prefix that container runtimes put before each line ("TIME stdout|stderr P|F "): its length,
 * or 0. P says that the line goes on in the next one of the same stream.
 */
static size_t container_prefix(const char *p, const char *end, int *stream, bool *partial)
{
	const char *at = memchr(p, ' ', (size_t)(end - p) < 40 ? (size_t)(end - p) : 40);

	if (!at || at - p < 20 || p[4] != '-' || p[10] != 'T')
		return 0;
	if (gctrace_take_text(&at, end, " stderr "))
		*stream = 1;
	else if (gctrace_take_text(&at, end, " stdout "))
		*stream = 0;
	else
		return 0;
	if (end - at < 2 || at[1] != ' ' || (*at != 'P' && *at != 'F'))
		return 0;
	*partial = *at == 'P';
	return (size_t)(at + 2 - p);
}

static void process_partial(struct gctrace_parser *parser, struct partial *part)
{
	const char *begin = (const char *)part->text.data;

	/* Without text there is no pointer to add to. */
	if (part->text.len)
		process_text(parser,
			     &(struct text){begin, begin + part->text.len, begin + part->text.len,
					    part->line, part->offset});
	part->text.len = 0;
}

static void process_line(struct gctrace_parser *parser, const struct text *text)
{
	struct partial *part;
	bool partial = false;
	int stream = 0;
	size_t prefix = container_prefix(text->begin, text->end, &stream, &partial);

	part = &parser->partial[stream];
	if (!prefix || (!partial && !part->text.len)) {
		process_text(parser, text);
		return;
	}
	if (!part->text.len) {
		part->line = text->line;
		part->offset = text->offset;
		prefix = 0; /* the first piece keeps it, so that places are right */
	}
	buffer_append(&part->text, text->begin + prefix,
		      (size_t)(text->end - text->begin) - prefix);
	if (!partial || part->text.len > WINDOW_MAX)
		process_partial(parser, part);
}

/* A line, or what a NUL separates: holes that a truncated log file has are full of them. */
static void take_line(struct gctrace_parser *parser, const char *begin, const char *end)
{
	while (begin < end) {
		const char *nul = memchr(begin, 0, (size_t)(end - begin));
		const char *stop = nul ? nul : end;
		struct text text = {begin, stop, stop, parser->line + 1, parser->offset};

		if (stop > begin && parser->inside)
			process_text(parser, &text);
		else if (stop > begin)
			process_line(parser, &text);
		parser->inside = parser->inside && !nul;
		parser->offset += (size_t)(stop - begin) + (nul != NULL);
		begin = stop + (nul != NULL);
	}
}

/* The window is full and holds no end of a line: all but its tail is done with. */
static void take_window(struct gctrace_parser *parser)
{
	const char *begin = (const char *)parser->window.data;
	size_t done = parser->window.len - GCTRACE_LINE_MAX;
	struct text text = {begin, begin + parser->window.len, begin + done, parser->line + 1,
			    parser->offset};

	process_text(parser, &text);
	parser->inside = true;
	parser->offset += done;
	memmove(parser->window.data, begin + done, GCTRACE_LINE_MAX);
	parser->window.len = GCTRACE_LINE_MAX;
}

static void end_line(struct gctrace_parser *parser, const char *begin, const char *end)
{
	struct text empty = {begin, begin, begin, parser->line + 1, parser->offset};

	/* An empty line matters only where a torn line waits for its end. */
	if (begin == end && parser->n_pending && !parser->inside)
		process_text(parser, &empty);
	take_line(parser, begin, end);
	parser->inside = false;
}

void gctrace_parser_feed(struct gctrace_parser *parser, const void *data, size_t len)
{
	const char *p = data, *end = p + len;

	while (p < end) {
		size_t room = WINDOW_MAX - parser->window.len;
		size_t n = (size_t)(end - p) < room ? (size_t)(end - p) : room;
		const char *newline = memchr(p, '\n', n);

		if (!newline) {
			buffer_append(&parser->window, p, n);
			p += n;
			if (parser->window.len == WINDOW_MAX)
				take_window(parser);
			continue;
		}
		if (parser->window.len) {
			buffer_append(&parser->window, p, (size_t)(newline - p));
			end_line(parser, (const char *)parser->window.data,
				 (const char *)parser->window.data + parser->window.len);
			parser->window.len = 0;
		} else {
			end_line(parser, p, newline);
		}
		parser->line++;
		parser->offset++;
		p = newline + 1;
	}
}

void gctrace_parser_finish(struct gctrace_parser *parser)
{
	if (parser->window.len) {
		end_line(parser, (const char *)parser->window.data,
			 (const char *)parser->window.data + parser->window.len);
		parser->window.len = 0;
		parser->line++;
	}
	for (int i = 0; i < STREAMS; i++)
		process_partial(parser, &parser->partial[i]);
	while (parser->n_pending)
		abandon(parser, 0);
}

struct gctrace_parser *gctrace_parser_new(gctrace_emit *emit, void *arg)
{
	struct gctrace_parser *parser = xcalloc(1, sizeof(*parser));

	parser->emit = emit;
	parser->arg = arg;
	return parser;
}

uint64_t gctrace_parser_lines(const struct gctrace_parser *parser)
{
	return parser->line;
}

void gctrace_parser_free(struct gctrace_parser *parser)
{
	if (!parser)
		return;
	buffer_free(&parser->window);
	for (int i = 0; i < STREAMS; i++)
		buffer_free(&parser->partial[i].text);
	free(parser);
}
