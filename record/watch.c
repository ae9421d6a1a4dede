#include "record/watch.h"

#include "common/clock.h"
#include "common/go_globals.h"
#include "formats/note.h"
#include "formats/xalloc.h"
#include "record/buckets.h"
#include "record/go_memory.h"
#include "record/goroutines.h"
#include "record/limits.h"
#include "record/memory.h"
#include "record/rate.h"
#include "record/residence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct watch {
	const struct target *target;
	const struct log *log;
	watch_sink *sink;
	void *context;
	struct memory *memory;
	struct buckets *buckets;
	struct note_process process; /* as last noted */
	bool noted;
	uint64_t runtime_init_at, rate_at; /* addresses in the process; 0: not known */
	uint64_t heap_live_at;
	uint64_t rss; /* as of the last tick */
	uint64_t rate_size;
	bool rate_seen; /* non-zero at least once */
	uint64_t heap_sweepgen_at, program_bias;
	size_t processes; /* that share what readings may cost */
	bool held, spans_left_out;
	uint32_t programs; /* that the process has executed since it is watched */
	struct go_memory *go;
	struct residence *residence;
	struct goroutines *goroutines; /* NULL: not asked for, or not known */
	bool goroutines_due;
	struct limits limits;
	struct note_limits noted_limits;
	bool limits_noted;
	/* --set-rate */
	uint64_t wanted_rate; /* 0: not asked for, or done */
	const char *journal;
	struct rate_change *rate_change;
};

uint64_t watch_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

struct note_clock watch_clock(void)
{
	struct note_clock best = {.uncertainty = UINT64_MAX};

	/* The tightest of a few tries: the monotonic clock is read before and after the others. */
	for (int i = 0; i < 5; i++) {
		uint64_t before = watch_now();
		uint64_t realtime = clock_ns(CLOCK_REALTIME);
		uint64_t boottime = clock_ns(CLOCK_BOOTTIME);
		uint64_t after = watch_now();

		if ((after - before) / 2 < best.uncertainty)
			best = (struct note_clock){
				.monotonic = before + (after - before) / 2,
				.realtime = realtime,
				.boottime = boottime,
				.uncertainty = (after - before) / 2,
			};
	}
	return best;
}

static void emit(struct watch *w, uint64_t time, struct buffer *payload)
{
	w->sink(w->context, (uint32_t)w->target->pid, time, payload);
	buffer_free(payload);
}

static void emit_remark(struct watch *w, const char *text)
{
	struct buffer payload = {0};

	note_put_text(&payload, &(struct note_text){.pid = (uint32_t)w->target->pid, .text = text});
	emit(w, watch_now(), &payload);
}

/* The address of a runtime variable in the process; 0 where the binary does not tell. */
static uint64_t global_address(const struct watch *w, const char *name)
{
	uint64_t address;

	return gobin_global(w->target->bin, name, &address) ? address + w->process.load_bias : 0;
}

/* The word that the probes of the GC read too; it moved in 1.17. */
static uint64_t heap_live_address(const struct watch *w)
{
	int minor = gobin_version(w->target->bin)->minor;
	int offset = gobin_layout(w->target->bin)->gc_heap_live;
	uint64_t base = global_address(w, minor >= 0 && minor <= 16 ? "runtime.memstats"
								    : "runtime.gcController");

	return base && offset >= 0 ? base + (uint64_t)offset : 0;
}

static void open_buckets(struct watch *w)
{
	const struct go_version *version = gobin_version(w->target->bin);
	bool has_flag = version->minor < 0 || version->minor >= 19;
	struct buckets_options options = {
		.pid = (uint32_t)w->target->pid,
		.memory = w->memory,
		.layout = gobin_layout(w->target->bin),
		.head = global_address(w, "runtime.mbuckets"),
		.cycle = global_address(w, has_flag ? "runtime.mProfCycle" : "runtime.mProf"),
		.cycle_has_flag = has_flag,
	};

	if (!options.head) {
		log_info(w->log,
			 "%s: the bucket table cannot be located; its readings are left out",
			 w->target->exe);
		return;
	}
	w->buckets = buckets_new(&options);
}

/*
 * The process's memory, and the readings of its RSS, which do without where it must be. False:
 * there is nothing of a Go runtime to read.
 */
static bool open_memory(struct watch *w)
{
	const struct target *target = w->target;
	bool found = target_load_bias(target, &w->process.load_bias);
	struct error *err = NULL;

	if (!found)
		log_warn(w->log,
			 "%s: not found in the maps of process %d; side readings are left out",
			 target->exe, target->pid);
	else
		err = memory_open(target->pid, &w->memory);
	if (err)
		log_warn(w->log, "%s; the bucket table is left out", error_message(err));
	error_free(err);
	if (w->memory && target->bin)
		w->go = go_memory_new(target->bin, w->process.load_bias, w->memory);
	w->residence = residence_new(target, w->memory, w->go);
	return w->go != NULL;
}

static uint64_t heap_sweepgen_address(const struct watch *w)
{
	int offset = gobin_layout(w->target->bin)->mheap_sweepgen;
	uint64_t heap = global_address(w, "runtime.mheap_");

	return heap && offset >= 0 ? heap + (uint64_t)offset : 0;
}

/* Any address that can be read serves: that of a function. */
static void hold_memory(struct watch *w)
{
	struct gobin_function fn;
	struct error *err;

	if (w->held || !w->go)
		return;
	w->held = true;
	gobin_function_nth(w->target->bin, 0, &fn);
	err = memory_hold(w->memory, fn.address + w->process.load_bias);
	if (err)
		log_debug(w->log, "the last readings of a process that ends are left out: %s",
			  error_message(err));
	error_free(err);
}

struct watch *watch_new(const struct target *target, const struct log *log, watch_sink *sink,
			void *context)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	w->target = target;
	w->processes = 1;
	w->log = log;
	w->sink = sink;
	w->context = context;
	w->process = (struct note_process){
		.pid = (uint32_t)target->pid,
		.start_time = target_start_time(target),
		.attached = target->attached,
		.exe = target->exe,
		.go_version = target->bin ? gobin_version(target->bin)->text : "",
	};
	limits_read("/proc", target->pid, &w->limits);
	if (!open_memory(w))
		return w;
	w->runtime_init_at = global_address(w, "runtime.runtimeInitTime");
	w->rate_at = global_address(w, "runtime.MemProfileRate");
	w->heap_live_at = heap_live_address(w);
	w->heap_sweepgen_at = heap_sweepgen_address(w);
	w->program_bias = w->process.load_bias;
	open_buckets(w);
	if (w->buckets)
		hold_memory(w);
	return w;
}

static void note_process(struct watch *w)
{
	struct note_process now = w->process;
	struct buffer payload = {0};

	if (w->memory && w->runtime_init_at)
		memory_u64(w->memory, w->runtime_init_at, &now.runtime_init);
	if (w->memory && w->rate_at)
		memory_u64(w->memory, w->rate_at, &now.mem_profile_rate);
	if (now.mem_profile_rate)
		w->rate_seen = true;
	if (w->noted && now.runtime_init == w->process.runtime_init &&
	    now.mem_profile_rate == w->process.mem_profile_rate)
		return;
	w->process = now;
	w->noted = true;
	note_put_process(&payload, &now);
	emit(w, watch_now(), &payload);
}

/* One "Name:   123 kB" line of /proc/PID/status, in bytes; 0 where it is missing. */
static uint64_t status_bytes(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

/* RSS by owner. */
static bool note_owners(struct watch *w)
{
	struct buffer payload = {0};
	struct note_owners note;

	if (!residence_read(w->residence, &note))
		return false;
	w->rss = note.rss;
	note_put_owners(&payload, &note);
	emit(w, note.end, &payload);
	return true;
}

/* Whose limits are as they were noted is not noted again: the program may set its own. */
static void note_limits(struct watch *w)
{
	struct note_limits now = {
		.pid = (uint32_t)w->target->pid,
		.cgroup = w->limits.cgroup,
		.machine = w->limits.machine,
		.control = w->limits.control ? w->limits.control : "",
	};
	struct buffer payload = {0};

	if (!w->go || !go_memory_limit(w->go, &now.go))
		now.go = w->limits.go_memory;
	if (w->limits_noted && now.go == w->noted_limits.go)
		return;
	w->limits_noted = true;
	w->noted_limits = now;
	note_put_limits(&payload, &now);
	emit(w, watch_now(), &payload);
}

/* RSS alone, which costs next to nothing. */
static void note_rss(struct watch *w)
{
	struct buffer payload = {0};
	char path[64], text[4096];
	size_t n;
	FILE *f;

	w->rss = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", w->target->pid);
	f = fopen(path, "re");
	if (!f)
		return;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	/* A process that has ended has no memory lines. */
	if (!strstr(text, "\nVmRSS:"))
		return;
	w->rss = status_bytes(text, "\nVmRSS:");
	note_put_rss(&payload, &(struct note_rss){
				       .pid = (uint32_t)w->target->pid,
				       .rss = w->rss,
				       .anon = status_bytes(text, "\nRssAnon:"),
				       .file = status_bytes(text, "\nRssFile:"),
				       .shmem = status_bytes(text, "\nRssShmem:"),
				       .swap = status_bytes(text, "\nVmSwap:"),
			       });
	emit(w, watch_now(), &payload);
}

void watch_set_rate(struct watch *watch, uint64_t rate, const char *journal)
{
	if (!watch->rate_at) {
		log_warn(watch->log,
			 "%s: runtime.MemProfileRate cannot be located; --set-rate has no effect",
			 watch->target->exe);
		return;
	}
	watch->wanted_rate = rate;
	watch->journal = journal;
}

void watch_goroutines(struct watch *watch)
{
	const struct gobin *bin = watch->target->bin;
	struct goroutines_options options = {
		.pid = (uint32_t)watch->target->pid,
		.memory = watch->memory,
	};

	if (!watch->memory || !bin)
		return;
	options.layout = gobin_layout(bin);
	options.list = global_address(watch, "runtime.allgs");
	options.reasons = global_address(watch, "runtime.waitReasonStrings");
	watch->goroutines = goroutines_new(&options);
	watch->goroutines_due = watch->process.attached;
}

/* Not before the runtime has initialised itself: it would write its own value over ours. */
static void apply_rate(struct watch *w)
{
	struct error *err;

	if (!w->wanted_rate || !w->process.runtime_init)
		return;
	err = rate_set(w->journal, w->target->pid, w->rate_at, w->wanted_rate, &w->rate_change);
	w->wanted_rate = 0;
	if (err)
		log_warn(w->log, "%s", error_message(err));
	error_free(err);
	note_process(w);
}

bool watch_try_rate(struct watch *watch)
{
	if (!watch->wanted_rate)
		return false;
	note_process(watch);
	apply_rate(watch);
	return watch->wanted_rate != 0;
}

static void on_bucket(void *context, const struct note_bucket *bucket)
{
	struct watch *w = context;
	struct buffer payload = {0};

	note_put_bucket(&payload, bucket);
	emit(w, watch_now(), &payload);
}

static void on_goroutines(void *context, const struct note_goroutines *part)
{
	struct watch *w = context;
	struct buffer payload = {0};

	if (part->part == 0)
		log_debug(w->log,
			  "process %d: its goroutines were read in %.1f ms, %u part%s of at most "
			  "%d each",
			  w->target->pid, (double)(part->end - part->begin) / 1e6, part->parts,
			  part->parts == 1 ? "" : "s", NOTE_GOROUTINES_MAX_ENTRIES);
	note_put_goroutines(&payload, part);
	emit(w, part->begin, &payload);
}

static void note_goroutines(struct watch *w)
{
	uint64_t left_out;
	char text[128];

	w->goroutines_due = false;
	if (!goroutines_read(w->goroutines, w, on_goroutines, &left_out)) {
		log_debug(w->log, "process %d: its list of goroutines cannot be read now",
			  w->target->pid);
		return;
	}
	if (!left_out)
		return;
	snprintf(text, sizeof(text),
		 "loss: %" PRIu64 " places of the runtime's list of goroutines were not read",
		 left_out);
	emit_remark(w, text);
}

void watch_tick(struct watch *watch, bool final)
{
	note_process(watch);
	if (watch->goroutines && watch->goroutines_due)
		note_goroutines(watch);
	apply_rate(watch);
	note_limits(watch);
	if ((!final && !residence_due(watch->residence, watch_now())) || !note_owners(watch))
		note_rss(watch);
	if (watch->buckets)
		buckets_read_new(watch->buckets, watch, on_bucket);
}

void watch_share(struct watch *watch, size_t processes)
{
	watch->processes = processes ? processes : 1;
	residence_share(watch->residence, processes);
}

static void on_table(void *context, const struct note_table *part)
{
	struct watch *w = context;
	struct buffer payload = {0};

	note_put_table(&payload, part);
	emit(w, part->end, &payload);
}

void watch_table(struct watch *watch, bool final)
{
	if (watch->buckets && !buckets_read(watch->buckets, final, watch, on_bucket, on_table))
		log_debug(watch->log, "process %d: its bucket table cannot be read now",
			  watch->target->pid);
}

static void on_spans(void *context, const struct note_spans *part)
{
	struct watch *w = context;
	struct buffer payload = {0};

	note_put_spans(&payload, part);
	emit(w, part->end, &payload);
}

/* The process has executed its program again: it lies elsewhere, in other memory. */
static void read_new_program(struct watch *w)
{
	uint64_t bias;

	memory_reopen(w->memory);
	if (!w->heap_sweepgen_at || !target_load_bias(w->target, &bias))
		return;
	w->heap_sweepgen_at += bias - w->program_bias;
	w->program_bias = bias;
}

/* 0.4 % of a core. */
#define SPANS_CPU_TIME 4000000u

void watch_spans(struct watch *watch, struct spans *spans, bool whole)
{
	if (!watch->go)
		return;
	if (watch->programs != spans_programs(spans)) {
		watch->programs = spans_programs(spans);
		read_new_program(watch);
	}
	spans_read(spans,
		   &(struct spans_source){
			   .memory = watch->memory,
			   .layout = gobin_layout(watch->target->bin),
			   .sweepgen = watch->heap_sweepgen_at,
		   },
		   whole ? UINT64_MAX : SPANS_CPU_TIME / watch->processes, watch, on_spans);
	if (!spans_left_out(spans) || watch->spans_left_out)
		return;
	watch->spans_left_out = true;
	emit_remark(watch, "loss: more objects were sampled than can be followed; the end of some "
			   "is not known");
}

void watch_restart(struct watch *watch)
{
	watch->noted = watch->limits_noted = false;
	watch->process.attached = true;
	watch->goroutines_due = true;
	if (watch->buckets)
		buckets_restart(watch->buckets);
}

uint64_t watch_rss(const struct watch *watch)
{
	return watch->rss;
}

uint64_t watch_heap(const struct watch *watch)
{
	uint64_t live = 0;

	if (watch->memory && watch->heap_live_at &&
	    !memory_u64(watch->memory, watch->heap_live_at, &live))
		return 0;
	return live;
}

void watch_for_heap(struct watch *watch, enum heap_mode heap)
{
	if (heap != HEAP_OFF && heap != HEAP_SPAN)
		return;
	buckets_free(watch->buckets);
	watch->buckets = NULL;
	if (heap == HEAP_SPAN) {
		hold_memory(watch);
	} else if (watch->held) {
		memory_release(watch->memory);
		watch->held = false;
	}
}

bool watch_sampling_off(const struct watch *watch)
{
	return watch->rate_at && watch->noted && !watch->rate_seen;
}

void watch_memory_stats(const struct watch *watch, uint64_t *readings, uint64_t *cpu_time)
{
	residence_stats(watch->residence, readings, cpu_time);
}

void watch_stats(const struct watch *watch, size_t *buckets, uint32_t *readings, uint32_t *stable)
{
	*buckets = 0;
	*readings = *stable = 0;
	if (!watch->buckets)
		return;
	*buckets = buckets_count(watch->buckets);
	buckets_stats(watch->buckets, readings, stable);
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	rate_restore(watch->rate_change);
	residence_free(watch->residence);
	go_memory_free(watch->go);
	goroutines_free(watch->goroutines);
	limits_free(&watch->limits);
	memory_close(watch->memory);
	buckets_free(watch->buckets);
	free(watch);
}
