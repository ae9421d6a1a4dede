#ifndef GMT_TESTS_MPROF_MODEL_H
#define GMT_TESTS_MPROF_MODEL_H

/*
 * A model of the runtime's own book-keeping of sampled objects (runtime/mprof.go), which reports to
 * model.snapshots what a recorder would have seen: its dumps are the truth to compare with.
 */

#include "analyze/model.h"
#include "analyze/snapshots.h"
#include "formats/xalloc.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SITES	  40
#define MS	  UINT64_C(1000000)
#define WALL_ZERO UINT64_C(1700000000000000000) /* wall clock at trace time 0 */
#define MAX_LIVE  100000
#define MAX_DUMPS 64

struct object {
	uint32_t site;
	uint64_t size;
	bool seen_born;
	bool marked_dead; /* the sweeper may find it */
};

struct dump {
	uint32_t want;
	uint32_t cycle;
	bool after_gc;
	struct snapshots_counts counts[SITES]; /* as published */
	struct snapshot_count inuse[SITES];
	uint64_t time, last_gc;
};

struct runtime {
	struct snapshots_counts active[SITES], future[SITES][3];
	uint32_t cycle;
	uint64_t time;
	struct random random;
	struct object live[MAX_LIVE];
	size_t n_live;
	bool recording;
	bool skip_table; /* the bucket table is not read */
	unsigned lose;	 /* one event in so many is lost; 0: none */
	struct model model;
	struct dump dumps[MAX_DUMPS];
	size_t n_dumps;
};

static inline unsigned random_below(struct runtime *r, unsigned n)
{
	return (unsigned)(random_u64(&r->random) % n);
}

/* Whether an event that happens now is in the trace. */
static inline bool recorded(struct runtime *r)
{
	return r->recording && !(r->lose && random_below(r, r->lose) == 0);
}

/* One size per site, so that counts give bytes. */
static inline uint64_t size_of(uint32_t site)
{
	return 16 + site * 48;
}

static inline void flush(struct runtime *r, uint32_t index)
{
	for (size_t i = 0; i < SITES; i++) {
		r->active[i].allocs += r->future[i][index].allocs;
		r->active[i].frees += r->future[i][index].frees;
		r->future[i][index] = (struct snapshots_counts){0};
	}
}

static inline void allocate(struct runtime *r)
{
	uint32_t site = random_below(r, SITES);

	assert_true(r->n_live < MAX_LIVE);
	r->future[site][(r->cycle + 2) % 3].allocs++;
	r->live[r->n_live++] = (struct object){site, size_of(site), recorded(r), false};
	if (r->live[r->n_live - 1].seen_born)
		snapshots_birth(r->model.snapshots, site, r->time, r->cycle, size_of(site));
}

static inline void sweep_one(struct runtime *r, size_t i)
{
	struct object *object = &r->live[i];

	r->future[object->site][(r->cycle + 1) % 3].frees++;
	if (recorded(r))
		snapshots_death(r->model.snapshots, object->site, r->time, r->cycle, object->size,
				object->seen_born);
	*object = r->live[--r->n_live];
}

static inline void sweep(struct runtime *r, size_t most)
{
	for (size_t i = r->n_live; i-- > 0 && most;) {
		if (r->live[i].marked_dead) {
			sweep_one(r, i);
			most--;
		}
	}
}

/* A whole cycle: what the one before left is swept first. */
static inline void collect(struct runtime *r)
{
	sweep(r, SIZE_MAX);
	for (size_t i = 0; i < r->n_live; i++)
		r->live[i].marked_dead = random_below(r, 4) == 0;
	r->cycle++;
	r->time += MS;
	xgrow(r->model.cycles, r->model.cap_cycles, r->model.n_cycles + 1);
	r->model.cycles[r->model.n_cycles++] =
		(struct gc_cycle){.number = r->cycle, .prof_cycle = r->cycle, .mark_term = r->time};
	if (r->recording)
		snapshots_cycle(r->model.snapshots, 0, r->time, r->cycle, r->cycle);
	flush(r, r->cycle % 3);
}

static inline void write_dump(struct runtime *r, bool after_gc)
{
	struct dump *dump = &r->dumps[r->n_dumps++];

	assert_true(r->n_dumps <= MAX_DUMPS);
	if (after_gc) {
		collect(r);
		sweep(r, SIZE_MAX);
		flush(r, (r->cycle + 1) % 3);
	}
	flush(r, r->cycle % 3);
	r->time += MS;
	dump->cycle = r->cycle;
	dump->time = r->time;
	dump->last_gc = r->model.n_cycles ? r->model.cycles[r->model.n_cycles - 1].mark_term : 0;
	dump->after_gc = after_gc;
	memcpy(dump->counts, r->active, sizeof(dump->counts));
	for (uint32_t i = 0; i < SITES; i++) {
		dump->inuse[i].objects = (int64_t)(r->active[i].allocs - r->active[i].frees);
		dump->inuse[i].bytes = dump->inuse[i].objects * (int64_t)size_of(i);
	}
	r->time += MS;
}

static inline void work(struct runtime *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		r->time += 1000 + random_below(r, 1000);
		if (random_below(r, 3) == 0)
			sweep(r, 1);
		else
			allocate(r);
	}
}

static inline struct runtime *runtime_new(unsigned seed)
{
	struct runtime *r = xcalloc(1, sizeof(*r));

	r->random.state = seed;
	model_init(&r->model);
	r->model.snapshots = snapshots_new(&r->model);
	xgrow(r->model.clocks, r->model.cap_clocks, 1);
	r->model.clocks[r->model.n_clocks++] =
		(struct clock_pair){.monotonic = 0, .realtime = WALL_ZERO};
	xgrow(r->model.sites, r->model.cap_sites, SITES);
	for (uint32_t i = 0; i < SITES; i++)
		r->model.sites[r->model.n_sites++] = (struct site){.process = 0};
	return r;
}

static inline void runtime_free(struct runtime *r)
{
	model_free(&r->model);
	free(r);
}

/* The first reading of the bucket table; it lasts a while, and work goes on after it. */
static inline void read_table(struct runtime *r)
{
	uint64_t begin = r->time, end = begin + 2000;
	struct snapshots_counts active[SITES], future[SITES][3];
	uint32_t cycle = r->cycle;

	memcpy(active, r->active, sizeof(active));
	memcpy(future, r->future, sizeof(future));
	r->time = end;
	work(r, 5);
	snapshots_reading(r->model.snapshots, 0, begin, end, cycle);
	for (uint32_t i = 0; i < SITES; i++)
		snapshots_seed(r->model.snapshots, i, size_of(i), active[i], future[i]);
}

/* A program that is recorded from its start, or attached to after some cycles. */
static inline void simulate(struct runtime *r, unsigned cycles_before)
{
	for (unsigned i = 0; i < cycles_before; i++) {
		work(r, 200);
		collect(r);
	}
	work(r, cycles_before ? 50 : 0);
	r->time += 1000;
	r->recording = true;
	snapshots_cycle(r->model.snapshots, 0, r->time, r->cycle, 0);
	if (cycles_before) {
		work(r, 20);
		if (!r->skip_table)
			read_table(r);
	}
	for (size_t i = 0; i < 60; i++) {
		work(r, 20 + random_below(r, 100));
		collect(r);
		if (random_below(r, 2))
			work(r, 30);
		if (i % 4 == 1)
			write_dump(r, random_below(r, 2));
	}
	snapshots_finish(r->model.snapshots, r->time + 1);
}

#endif
