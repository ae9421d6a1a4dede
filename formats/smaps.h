#ifndef GMT_FORMATS_SMAPS_H
#define GMT_FORMATS_SMAPS_H

/*
 * The text of /proc/PID/smaps, as it comes: for each mapping a line as in /proc/PID/maps and lines
 * of figures. Nothing is kept but the mapping in progress, whatever their number.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct smaps_mapping {
	uint64_t start, end;
	bool readable, writable, executable, shared;
	uint64_t offset, inode;
	uint32_t major, minor;	       /* of the device */
	const char *path;	       /* "" where it has none; good until the next one begins */
	uint64_t rss, anonymous, swap; /* bytes; anonymous is of rss */
};

typedef void smaps_sink(void *context, const struct smaps_mapping *mapping);

#define SMAPS_MAX_LINE 8192 /* what is beyond is cut off: a path has 4,096 bytes at most */

struct smaps {
	smaps_sink *sink;
	void *context;
	struct smaps_mapping mapping; /* in progress */
	bool begun;
	size_t len; /* of the line in progress */
	char line[SMAPS_MAX_LINE], path[SMAPS_MAX_LINE];
	uint64_t bad_lines;
};

void smaps_begin(struct smaps *smaps, smaps_sink *sink, void *context);
/* Some more of the text, cut anywhere. The sink gets each mapping once all its lines are there. */
void smaps_feed(struct smaps *smaps, const char *text, size_t len);
/* Hands out the last one. */
void smaps_end(struct smaps *smaps);

#endif
