#ifndef GMT_RECORD_SPANS_H
#define GMT_RECORD_SPANS_H

/*
 * The spans of one process's heap in which sampled objects lie: an object is sampled where its
 * allocation made a processor's cache take a span (--heap=span). What becomes of it is read from
 * outside. A sweep makes the mark bits of its cycle the span's allocBits, an allocation does not
 * set them, and until the cache takes the span again its free slots are not used: so a slot whose
 * bit is 0 after a later sweep is that of an object which has died (runtime/mgcsweep.go, sweep;
 * since Go 1.26 with the marks that lie in the span itself moved there before).
 */

#include "common/gobin.h"
#include "formats/note.h"
#include "record/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spans;

/* A span that a cache takes, or that becomes a large object, as its event tells. */
struct span_take {
	uint64_t time; /* ns */
	uint64_t span; /* address of the mspan */
	uint64_t base, elemsize;
	uint32_t sweepgen; /* even: it has been swept */
	uint8_t spanclass;
	/* Not of a large object. */
	uint64_t nelems, freeindex, alloc_cache;
	uint64_t bits[NOTE_SPAN_WORDS]; /* the first words of its allocBits */
	size_t n_bits;			/* 0: not known */
};

/* Where a process has them. */
struct spans_source {
	const struct memory *memory;
	const struct go_layout *layout;
	uint64_t sweepgen; /* address of the heap's sweep generation; 0: not known */
};

struct spans *spans_new(uint32_t pid);

/* The slot whose object is sampled: the first free one. False: the event does not tell. */
bool spans_sampled_slot(const struct span_take *take, uint64_t *slot);

/* A cache has taken a span; the order of events of different CPUs does not matter. */
void spans_take(struct spans *spans, const struct span_take *take);

/* The process executes another program: what was taken before this time (ns) is no more. */
void spans_forget(struct spans *spans, uint64_t before);

/*
 * Reads spans, going round, for about so much CPU time (ns), and hands on those of which something
 * is new, in parts. UINT64_MAX: the last reading, of all of them.
 */
void spans_read(struct spans *spans, const struct spans_source *source, uint64_t cpu_time,
		void *context, void (*on_spans)(void *context, const struct note_spans *part));

/* How often the process has executed another program. */
uint32_t spans_programs(const struct spans *spans);

/* How many are watched, and how many more were not, because there are too many. */
size_t spans_count(const struct spans *spans);
uint64_t spans_left_out(const struct spans *spans);
/* Spans read so far, and the CPU time (ns) that it took. */
void spans_stats(const struct spans *spans, uint64_t *readings, uint64_t *cpu_time);

void spans_free(struct spans *spans);

#endif
