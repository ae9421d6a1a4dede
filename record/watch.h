#ifndef GMT_RECORD_WATCH_H
#define GMT_RECORD_WATCH_H

/*
 * What is read from a target at intervals, beside its events: what the process is, its bucket
 * table, its memory by kind. Each reading becomes a note.
 */

#include "common/log.h"
#include "formats/bytes.h"
#include "record/plan.h"
#include "record/spans.h"
#include "record/target.h"

#include <stdbool.h>

/* Takes one note: its payload, for the process pid, at `time` (CLOCK_MONOTONIC ns). */
typedef void watch_sink(void *context, uint32_t pid, uint64_t time, const struct buffer *payload);

struct watch;

/*
 * Begins to watch a target that runs (for a command: after its exec). Where something cannot be
 * read the loss is logged and the rest goes on.
 */
struct watch *watch_new(const struct target *target, const struct log *log, watch_sink *sink,
			void *context);

/*
 * Asks for the sampling rate to be set to `rate` bytes as soon as the runtime has set its own; it
 * is put back by watch_free, or by the next recorder where this one dies. `journal` is the folder
 * of record/rate.h.
 */
void watch_set_rate(struct watch *watch, uint64_t rate, const char *journal);
/* Sets it if it can be set now. True while it is still to be set: call it often. */
bool watch_try_rate(struct watch *watch);

/*
 * Notes the goroutines that are there with the next tick of a process that ran before, and with
 * the first of each file from then on. Without effect where the runtime's list is not known.
 */
void watch_goroutines(struct watch *watch);

/*
 * The readings for every second: the process note and its limits where they changed, new buckets,
 * RSS, and that by owner as often as its cost permits. final: by owner whatever it costs.
 */
void watch_tick(struct watch *watch, bool final);
/* How many processes there are to watch: they share what readings may cost. */
void watch_share(struct watch *watch, size_t processes);
/* Readings of RSS by owner, and their CPU time, ns. */
void watch_memory_stats(const struct watch *watch, uint64_t *readings, uint64_t *cpu_time);

/* The bucket table. final: the last one, of a process that has ended or at the recording's end. */
void watch_table(struct watch *watch, bool final);

/* What is new of these spans of it. whole: all are read, else what a second may cost. */
void watch_spans(struct watch *watch, struct spans *spans, bool whole);

/*
 * Another file begins: what the process is and its whole table are noted anew with the next tick
 * and reading, as of a process that ran before.
 */
void watch_restart(struct watch *watch);

/* Resident memory as of the last tick, and the runtime's live heap now, bytes; 0: not known. */
uint64_t watch_rss(const struct watch *watch);
uint64_t watch_heap(const struct watch *watch);

/* What is recorded of the heap: the bucket table is left out where nothing goes with it. */
void watch_for_heap(struct watch *watch, enum heap_mode heap);

/* True where the runtime's sampler was seen switched off (MemProfileRate is 0). */
bool watch_sampling_off(const struct watch *watch);

/* Buckets in the table, readings, and readings that were of one moment. */
void watch_stats(const struct watch *watch, size_t *buckets, uint32_t *readings, uint32_t *stable);

/* Lets the process's memory go and frees. */
void watch_free(struct watch *watch);

/* CLOCK_MONOTONIC now, ns. */
uint64_t watch_now(void);

/* The same moment on three clocks. */
struct note_clock watch_clock(void);

#endif
