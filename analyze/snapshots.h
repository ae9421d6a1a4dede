#ifndef GMT_ANALYZE_SNAPSHOTS_H
#define GMT_ANALYZE_SNAPSHOTS_H

/*
 * What was alive, per site, at the GC cycles that heap dumps describe. Exact to the object, with
 * memory for sites and dumps, not for cycles or events.
 *
 * A heap dump does not show the heap of the moment it was written. The runtime books the birth of
 * a sampled object two profile cycles ahead and its death one ahead (mProf_Malloc and mProf_Free,
 * runtime/mprof.go), so all that a dump can show is, for some k, the state
 *
 *	k = births stamped with a cycle <= k - 1, minus deaths stamped with a cycle <= k.
 *
 * A dump read during cycle P (mProfCycle is P) shows state P - 1; after runtime.GC(), which
 * publishes one cycle more (mProf_PostSweep), state P. The cycle P is known from the dump's time to
 * within one, so four states are kept for each dump: SNAPSHOT_STATES from P - 2 on.
 *
 * Before anything was published (P < 2) a dump shows everything so far instead (the `clear` branch
 * of memProfileInternal): the state `now`, which is taken at the dump's time.
 *
 * Who calls what:
 * - reconcile makes it in model.snapshots and says which dumps there are, before the trace is read;
 *   where there are none, model.snapshots is NULL and nothing need be called;
 * - track reports births, deaths, cycles and the first reading of the bucket table, in time order;
 * - reconcile takes the snapshots.
 * Sites are indices into model.sites; the process of a site is read there.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model;
struct snapshots;

struct snapshots *snapshots_new(const struct model *model);
void snapshots_free(struct snapshots *snapshots);

/* ---- For reconcile, before the trace is read --------------------------------------------- */

/*
 * A dump, counting from 0: written at a wall-clock time (ns), or during the cycle whose number
 * (MemStats.NumGC, gctrace's N) is given where wall is 0.
 */
uint32_t snapshots_want(struct snapshots *snapshots, uint64_t wall, uint64_t gc_number);

/* ---- For track, while the trace is read --------------------------------------------------- */

/* A sampled object was born: counted once, duplicates of an event left out. */
void snapshots_birth(struct snapshots *snapshots, uint32_t site, uint64_t time, uint32_t cycle,
		     uint64_t size);
/*
 * A sampled object was found dead. site is that of its bucket, size that of the object. seen_born:
 * its birth was reported above; else it is older than the recording, or its birth was lost.
 */
void snapshots_death(struct snapshots *snapshots, uint32_t site, uint64_t time, uint32_t cycle,
		     uint64_t size, bool seen_born);
/*
 * The profile cycle of a process is now `cycle`: at each mark termination, and whenever an event is
 * the first sign of a later cycle; before the events of that cycle. Also once with the cycle in
 * which the process was first seen. gc_number: memstats.numgc at it, 0 unknown.
 */
void snapshots_cycle(struct snapshots *snapshots, uint32_t process, uint64_t time, uint32_t cycle,
		     uint64_t gc_number);
/*
 * Where a process ran before the recording began: the first complete reading of its bucket table
 * (struct note_table: begin, end, cycle), and then each entry of it that has a count, in any
 * order. Without it, older objects cannot be told from those that the trace lacks.
 */
void snapshots_reading(struct snapshots *snapshots, uint32_t process, uint64_t begin, uint64_t end,
		       uint32_t cycle);
struct snapshots_counts {
	uint64_t allocs, frees;
};
void snapshots_seed(struct snapshots *snapshots, uint32_t site, uint64_t size,
		    struct snapshots_counts active, const struct snapshots_counts future[3]);
/* What was counted for site `from` belongs to site `to`. */
void snapshots_merge(struct snapshots *snapshots, uint32_t from, uint32_t to);
/* Sites have moved: old index i is now new_index[i] (UINT32_MAX: gone, and nothing to count). */
void snapshots_renumber(struct snapshots *snapshots, const uint32_t *new_index, size_t n);
/* The end of the trace, at its last event's time. */
void snapshots_finish(struct snapshots *snapshots, uint64_t time);

/* ---- For reconcile, afterwards ------------------------------------------------------------ */

#define SNAPSHOT_STATES 4
#define SNAPSHOT_NOW	SNAPSHOT_STATES

/* Sampled objects, unscaled, and the sum of their sizes. */
struct snapshot_count {
	int64_t objects, bytes;
};

struct snapshot_row {
	uint32_t site; /* a site may have more than one row; they add up */
	/* By state: first_state + i, and [SNAPSHOT_NOW]. */
	struct snapshot_count born_seen[SNAPSHOT_STATES + 1]; /* alive, and their births traced */
	struct snapshot_count older[SNAPSHOT_STATES + 1];     /* alive, of before the recording */
};

/* What one process held when one dump was written. */
struct snapshot {
	uint32_t process;
	uint64_t time;	     /* of the dump, on the trace's clock; 0 unknown */
	uint64_t prof_cycle; /* P as the dump's time or number has it */
	int64_t first_state; /* P - 2 */
	bool has_now;
	bool seeded;	/* `older` counts what the bucket table held at the first reading */
	bool after_end; /* written after the trace's end: later cycles may be missing */
	struct snapshot_row *rows;
	size_t n_rows, cap_rows;
};

enum snapshot_problem {
	SNAPSHOT_OK,
	SNAPSHOT_NO_CYCLES, /* the trace has no GC cycle of the process */
	SNAPSHOT_NO_CLOCK,  /* the trace has no clock pair to place a wall-clock time by */
	SNAPSHOT_BEFORE,    /* written before the process was first seen */
};

/* The snapshot of a process for a dump, or why there is none. */
enum snapshot_problem snapshots_get(const struct snapshots *snapshots, uint32_t dump,
				    uint32_t process, const struct snapshot **snapshot);

#endif
