#ifndef GMT_ANALYZE_TRACK_STATE_H
#define GMT_ANALYZE_TRACK_STATE_H

/* What the parts of track share while events come in. Nothing outside of track includes this. */

#include "analyze/event.h"
#include "analyze/model.h"
#include "analyze/owners.h"
#include "analyze/pages.h"
#include "analyze/ranges.h"
#include "analyze/snapshots.h"
#include "analyze/tablecheck.h"
#include "analyze/track.h"
#include "common/map.h"
#include "common/stackset.h"

#define NONE UINT32_MAX

/* A bucket of the runtime's heap profile: one stack and one object size. */
struct bucket {
	uint64_t address; /* 0: stands for a site whose births name no bucket */
	uint64_t size;
	double est_bytes; /* what one sample of it stands for, at the rate of its generation */
	uint32_t site;
	uint32_t rate_generation;
	uint32_t check; /* its place in the table check; NONE */
	bool partial;	/* its stack is not wholly known yet: site is its own */
};

/* A sampled object that is alive. */
struct object {
	uint64_t time;
	uint32_t bucket, cycle;
	uint32_t tid, goid; /* of its birth, to know a repeated event by */
	uint32_t slots;	    /* so many objects that it stands for; 0: what its bucket says */
};

/* An object that is alive, of a kind other than SITE_HEAP. */
struct timed_object {
	uint64_t time, bytes;
	double est_bytes;
	uint32_t site;
	uint32_t locks; /* of a goroutine: LockOSThread without UnlockOSThread */
	bool older;	/* it was there when the recording began */
};

/* The objects of a process that are not on the Go heap (track_objects.c). */
struct timed_objects {
	/* Slices of time: `n` of them so far, each `width` ns, the first begins at `base` */
	uint64_t base, width;
	uint32_t n;
	uint32_t n_sites;

	struct timed_object *items;
	size_t n_items, cap_items;
	uint32_t *free_items;
	size_t n_free, cap_free;
	struct map alive[SITE_KINDS]; /* key -> index of the object */
	/* Deaths of which not even the site is known, by slice. NULL: none. */
	uint32_t *unseen[SITE_KINDS];
	/* Of the last list of goroutines: (site, reason) -> how many, and what reasons are called.
	 */
	struct map waits;
	char *reasons[256];
	uint64_t listed; /* when the first list of them began to be read; 0: none was */
};

/* What the readings of the bucket table said last of each bucket (track_counters.c). */
struct counters {
	struct counted {
		uint64_t allocs, frees;
		uint64_t *alive; /* addresses given to its objects, the youngest last */
		size_t n_alive, cap;
	} * items;
	size_t n, cap;
	struct map of; /* address of a bucket -> index */
	uint32_t cycle, epoch;
	uint64_t seen; /* when that cycle was seen first */
};

/* The spans in which sampled objects lie (track_spans.c). */
struct spans {
	struct span *items;
	size_t n, cap;
	struct map of;	      /* address of an mspan -> index */
	struct map sample_at; /* address of a sampled object that is alive -> index of its span */
	struct map allocator; /* return address -> whether it is in the allocator itself */
};

/* A process from its exec (or the first sign of it) to its end or next exec. */
struct life {
	uint32_t process; /* index into model.processes */
	uint32_t pid;
	bool finished;
	bool noted;	       /* a process note told what it is */
	uint32_t gctrace_text; /* index into model.gctrace_texts; NONE */
	int go_minor;	       /* of go1.N; -1 unknown */
	int special_kind;      /* of a heap sample's special record; -1 not known yet */

	/* Epochs: each holds `width` cycles, the first begins at `base` */
	bool has_cycle;
	uint32_t base, cycle, width;
	uint32_t n_sites;

	uint64_t rate;
	uint32_t rate_generation;

	struct bucket *buckets;
	size_t n_buckets, cap_buckets;
	struct map bucket_of;	   /* address -> index of its newest generation */
	struct map bucket_of_site; /* (site, size) -> index, for births that name no bucket */

	struct object *objects;
	size_t n_objects, cap_objects;
	uint32_t *free_objects;
	size_t n_free, cap_free;
	struct map live;	/* address -> index of the object */
	struct map generations; /* (site, birth cycle) -> objects alive */

	/* The first reading of the bucket table, until all its parts are here */
	struct note_table_entry *seed;
	size_t n_seed, cap_seed;
	uint32_t seed_part; /* the next one; NONE: done, or a part is missing */

	struct {
		double heap;	/* bytes, as estimated between GC events */
		uint64_t goal;	/* 0: not known */
		uint64_t since; /* the heap is near its goal since then; 0: it is not */
	} near;

	struct counters counters;
	struct spans spans;

	struct gc_cycle gc; /* the cycle in progress, as far as it was seen */
	bool gc_seen;
	uint64_t gc_last_number, gc_last_prof_cycle;
	uint64_t gc_pause_total, gc_pause_number; /* the stops up to the end of that cycle, ns */

	struct timed_objects timed;
	/* What of the mappings is left, by address, and whose mapping it is (track_mappings.c). */
	struct map_piece {
		uint64_t start, end, key;
	} * pieces;
	size_t n_pieces, cap_pieces;
	uint64_t last_mapping; /* its key */
	uint64_t last_sign;    /* that its threads run: time of the last event of its own */
	/* Threads that ended a moment ago (track_threads.c). */
	struct thread_end {
		uint64_t time;
		uint32_t tid;
	} * thread_ends;
	size_t n_thread_ends, cap_thread_ends;

	struct ranges mapped;	  /* what is known to be mapped */
	struct ranges accessible; /* and of it, not PROT_NONE */
	uint64_t brk;
	struct owners owners; /* whose what is mapped is */
	struct pages pages;   /* what of it was touched */
	uint32_t faults;      /* index into model.faults; NONE */
	struct unowned_fault *unowned;
	size_t n_unowned, cap_unowned;
	uint64_t peak_rss; /* highest of the readings with owners */
};

/* What is kept beside model.sites[i] while counting. */
struct site_state {
	uint32_t life;
	uint32_t cap;	       /* epochs that its arrays have room for */
	uint32_t gen_count;    /* distinct birth cycles among the living */
	uint32_t gen_from;     /* generations[] is filled in before this epoch */
	uint32_t recent_cycle; /* objects alive of this birth cycle are counted here, */
	uint32_t recent_count; /* not in life.generations */
	uint32_t first_cycle;
	bool seeded;  /* the bucket table had objects of it */
	bool gone;    /* merged into another */
	int64_t lead; /* of by_goroutines, in the vote */
	/* Not of the heap: deaths by age in slices, MODEL_MAX_SLICES. NULL: none. */
	uint32_t *ages;
};

/* What is known of a pid before, and unless, anything of interest happens to it. */
struct pid_entry {
	uint32_t pid;
	uint32_t life; /* NONE */
	uint64_t start;
	bool exited;
	char comm[16];
	char *exe; /* the first file mapped executable; NULL */
};

struct pending_syscall {
	enum event_syscall call;
	uint64_t args[6];
	uint32_t stack; /* NONE */
};

/* A fault in memory of which it is not certain yet whose it is. */
struct unowned_fault {
	uint64_t address, time;
	uint32_t site; /* index into model.fault_sites */
	struct fault_tally tally;
};

struct track {
	struct model *model;
	struct track_options options;
	struct life *lives;
	size_t n_lives, cap_lives;
	struct site_state *site_states; /* parallel to model.sites */
	size_t cap_site_states;
	struct map site_of[SITE_KINDS];	  /* (process, stack) -> site */
	struct map site_from[SITE_KINDS]; /* (process, origin) -> site */
	struct stackset stacks;

	struct pid_entry *pids;
	size_t n_pids, cap_pids;
	uint32_t *free_pids;
	size_t n_free_pids, cap_free_pids;
	struct map pid_of; /* pid -> index into pids */
	uint32_t last_pid; /* looked up last */
	uint32_t last_life;

	struct pending_syscall *pending;
	size_t n_pending, cap_pending;
	uint32_t *free_pending;
	size_t n_free_pending, cap_free_pending;
	struct map pending_of; /* tid -> index into pending */

	struct map share_of;	  /* (process, owner, stack) -> index into model.shares */
	struct map fault_site_of; /* (process, owner, stack) -> index into model.fault_sites */
	const char *other_name;	  /* counted last, and its index in model.others */
	size_t other;
	struct map runtime_made; /* (process, stack) -> whether the runtime mapped it */
	struct track_part {
		uint64_t recording;
		uint32_t kind, number;
		bool open; /* it has begun and not ended */
	} part;		   /* the file that is being read */

	struct tablecheck *check;
	struct native_state *native; /* track_native.c; NULL: not needed yet */
	bool tables_alone;	     /* the trace has no events of births and deaths, */
	bool by_counters;	     /* so that these are known from the bucket table */
	uint64_t counted_addresses;
	size_t gctrace_bytes;		/* in model.gctrace_texts */
	uint64_t first_note, last_note; /* times */
	bool finished;
};

/* ---- track_process.c: who is who ---- */

/* The life of a pid that something of interest happens to; begun if need be. */
struct life *track_life(struct track *track, uint32_t pid, uint64_t time);
/* The same for what the recorder says of a pid, which may be after its end. */
struct life *track_life_of_note(struct track *track, uint32_t pid, uint64_t time);
void track_comm(struct track *track, const struct event *event);
void track_exec(struct track *track, const struct event *event);
void track_fork(struct track *track, const struct event *event);
void track_exit(struct track *track, const struct event *event);
void track_mmap_record(struct track *track, const struct event *event);
void track_process_note(struct track *track, uint64_t time, const struct note_process *note);
void track_set_rate(struct track *track, struct life *life, uint64_t rate);
/* The profile cycle an event was stamped with; the current one where it has no stamp. */
uint32_t track_cycle(const struct life *life, const struct event *event);

/* ---- track_site.c: buckets, sites and their epochs ---- */

struct bucket *track_bucket_at_birth(struct track *track, struct life *life,
				     const struct event *event);
/* The bucket at an address, made if need be; size 0 where unknown. */
struct bucket *track_bucket(struct track *track, struct life *life, uint64_t address,
			    uint64_t size);
void track_bucket_note(struct track *track, uint64_t time, const struct note_bucket *note);
/* Goes on to the epoch that holds cycle, where that is a later one. time ends those before it. */
void track_advance(struct track *track, struct life *life, uint32_t cycle, uint64_t time);
/* The index of the epoch that holds cycle, with room for it in the arrays of site. */
uint32_t track_epoch(struct track *track, struct life *life, uint32_t site, uint32_t cycle);
struct tally *track_unseen(struct track *track, uint32_t site, uint32_t epoch);
/* One object of that birth cycle more or less is alive at site. */
void track_generation(struct track *track, struct life *life, uint32_t site, uint32_t cycle,
		      int change);
/* Adds an empty site of a kind. */
uint32_t track_new_site(struct track *track, struct life *life, enum site_kind kind,
			uint32_t stack);
/* Gives the arrays of a site a length, which becomes their capacity. */
void track_set_capacity(struct track *track, uint32_t site, uint32_t length);
/* Room for that epoch in the arrays of a site. */
void track_make_room(struct track *track, uint32_t site, uint32_t epoch);
/* Writes the number of generations, as it has stood since, into the epochs before `upto`. */
void track_fill_generations(struct track *track, uint32_t site, uint32_t upto);
/* Adds up neighbours, two by two; the other half becomes zeros. */
void track_merge_tallies(struct tally *tallies, uint32_t n);
/* The key of two indexes. */
static inline uint64_t track_pair(uint32_t high, uint32_t low)
{
	return (uint64_t)high << 32 | low;
}
/* Merges what turned out to have the same stack; the arrays of sites get their final length. */
void track_finish_sites(struct track *track, struct life *life);

/* ---- track_heap.c: objects ---- */

void track_birth(struct track *track, const struct event *event);
void track_death(struct track *track, const struct event *event);
/* An object that is alive stands for another number of objects of its size than was said. */
void track_reweigh(struct track *track, struct life *life, uint64_t address, uint32_t slots);
/* Counts what is alive, frees what the life held. */
void track_finish_life(struct track *track, struct life *life);

/* ---- track_spans.c ---- */

void track_span_taken(struct track *track, const struct event *event);
void track_span_large(struct track *track, const struct event *event);
void track_span_released(struct track *track, const struct event *event);
void track_spans_note(struct track *track, uint64_t time, const struct note_spans *note);
void track_spans_free(struct life *life);

/* ---- track_table.c ---- */

/* The same reading where births and deaths are known from it alone (track_counters.c). */
void track_counters(struct track *track, struct life *life, const struct note_table *note);
void track_counters_free(struct life *life);

void track_table_note(struct track *track, uint64_t time, const struct note_table *note,
		      bool usable);

/* ---- track_part.c: the files of a recording ---- */

void track_part_note(struct track *track, const struct note_part *note);
void track_symbols_note(struct track *track, const struct note_symbols *note);
void track_finish_parts(struct track *track);

/* ---- track.c ---- */

/* A remark of the recorder, or about what it wrote; copied, and kept once. */
void track_text(struct track *track, const char *text);

/* ---- track_gc.c ---- */

void track_gc_start(struct track *track, const struct event *event);
void track_gc_mark_term(struct track *track, const struct event *event);
void track_gc_end(struct track *track, const struct event *event);
void track_gc_flush(struct track *track, struct life *life);

/* ---- track_near.c ---- */

/* The size of the heap and its goal, as the runtime has them now; 0: not known. */
void track_near_heap(struct track *track, struct life *life, uint64_t time, uint64_t heap,
		     uint64_t goal);
void track_near_birth(struct track *track, struct life *life, struct site *site, uint64_t time,
		      double est_bytes);
void track_near_finish(struct track *track, struct life *life, uint64_t time);

/* ---- track_goroutines.c ---- */

void track_go_create(struct track *track, const struct event *event);
void track_go_exit(struct track *track, const struct event *event);
void track_lock_thread(struct track *track, const struct event *event);
/* One that is made, or ends, before the time that is looked at. */
void track_go_before(struct track *track, const struct event *event);
void track_goroutines_note(struct track *track, uint64_t time, const struct note_goroutines *note);
/* What is known of the goroutines that were there before goes to their sites. */
void track_finish_goroutines(struct track *track, struct life *life);

/* ---- track_threads.c ---- */

void track_thread_started(struct track *track, const struct event *event);
void track_thread_ended(struct track *track, struct life *life, const struct event *event);
/* Before the objects of a life are finished. */
void track_finish_threads(struct track *track, struct life *life);

/* ---- track_mappings.c: who mapped what is mapped ---- */

/* The key of no mapping. */
#define NO_MAPPING 0
/* The stack is that of the call; NONE: not known. */
void track_mapping_made(struct track *track, struct life *life, struct range range, uint32_t stack,
			uint64_t time);
void track_mapping_gone(struct track *track, struct life *life, struct range range, uint64_t time);

/* ---- track_maps.c ---- */

void track_syscall_enter(struct track *track, const struct event *event);
void track_syscall_exit(struct track *track, const struct event *event);
void track_forget_thread(struct track *track, uint32_t tid);
/* The stack of the call by which a thread makes another at this moment; NONE. */
uint32_t track_clone_stack(const struct track *track, uint32_t tid);
void track_rss_note(struct track *track, uint64_t time, const struct note_rss *note);
void track_add_rss(struct track *track, const struct rss_point *point);

/* ---- track_owners.c ---- */

/* counted: the time is one that is looked at. */
void track_owners_note(struct track *track, uint64_t time, const struct note_owners *note,
		       bool counted);
/* What is in RAM of their mappings goes to the sites, when all lives are finished. */
void track_finish_owners(struct track *track);
void track_limits_note(struct track *track, uint64_t time, const struct note_limits *note);

/* Whether the Go runtime itself asked for what a mapping call with this stack made. */
bool track_runtime_made(struct track *track, const struct life *life, uint32_t stack);

/* ---- track_faults.c ---- */

/* Counts an event by its name. */
void track_other(struct track *track, const struct event *event);
void track_fault(struct track *track, const struct event *event);
/* Faults in memory whose owner was not certain have one by now: the mappings were read. */
void track_find_owners(struct track *track, struct life *life);
/* What of an object that is no more, or of which no more is known, was touched. */
void track_object_pages(const struct life *life, struct site *site, uint64_t address, uint64_t size,
			double est_bytes);
void track_finish_faults(struct track *track, struct life *life);
/* Orders the sites, when all lives are finished. */
void track_order_faults(struct track *track);

/* What heap dumps are compared with, or NULL: the counters do not tell of GC cycles. */
static inline struct snapshots *track_snapshots(const struct track *track)
{
	return track->by_counters ? NULL : track->model->snapshots;
}

static inline struct process *life_process(const struct track *track, const struct life *life)
{
	return &track->model->processes[life->process];
}

#endif
