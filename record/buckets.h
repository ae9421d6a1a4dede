#ifndef GMT_RECORD_BUCKETS_H
#define GMT_RECORD_BUCKETS_H

/*
 * The runtime's table of heap-profile buckets, read from outside. Buckets are never freed or moved
 * and each new one becomes the head of a list (runtime/mprof.go, stkbucket), so a reading costs one
 * walk over the new ones and one gathered read of the counters of all.
 */

#include "common/gobin.h"
#include "formats/note.h"
#include "record/memory.h"

#include <stdbool.h>
#include <stdint.h>

struct buckets;

struct buckets_options {
	uint32_t pid;
	const struct memory *memory;
	const struct go_layout *layout;
	uint64_t head;	     /* address of runtime.mbuckets in the process */
	uint64_t cycle;	     /* address of the word that holds the profile cycle; 0: not known */
	bool cycle_has_flag; /* Go 1.19 and later: bit 0 is "flushed" */
};

struct buckets *buckets_new(const struct buckets_options *options);

/*
 * One reading. on_bucket is called for each bucket not seen before, then on_table for the parts of
 * the reading. Returns false where the table cannot be read (the process is gone, or its runtime
 * has not started).
 */
bool buckets_read(struct buckets *buckets, bool final, void *context,
		  void (*on_bucket)(void *context, const struct note_bucket *bucket),
		  void (*on_table)(void *context, const struct note_table *part));

/* Only the buckets that are new since the last time, without their counters: cheap. */
void buckets_read_new(struct buckets *buckets, void *context,
		      void (*on_bucket)(void *context, const struct note_bucket *bucket));

/* The next reading is the first of a file: it is of all buckets, each of them noted anew. */
void buckets_restart(struct buckets *buckets);

size_t buckets_count(const struct buckets *buckets);
/* How many readings there were, and how many of them were of one moment. */
void buckets_stats(const struct buckets *buckets, uint32_t *readings, uint32_t *stable);
void buckets_free(struct buckets *buckets);

#endif
