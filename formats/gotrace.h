#ifndef GMT_FORMATS_GOTRACE_H
#define GMT_FORMATS_GOTRACE_H

/*
 * Go execution traces (runtime/trace, `go tool trace`) of the second format, which Go 1.22 and
 * later write: what they tell of the garbage collector, the heap and the number of goroutines.
 * Source: internal/trace/tracev2 and runtime/tracetime.go of Go 1.22.12 to 1.27.3.
 *
 * Times are ns, made from the trace's ticks. On Linux a tick is runtime.nanotime / 64, which is
 * CLOCK_MONOTONIC, so they are times of that clock, cut to 64 ns; where events come in a burst, of
 * which each needs a tick of its own, a little more. Since Go 1.25 a trace holds readings of the
 * clocks that prove it.
 */

#include "formats/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The ticks in a second where they are nanotime / 64. */
#define GOTRACE_NANOTIME_TICKS 15625000

#define GOTRACE_MAX_POINTS 4096

/* The same moment on the trace's clock (as ns), the monotonic and the wall clock. */
struct gotrace_clock {
	uint64_t time, monotonic, wall;
};

enum gotrace_stop_kind { GOTRACE_STOP_SWEEP_TERM, GOTRACE_STOP_MARK_TERM, GOTRACE_STOP_OTHER };

struct gotrace_stop {
	uint64_t begin, end;
	enum gotrace_stop_kind kind;
};

/* A cycle of the collector. 0: outside of the trace, or not seen. */
struct gotrace_gc {
	uint64_t begin, end;		   /* just before the first stop; within the second */
	struct gotrace_stop first, second; /* the stops before and after marking */
};

/* What was so at `time`, and what happened since the point before it. */
struct gotrace_point {
	uint64_t time;
	uint64_t heap, goal; /* bytes; 0 unknown yet */
	uint64_t heap_peak;
	uint64_t goroutines;	     /* with the runtime's own */
	uint64_t created, destroyed; /* goroutines */
	uint64_t assist;	     /* ns of assists that ended */
};

struct gotrace {
	int version;	      /* of the format, as Go's minor version: 22, 23, 25, 26 */
	uint64_t frequency;   /* ticks a second */
	uint64_t first, last; /* events */
	uint64_t generations, batches, events;
	struct gotrace_clock *clocks;
	size_t n_clocks, cap_clocks;
	struct gotrace_gc *gcs;
	size_t n_gcs, cap_gcs;
	struct gotrace_stop *stops;
	size_t n_stops, cap_stops;
	struct gotrace_point *points; /* at even distances */
	size_t n_points;
	uint64_t procs; /* GOMAXPROCS where it was last set; 0 unknown */
	uint64_t assists, assist_ns;
	uint64_t sweeps, sweep_ns, swept_bytes, reclaimed_bytes;
	uint64_t goroutines_first, goroutines_last, goroutines_peak, created, destroyed;
	bool too_many; /* of some events the trace had more than are kept */
	char *damage;  /* where reading had to stop, or NULL */
};

/* Whether the bytes begin as an execution trace does, of any version. */
bool gotrace_is(const void *data, size_t len);

/* Errors: not an execution trace, one of the first format, or nothing of it can be used. Free with
 * gotrace_free in any case. */
struct error *gotrace_parse(const void *data, size_t len, struct gotrace *trace);
/* The same from a file, plain or compressed; "-" is standard input. */
struct error *gotrace_read(const char *path, struct gotrace *trace);
void gotrace_free(struct gotrace *trace);

#endif
