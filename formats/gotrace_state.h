#ifndef GMT_FORMATS_GOTRACE_STATE_H
#define GMT_FORMATS_GOTRACE_STATE_H

/* What the parts of the execution trace's reader share. Nothing outside of it includes this. */

#include "formats/bytes.h"
#include "formats/gotrace.h"

/* internal/trace/tracev2/events.go; the numbers are the same in every version that has them. */
enum gotrace_event {
	EV_EVENT_BATCH = 1,
	EV_STACKS = 2,
	EV_STRINGS = 4,
	EV_STRING = 5,
	EV_CPU_SAMPLES = 6,
	EV_FREQUENCY = 8,
	EV_PROCS_CHANGE = 9,
	EV_GO_CREATE = 14,
	EV_GO_CREATE_SYSCALL = 15,
	EV_GO_START = 16,
	EV_GO_DESTROY = 17,
	EV_GO_DESTROY_SYSCALL = 18,
	EV_GO_STOP = 19,
	EV_GO_BLOCK = 20,
	EV_GO_SYSCALL_END_BLOCKED = 24,
	EV_GO_STATUS = 25,
	EV_STW_BEGIN = 26,
	EV_STW_END = 27,
	EV_GC_ACTIVE = 28,
	EV_GC_BEGIN = 29,
	EV_GC_END = 30,
	EV_SWEEP_ACTIVE = 31,
	EV_SWEEP_BEGIN = 32,
	EV_SWEEP_END = 33,
	EV_ASSIST_ACTIVE = 34,
	EV_ASSIST_BEGIN = 35,
	EV_ASSIST_END = 36,
	EV_HEAP_ALLOC = 37,
	EV_HEAP_GOAL = 38,
	EV_GO_SWITCH = 45,
	EV_GO_SWITCH_DESTROY = 46,
	EV_GO_CREATE_BLOCKED = 47,
	EV_GO_STATUS_STACK = 48,
	EV_EXPERIMENTAL_BATCH = 49,
	EV_SYNC = 50,
	EV_CLOCK_SNAPSHOT = 51,
	EV_END_OF_GENERATION = 52,
};

/* A beginning or an end that is paired when all are known. */
struct gotrace_mark {
	uint64_t time, id; /* id: of the goroutine, or of the stop's reason */
	uint64_t generation;
	bool begins;
	bool before; /* it began before the generation did */
};

struct gotrace_marks {
	struct gotrace_mark *items;
	size_t n, cap;
};

/* A thread while its batches are read. */
struct gotrace_thread {
	uint64_t id, goroutine; /* that it runs; 0: not known */
	uint64_t sweep;		/* when its sweep began; 0: none */
};

/* The strings of a generation that tell why the world is stopped. */
struct gotrace_reasons {
	uint64_t generation, sweep_term, mark_term; /* ids; 0: not there */
};

struct gotrace_bin {
	uint64_t created, destroyed, assist;
	uint64_t heap, heap_at, heap_peak, goal, goal_at;
};

struct gotrace_state {
	struct gotrace *trace;
	uint64_t base, first_generation, bin_width;
	struct gotrace_bin *bins; /* GOTRACE_MAX_POINTS */
	size_t n_bins;
	struct gotrace_thread *threads;
	size_t n_threads, cap_threads;
	struct gotrace_reasons *reasons;
	size_t n_reasons, cap_reasons;
	struct gotrace_marks gcs, stops, assists;
};

struct gotrace_batch {
	uint64_t generation, thread, time; /* ticks */
	bool experimental;
	struct cursor body;
};

/* ---- gotrace_events.c ---- */

/* Reads the events of a batch; false where one of them is not what it should be. */
bool gotrace_batch_events(struct gotrace_state *s, struct gotrace_batch *batch);
/* ns of a time in ticks. */
uint64_t gotrace_ns(const struct gotrace *trace, uint64_t ticks);

/* ---- gotrace_pair.c ---- */

struct gotrace_bin *gotrace_bin_at(struct gotrace_state *s, uint64_t time);
/* Makes the cycles, stops, sums and points of what was gathered. */
void gotrace_pair(struct gotrace_state *s);

#endif
