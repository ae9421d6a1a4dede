#ifndef GMT_FORMATS_GCTRACE_ITEMS_H
#define GMT_FORMATS_GCTRACE_ITEMS_H

/*
 * For formats/gctrace.c alone: the grammar of a `gc` line as the runtime writes it: a run of items,
 * each of which reaches the log in one piece. Between two items anything may stand.
 */

#include "formats/gctrace.h"

#define GCTRACE_LINE_MAX 640 /* bytes; with every number at its longest it is below */

/* How far the reading of a line has come. Zero-initialise. */
struct gctrace_progress {
	struct gctrace_entry entry;
	uint64_t tail;	/* a number that the item behind it gives a meaning to */
	unsigned item;	/* the next item; gctrace_item_done() where there is none left */
	unsigned taken; /* items that the last call of gctrace_advance took */
	bool clear;	/* there was a text among them that nobody else writes */
	size_t raw_len;
	char raw[GCTRACE_LINE_MAX];
};

/* Takes items from [p, end) as far as they fit and are certain; returns where they stop. */
const char *gctrace_advance(struct gctrace_progress *progress, const char *p, const char *end);
/* Whether the line is complete. */
bool gctrace_item_done(const struct gctrace_progress *progress);
/* Whether all of it is there but for the "(forced)" that may follow. */
bool gctrace_item_last(const struct gctrace_progress *progress);
/* Whether the number and the "@" behind it are there: from here on it is a gctrace line. */
bool gctrace_item_certain(const struct gctrace_progress *progress);
/* The text of the next item where it is fixed, else NULL: it is a number. */
const char *gctrace_item_text(const struct gctrace_progress *progress);
/* Whether enough items are left for them to be recognised in the middle of other text. */
bool gctrace_item_telling(const struct gctrace_progress *progress);
/* Whether a line can end at p: nothing of it follows in [p, end). */
bool gctrace_at_end(const char *p, const char *end);

/* Steps over the text where it stands at *p. */
bool gctrace_take_text(const char **p, const char *end, const char *text);

/* The first line of another kind than `gc` in [begin, end) and what it is; NULL: there is none. */
const char *gctrace_find_other(const char *begin, const char *end, enum gctrace_kind *kind);

#endif
