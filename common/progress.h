#ifndef GMT_COMMON_PROGRESS_H
#define GMT_COMMON_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* One line on a terminal that is rewritten in place; on anything but a terminal it stays silent. */
struct progress {
	FILE *out;
	bool enabled, shown;
	uint64_t last; /* CLOCK_MONOTONIC ns of the last line */
};

/* out is usually stderr; wanted: false where the user asked for quiet. */
struct progress progress_start(FILE *out, bool wanted);
/* True a few times a second: only then is a progress_show worth its cost. */
bool progress_due(struct progress *progress);
/* Writes the line over the one before, cut to the width of the terminal. */
void progress_show(struct progress *progress, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Takes the line away, at the end or before other text is written. */
void progress_clear(struct progress *progress);

#endif
