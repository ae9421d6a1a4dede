#ifndef GMT_FORMATS_HEAPPROFILE_H
#define GMT_FORMATS_HEAPPROFILE_H

/*
 * A Go heap dump, in one form for both that runtime/pprof writes: profile.proto (debug=0, see
 * pprof.h) and text (debug=1, see heaptext.h). One entry is one bucket of the runtime's table: a
 * call stack and an object size. Counts are those of the sampled objects, unscaled, so that they
 * can be compared with other observations of the same samples one by one.
 */

#include "formats/arena.h"
#include "formats/error.h"
#include "formats/pprof.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A logical frame: an inlined call is one of its own. "" and 0 where unknown. */
struct heap_frame {
	const char *function, *file;
	uint32_t line;
};

struct heap_entry {
	/* Text: the stack as the bucket holds it, one return address per logical frame. Proto:
	 * the return address of the innermost logical frame of each physical frame, leading
	 * runtime frames and runtime.goexit left out. */
	uint64_t *pcs;
	size_t n_pcs;
	/* Logical frames, innermost first, leading runtime frames and runtime.goexit left out
	 * (all present where there are no others). */
	struct heap_frame *frames;
	size_t n_frames;
	uint64_t size; /* of one object, bytes; 0 unknown */
	int64_t alloc_objects, alloc_bytes, inuse_objects, inuse_bytes;
	bool inexact; /* the proto's scaled values are not those of whole objects of this size */
};

/* The MemStats that the text form ends with; read before the buckets, and not sampled. */
struct heap_memstats {
	uint64_t alloc, total_alloc, sys, mallocs, frees;
	uint64_t heap_alloc, heap_sys, heap_idle, heap_inuse, heap_released, heap_objects;
	uint64_t stack_inuse, stack_sys, mspan_inuse, mspan_sys, mcache_inuse, mcache_sys;
	uint64_t buck_hash_sys, gc_sys, other_sys;
	uint64_t next_gc, last_gc; /* last_gc: wall clock, ns; 0: none yet */
	uint64_t num_gc, num_forced_gc, max_rss;
	double gc_cpu_fraction;
};

enum heap_profile_form { HEAP_PROFILE_PROTO, HEAP_PROFILE_TEXT };

struct heap_profile {
	enum heap_profile_form form;
	int64_t rate;		/* runtime.MemProfileRate when it was written */
	int64_t time_nanos;	/* wall clock when writing began; 0: the text form has none */
	int64_t duration_nanos; /* not 0: the difference of two dumps that far apart */
	struct heap_entry *entries;
	size_t n_entries, cap_entries;
	size_t n_inexact;
	int64_t alloc_objects, alloc_bytes, inuse_objects, inuse_bytes; /* over all entries */
	const char *exe, *build_id; /* of the main program; "" unknown (text: always) */
	bool has_memstats;
	struct heap_memstats memstats;
	struct arena arena; /* holds strings and inner arrays */
};

/*
 * Reads either form, compressed or not. What is no heap dump, or damaged, is an error of one line
 * with a remedy.
 */
struct error *heap_profile_parse(const void *data, size_t len, struct heap_profile **profile);
struct error *heap_profile_read(const char *path, struct heap_profile **profile);
/* The view of a parsed profile.proto, which may be freed afterwards. */
struct error *heap_profile_from_pprof(const struct pprof_profile *pprof,
				      struct heap_profile **profile);
void heap_profile_free(struct heap_profile *profile);

/* Adds an entry, zeroed; and the sums, once its counts are set. For the parsers. */
struct heap_entry *heap_profile_add(struct heap_profile *profile);
void heap_profile_sum(struct heap_profile *profile);

/* What one sampled object of a size stands for: 1 / (1 - exp(-size / rate)); 1 for rates <= 1. */
double heap_scale(uint64_t size, int64_t rate);
/*
 * The number of sampled objects of a size that the proto's scaled values stand for. False where
 * no whole number gives exactly these values; *n is then the nearest.
 */
bool heap_unscale(uint64_t size, int64_t rate, int64_t objects, int64_t bytes, int64_t *n);

#endif
