#ifndef GMT_RECORD_SNAPSHOT_H
#define GMT_RECORD_SNAPSHOT_H

/* The conditions of --snapshot: when what is kept in memory is to be written. */

#include <stdbool.h>
#include <stdint.h>

struct snapshot_condition {
	enum {
		SNAPSHOT_RSS_ABOVE, /* rss>2G */
		SNAPSHOT_RSS_GREW,  /* rss+500M/10m */
		SNAPSHOT_HEAP_ABOVE /* heap>1G: the runtime's live heap */
	} kind;
	uint64_t bytes;
	uint64_t within;  /* ns, with SNAPSHOT_RSS_GREW */
	const char *text; /* as the user gave it */
};

/* False: not a condition. The text is kept, not copied. */
bool snapshot_parse(const char *text, struct snapshot_condition *condition);

/* One condition as it is watched on one process. */
struct snapshot_watch;

struct snapshot_watch *snapshot_watch_new(const struct snapshot_condition *condition);
/*
 * Takes what the process has at a moment (ns, bytes; 0: not known). True where the condition has
 * begun to hold: once, and again only after it did not hold, or after as much more growth.
 */
bool snapshot_watch_take(struct snapshot_watch *watch, uint64_t now, uint64_t rss, uint64_t heap);
void snapshot_watch_free(struct snapshot_watch *watch);

#endif
