#ifndef GMT_ANALYZE_MODEL_H
#define GMT_ANALYZE_MODEL_H

/*
 * What is known after a trace has been read: the one structure that track fills, align, reconcile
 * and judge add to, and the reports print. Its size depends on live objects, distinct stacks and a
 * bounded number of epochs, never on the number of events.
 *
 * Times are CLOCK_MONOTONIC ns as in the trace. Bytes named `est` are estimates of what the
 * samples stand for: size / (1 - exp(-size / rate)) for each (runtime/pprof/protomem.go,
 * scaleHeapSample); bytes named `sampled` are plain sums over the samples.
 */

#include "formats/bytes.h"
#include "formats/note.h"
#include "formats/symtab.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_MAX_EPOCHS  1024
#define MODEL_MAX_GCTRACE ((size_t)64 << 20) /* bytes of gctrace lines kept of a trace */
#define MODEL_AGES	  64  /* ages in GC cycles 0..62; the last holds everything older */
#define MODEL_MAX_SLICES  256 /* of time; more are merged two by two */

/* A distinct run of return addresses, innermost first. */
struct stack {
	uint64_t *pcs;
	uint32_t n;
};

/*
 * What is born at a site. Objects of the Go heap are samples, and die when the sweeper finds them;
 * all others are counted one by one and die at once.
 */
enum site_kind {
	SITE_HEAP,
	SITE_GOROUTINE,
	SITE_NATIVE,  /* malloc and its like */
	SITE_MAPPING, /* mmap */
	SITE_THREAD,
	SITE_KINDS,
};

/*
 * A stretch of GC cycles of one process over which counts are kept. One cycle each at first; where
 * there would be more than MODEL_MAX_EPOCHS, neighbours are merged two by two. Epoch e ends at a
 * mark termination. Objects born in cycle c (before the c-th mark termination completes) and found
 * dead by cycle f belong to the epochs that hold c and f.
 */
struct epoch {
	uint64_t first_cycle, last_cycle; /* the profile cycle (mProfCycle), inclusive */
	uint64_t end_time; /* of the mark termination that ends last_cycle; 0: not ended */
	uint64_t heap_live, heap_goal; /* marked bytes and goal after it; 0 unknown */
};

struct tally {
	uint32_t objects;
	double est_bytes;
};

/*
 * One allocation site: a distinct call stack of one process, and what it makes. Of a kind other
 * than SITE_HEAP, an epoch is a slice of time (process.slices), an age is counted in slices, a
 * generation is a slice, and every object is known: `sampled` bytes are simply bytes.
 */
struct site {
	enum site_kind kind;
	uint32_t process; /* index into model.processes */
	uint32_t stack;	  /* index into model.stacks */
	bool call_chain;  /* SITE_HEAP: the stack is the kernel's: an address may be of several
			     frames */
	uint64_t births, deaths; /* sampled objects seen */
	uint64_t births_sampled_bytes, deaths_sampled_bytes;
	uint64_t unmatched_deaths; /* of objects born before the recording, or whose birth was lost
				    */
	uint64_t live;		   /* sampled objects alive at the end */
	uint64_t live_sampled_bytes;
	double est_births_bytes, est_live_bytes;
	uint64_t near_births; /* of births, those while the heap was near its goal */
	double near_est_bytes;
	double est_live_variance; /* of est_live_bytes, bytes^2, from sampling alone */
	double est_live_objects;
	uint64_t min_size, max_size;	  /* object (slot) sizes seen */
	uint64_t first_birth, last_birth; /* times; 0: none */
	uint64_t oldest_live;		  /* birth time of the oldest live object; 0: none */
	/* By epoch of its process, n = process.n_epochs: what was born in it, what was found dead.
	 */
	struct tally *born, *died;
	/* Deaths without a birth (unmatched_deaths), by the epoch they were found in: what left a
	 * population that the recording never saw born. Not part of died. NULL: none. */
	struct tally *died_unseen;
	/* Of those born in each epoch, what is still alive at the end. NULL: nothing is. */
	struct tally *alive;
	/* Distinct birth cycles among the live, at the end of each epoch. */
	uint32_t *generations;
	/* Survival by age in GC cycles: deaths at each age; at the end, the live by age (censored).
	 */
	uint64_t died_at_age[MODEL_AGES], live_at_age[MODEL_AGES];
	/* All that the Go runtime maps for itself, which follows the heap; all the threads that its
	 * scheduler starts (fold.h). The stack is one of several. */
	bool of_runtime;
	uint64_t starts; /* SITE_GOROUTINE: the function that is started, its address; else 0 */
	/* SITE_HEAP: of the live, what was allocated by goroutines that were seen to start and
	 * never ended, and the site where most of these started, where it is one. */
	uint64_t live_of_goroutines;
	uint32_t by_goroutines;
	uint64_t locked; /* SITE_GOROUTINE: of the live, those that keep a thread for themselves */
	/* SITE_GOROUTINE: sampled heap that its goroutines allocated which never ended. */
	double held_est_bytes;
	/* SITE_GOROUTINE: those that were there when the recording began; of them, those that are
	 * there at its end. They are not among the births, nor the live. */
	uint64_t older, older_live;
	/* Of the older, when they were listed: those that waited for the reason that most of them
	 * waited for, and since when the one did that waited longest. 0: not known. */
	uint64_t waiting, waits_since;
	char *waits_for; /* NULL: not known */
	/* SITE_MAPPING, where memory was read by mapping: of what is mapped, in RAM at the last
	 * reading. */
	bool resident_known;
	double resident_bytes;
	/* SITE_HEAP, where page faults were recorded: sampled objects in memory all of whose faults
	 * are known, and what of these was surely not touched before their end or the trace's. */
	uint64_t paged_objects, untouched_objects; /* untouched_objects: in no page */
	double paged_est_bytes, untouched_est_bytes;
};

#define MODEL_FAULT_SLOTS 256 /* stretches of time; more are merged two by two */

/* Page faults of one owner's memory. */
struct fault_tally {
	uint64_t faults, major;
	uint64_t first_bytes; /* of the pages that were touched for the first time */
};

/* The same from one call stack. */
struct fault_site {
	uint32_t process;
	uint32_t stack; /* index into model.stacks; UINT32_MAX: without one, or of all the rest */
	enum memory_owner owner;
	struct fault_tally tally;
};

/* The page faults of one process. */
struct fault_account {
	uint32_t process;
	uint32_t page_size;
	bool is_sampled; /* some stood for several: figures are estimates */
	struct fault_tally total, owners[OWNER_COUNT];
	uint64_t resident_bytes; /* of the pages that were touched, what was mapped at the end */
	/* First touches by time: slot i begins at base + i * width; `n_slots` of them. */
	uint64_t base, width;
	size_t n_slots;
	uint64_t (*slots)[OWNER_COUNT]; /* bytes */
};

/* An event that is of no use here but was recorded: of the user's choosing, or perf's. */
struct other_event {
	char *name;
	uint64_t count;
	uint64_t first, last; /* times; 0: the samples have none */
};

/* One GC cycle of one process, from the probes. 0 where unknown. */
struct gc_cycle {
	uint32_t process;
	uint64_t number;     /* memstats.numgc after it: gctrace's N */
	uint64_t prof_cycle; /* mProfCycle after it */
	uint64_t start;	     /* work.tSweepTerm: the first stop of the world, gctrace's @ */
	uint64_t mark, mark_term, end; /* work.tMark, tMarkTerm, tEnd */
	uint64_t heap0, heap1, heap2;  /* bytes at start, at mark end, marked live */
	uint64_t goal;
	bool forced;
	uint32_t procs;
	/* CPU time of marking, ns, as gctrace prints it; known where has_cpu is set */
	uint64_t assist, background, idle;
	bool has_cpu;
	uint64_t stacks;	  /* bytes of goroutine stacks that were scanned */
	uint64_t pause;		  /* of both stops of the world, ns, by the runtime's own count */
	uint64_t pause_total;	  /* of all cycles since the program's start, ns */
	uint32_t forced_total;	  /* cycles that the program asked for, since its start */
	double runtime_cpu_share; /* of the CPU time since the program's start; 0 unknown */
};

/* A reading of memory in RAM. */
struct rss_point {
	uint32_t process;
	bool has_owners; /* else owners and go are 0 */
	uint64_t time, rss, anon, file, shmem, swap;
	/* Bytes by owner, which add up to rss: the heap divided by the runtime's own figures, what
	 * it mapped for itself taken out of OWNER_ANON as far as stacks or its figures tell. */
	uint64_t owners[OWNER_COUNT];
	struct note_go_memory go;
};

/* What is in RAM of the mappings that one call stack made, at three readings of a process. */
struct mapped_share {
	uint32_t process;
	uint32_t stack; /* index into model.stacks; UINT32_MAX: the calls were not seen */
	enum memory_owner owner;
	double first, peak, last; /* bytes at the first reading, at the highest RSS, at the last */
};

/* What bounds a process's memory, bytes; 0: nothing does, or not known. */
struct memory_limits {
	uint64_t go, cgroup, machine;
	char *control; /* the control group that has the least limit; NULL */
};

/* Mapped bytes of a process as changed by system calls. What is mapped without any access
 * (PROT_NONE) is address space, not memory, and not counted. */
struct map_point {
	uint32_t process;
	uint64_t time;
	int64_t delta; /* mmap, munmap, mremap, brk: bytes added or taken */
};

struct process {
	uint32_t pid;
	char *exe, *go_version;
	char *build_id; /* of exe: the GNU build id in lower-case hex; NULL unknown */
	char comm[16];
	bool attached;	       /* it ran before the recording began */
	uint64_t start, end;   /* first and last sign of it; end 0: alive at the end */
	uint64_t runtime_init; /* 0 unknown */
	uint64_t mem_profile_rate;
	/* Its sampled objects are those for which a span was taken, one for each (track_spans.c).
	 */
	bool by_spans;
	uint64_t load_bias;
	uint64_t mmap_calls, munmap_calls, brk_calls, madvise_calls;
	uint64_t released; /* bytes of pages that madvise gave back; they stay mapped */
	int64_t mapped_net;
	bool near_known;     /* the goal of the heap was seen */
	uint64_t near_time;  /* ns that the heap was near its goal (model.near_goal) */
	uint64_t near_times; /* how often it came there */
	struct memory_limits limits;
	/* In order; each process counts its own GC cycles. */
	struct epoch *epochs;
	size_t n_epochs, cap_epochs;
	/* The same for what is not on the Go heap: stretches of time, all equally long but for the
	 * last, which ends where the recording does. A cycle of theirs is their number. */
	struct epoch *slices;
	size_t n_slices, cap_slices;
	/* The goroutines that were there were listed, at this time; 0: they were not. */
	uint64_t goroutines_listed;
	uint64_t goroutines_left_out; /* places of the runtime's list that were not read */
	uint32_t native_every;	      /* C allocations: one of so many; 0: not recorded */
	uint64_t native_whole;	      /* and all from this size on; 0: no exception */
	/* By kind: what ended without its beginning having been seen. */
	uint64_t ended_unseen[SITE_KINDS];
};

/* The bucket table against the events, between the first and the last reading. */
struct table_check {
	uint32_t process;
	uint32_t readings;
	uint64_t begin, end;			 /* times of the two readings compared */
	uint64_t counted_births, counted_deaths; /* growth of the counters between them */
	uint64_t seen_births, seen_deaths;	 /* events between them */
	uint64_t buckets, buckets_differing;	 /* in which one of the two differs */
	bool bounded; /* a reading was not stable: equal within its duration, not to the unit */
	bool valid;   /* there were two readings */
};

/* What a heap dump says of one stack against what the trace says at the dump's GC cycle. */
struct reconcile_row {
	uint32_t site; /* index into model.sites; UINT32_MAX: only in the dump */
	uint64_t dump_objects, dump_bytes, trace_objects, trace_bytes; /* sampled, unscaled */
	char *name;						       /* innermost function */
};

/*
 * A heap dump and how it agrees with the trace. Counts are of sampled objects, unscaled, in use at
 * the GC cycle that the dump describes. What was born before the recording began is counted apart
 * (older), and dump_objects leaves it out, so matched / dump is the share of what the trace can
 * have seen that it did see.
 */
struct heap_dump {
	char *path;
	struct heap_profile *profile; /* its content (formats/heapprofile.h); owned */
	uint64_t time_nanos; /* wall clock, as the dump has it; the text form: its last GC's end */
	uint64_t time;	     /* the same on the trace's clock; 0 unknown */
	uint32_t process;    /* index into model.processes; UINT32_MAX: of none */
	uint64_t prof_cycle; /* the publication cycle P it was matched to */
	bool after_gc;	     /* read right after runtime.GC(): alloc <= P-1, free <= P */
	uint64_t dump_objects, dump_bytes, matched_objects, matched_bytes;
	uint64_t trace_objects, trace_bytes;
	uint64_t older_objects, older_bytes; /* in the dump, born before the recording */
	bool older_known; /* false: attached, and no bucket table to tell the older ones by */
	struct reconcile_row *rows; /* stacks that differ, the largest difference first */
	size_t n_rows, cap_rows;
	char *problem; /* why it could not be compared, or what limits the comparison; or NULL */
};

/* One life of a process in a gctrace log, and how it lies on the trace's clock. */
struct gctrace_alignment {
	char *path;
	uint32_t process; /* index into model.processes; UINT32_MAX: matched to none */
	uint64_t first_gc, last_gc;
	size_t lines, matched, unmatched;
	bool aligned;
	int64_t offset; /* ns: trace clock = gctrace time + offset (middle of the interval) */
	uint64_t bound; /* half-width of the interval, ns */
	char *method;	/* "GC events", "runtime start", "process start" */
	char *problem;	/* why not, or what is ambiguous; NULL */
	char *note;	/* what else speaks for it or was seen ("runtimeInitTime agrees"); NULL */
};

/* A line of a gctrace log that was placed on the trace's clock. */
struct gctrace_point {
	uint32_t alignment;    /* index */
	uint64_t number, time; /* time on the trace's clock; 0 not aligned */
	uint64_t line;	       /* in the log, from 1 */
	bool matched;	       /* it agrees with a GC cycle of the trace */
	double percent, pause_ms, mark_ms, assist_ms;
	uint64_t heap_start, heap_peak, heap_live, goal; /* bytes (the log has whole MiB) */
	uint32_t procs;
	bool forced;
};

/* A Go execution trace beside the trace (analyze/gotrace.h). */
struct execution {
	char *path;
	struct gotrace *content; /* owned */
	uint32_t process;	 /* index into model.processes; UINT32_MAX: of none */
	bool placed;		 /* on the trace's clock */
	int64_t shift;		 /* ns: the trace's clock = its times + shift */
	size_t compared;	 /* its GC cycles while the process's were recorded */
	size_t matched;		 /* of these, the ones that are the same */
	bool bounded;
	int64_t low, high; /* by these cycles, its clock is ahead of the trace's by so much, ns */
	char *note;	   /* what else speaks for it; NULL */
	char *problem;	   /* why it is not placed, or what limits it; NULL */
};

/* A goroutine profile that was given beside the heap dumps. */
struct goroutine_dump {
	char *path;
	struct goroutine_profile *profile; /* owned */
	uint64_t time;			   /* on the trace's clock; 0 unknown */
};

enum verdict {
	VERDICT_LEAK,
	VERDICT_LIKELY_LEAK,
	VERDICT_GROWING, /* too early to tell */
	VERDICT_CACHE,	 /* it levelled off */
	VERDICT_RAMP_UP, /* the growth ended */
	VERDICT_BURST,	 /* it came back down */
	VERDICT_STEADY,
	VERDICT_TOO_LITTLE, /* evidence */
};

/* The judgement on one site. */
struct candidate {
	uint32_t site;
	/* The first candidate of the same cause, an index; itself where it stands alone or leads.
	 */
	uint32_t leader;
	enum verdict verdict;
	double confidence;			/* 0..1 that the verdict holds */
	double growth, growth_low, growth_high; /* bytes an hour, 95 % interval */
	double p_value, q_value;  /* of growth > 0; q after control of false discovery */
	uint32_t generations;	  /* among the survivors at the end */
	double generations_trend; /* share of the last half's epochs in which they rose: 0..1 */
	double survival;	  /* Kaplan-Meier share alive at the greatest age observed */
	uint32_t survival_age;	  /* that age, GC cycles */
	double live_bytes, live_bytes_error; /* estimate and its 95 % half-width */
	uint64_t survivors;
	double growth_objects; /* objects an hour, as growth; of the heap: sampled ones */
	/* SITE_MAPPING, where resident_known: `growth` is of what is in RAM, as far as that is of
	 * all that is mapped; this is of the address space. Address space alone is no memory. */
	bool resident_known;
	double resident_bytes, mapped_growth;
	double held_growth; /* SITE_GOROUTINE: heap that those hold which never end, bytes an
			       hour */
	char *evidence;	    /* one line */
	char *advice;	    /* what to look at next, or how long to record; may be NULL */
};

struct model {
	/* From the file */
	char *trace_path;
	char *hostname, *osrelease, *arch, *cmdline;
	uint64_t first_time, last_time;
	double near_goal;      /* share of its goal from which on the heap is near it; 0: 0.9 */
	uint64_t from, to;     /* what lies outside was left out on demand; 0: no bound */
	uint64_t memory_limit; /* that was asked for, bytes; 0: the ones that were recorded */
	bool truncated;
	char *damage; /* where reading had to stop, or NULL */
	uint64_t events, lost_events, lost_records, out_of_order;
	uint64_t births, deaths, duplicates;
	/* The trace has no events of births and deaths at all: counters alone, or the heap off. */
	bool heap_not_recorded;
	/* Births and deaths are known from so many readings of the bucket table alone: how many,
	 * not which. An epoch is then what lies between two of them. 0: they were recorded. */
	uint64_t counted_readings;
	bool gc_recorded;	   /* it would have the ends of GC cycles, had there been any */
	uint64_t unmatched_deaths; /* of objects whose birth was not seen */
	uint64_t lost_deaths;	   /* not seen: the address was given out again */
	uint64_t throttles;
	/* Clock pairs, in time order */
	struct clock_pair {
		uint64_t monotonic, realtime, boottime;
	} * clocks;
	size_t n_clocks, cap_clocks;
	/* Tracked */
	struct process *processes;
	size_t n_processes, cap_processes;
	struct stack *stacks;
	size_t n_stacks, cap_stacks;
	struct site *sites;
	size_t n_sites, cap_sites;
	struct gc_cycle *cycles;
	size_t n_cycles, cap_cycles;
	struct rss_point *rss;
	size_t n_rss, cap_rss;
	struct mapped_share *shares;
	size_t n_shares, cap_shares;
	struct fault_account *faults; /* by process, those that have any */
	size_t n_faults, cap_faults;
	struct fault_site *fault_sites; /* most first touches first */
	size_t n_fault_sites, cap_fault_sites;
	struct other_event *others;
	size_t n_others, cap_others;
	struct map_point *maps;
	size_t n_maps, cap_maps;
	struct table_check *checks;
	size_t n_checks, cap_checks;
	char **texts; /* remarks of the recorder */
	size_t n_texts, cap_texts;
	/* gctrace lines that the recorder took from standard error, by process */
	struct gctrace_text {
		uint32_t process;
		struct buffer text; /* as a log would have them */
		uint64_t left_out;  /* lines beyond MODEL_MAX_GCTRACE */
	} * gctrace_texts;
	size_t n_gctrace_texts, cap_gctrace_texts;
	struct symtab *symbols; /* from the trace; may be NULL */
	/* Added by align */
	struct gctrace_alignment *alignments;
	size_t n_alignments, cap_alignments;
	struct gctrace_point *gctrace;
	size_t n_gctrace, cap_gctrace;
	/* Made by reconcile where there are dumps to compare with, before the trace is read; track
	 * tells it of births, deaths, cycles and the first table reading where it is not NULL. */
	struct snapshots *snapshots;
	/* Added by reconcile */
	struct heap_dump *dumps;
	size_t n_dumps, cap_dumps;
	struct goroutine_dump *goroutine_dumps;
	size_t n_goroutine_dumps, cap_goroutine_dumps;
	/* Added by gotrace */
	struct execution *executions;
	size_t n_executions, cap_executions;
	/* Added by judge: ranked, best first */
	struct candidate *candidates;
	size_t n_candidates, cap_candidates;
};

void model_init(struct model *model);
void model_free(struct model *model);

/* The entries of a site's stack; 0 where it has none. */
uint32_t model_stack_length(const struct model *model, const struct site *site);
/* The frames of a stack's entry i (a bucket stack: one logical frame per entry). Returns a static
 * "unknown" frame where the address has no symbol. */
const struct symtab_frame *model_frame(const struct model *model, const struct site *site,
				       uint32_t i);
/* All frames of entry i, innermost first: of a call chain also those that are inlined there. */
const struct symtab_frame *model_frames(const struct model *model, const struct site *site,
					uint32_t i, size_t *n);
/* The function that a goroutine site starts; NULL where it is not known. */
const struct symtab_frame *model_started(const struct model *model, const struct site *site);
/* The frame that names a site: the innermost that is not the runtime's own. */
const struct symtab_frame *model_site_frame(const struct model *model, const struct site *site);
/* The same of where page faults came from. */
const struct symtab_frame *model_fault_frame(const struct model *model,
					     const struct fault_site *site);
const char *verdict_name(enum verdict verdict);
/* "go-heap", "goroutine", "native", "mapping", "thread". */
const char *site_kind_name(enum site_kind kind);
/* What there is one more of: "objects", "goroutines", "allocations", "mappings", "threads". */
const char *site_kind_unit(enum site_kind kind);
/* The epochs that the tallies of a site are by: GC cycles or slices of time; *n is their number. */
const struct epoch *model_site_epochs(const struct model *model, const struct site *site,
				      size_t *n);
/* The same as programs know it ("likely-leak"): part of the JSON schema. */
const char *verdict_id(enum verdict verdict);
/* A leak, or likely one. */
bool verdict_is_leak(enum verdict verdict);
/* Whether anything of that kind is known of a process: what was born, what ended, or what was there
 * before the recording. */
bool model_was_recorded(const struct model *model, uint32_t process, enum site_kind kind);
/* Wall-clock ns of a trace time, by the nearest clock pair; 0 where the trace has none. */
uint64_t model_wall_time(const struct model *model, uint64_t time);
/* The trace time of a wall-clock time; 0 where the trace has no clock pair. Where the wall clock
 * was set there may be others (analyze/clocks.h). */
uint64_t model_trace_time(const struct model *model, uint64_t wall);

#endif
