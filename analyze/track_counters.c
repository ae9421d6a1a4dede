#include "analyze/track_state.h"

#include "formats/xalloc.h"

#include <stdlib.h>

/*
 * Births and deaths where nobody recorded them: what the published counts of each bucket grew by
 * from one reading of the table to the next. Published are cycles that are swept, so what a reading
 * holds is what a heap profile would show: live objects, and no garbage. An epoch is what lies
 * between two readings of which the second has more cycles published; GC cycles do not count.
 *
 * Which object died is not known. It is taken to be the youngest: so the old that are left are no
 * more than what the net growth proves, and what comes and goes hides nothing. The price is that a
 * site which frees its old objects, but ever fewer than are born, looks like one that keeps them.
 */

/* Addresses of objects that were never seen; no object lies there. */
#define FIRST_ADDRESS (1ull << 63)
/* Changes of one bucket from reading to reading beyond which the counts are taken to be damaged: 32
 * GiB at the default rate. */
#define MAX_CHANGE (1u << 16)

static struct counted *counted_of(struct life *life, uint64_t bucket)
{
	bool fresh;
	uint64_t *at = map_put(&life->counters.of, bucket, &fresh);

	if (fresh) {
		xgrow(life->counters.items, life->counters.cap, life->counters.n + 1);
		life->counters.items[life->counters.n] = (struct counted){0};
		*at = life->counters.n++;
	}
	return &life->counters.items[*at];
}

static struct event event_at(struct track *track, const struct life *life, uint64_t time,
			     enum event_kind kind)
{
	struct event event = {
		.kind = kind,
		.pid = life->pid,
		.time = time,
		.has = EVENT_HAS(FIELD_P) | EVENT_HAS(FIELD_B),
	};

	event.v[FIELD_P] = FIRST_ADDRESS + track->counted_addresses++;
	return event;
}

static void give_births(struct track *track, struct life *life, uint64_t time, uint64_t bucket,
			uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		struct event event = event_at(track, life, time, EVENT_BIRTH);
		struct counted *counted = counted_of(life, bucket);

		event.v[FIELD_B] = bucket;
		xgrow(counted->alive, counted->cap, counted->n_alive + 1);
		counted->alive[counted->n_alive++] = event.v[FIELD_P];
		track_birth(track, &event);
	}
}

static void give_deaths(struct track *track, struct life *life, uint64_t time, uint64_t bucket,
			uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		struct event event = event_at(track, life, time, EVENT_DEATH);
		struct counted *counted = counted_of(life, bucket);

		event.v[FIELD_B] = bucket;
		if (counted->n_alive)
			event.v[FIELD_P] = counted->alive[--counted->n_alive];
		track_death(track, &event);
	}
}

/*
 * The moment that a reading's published counts describe. At the mark termination that begins cycle
 * c the births of cycle c - 2 are published: all up to the one that began cycle c - 1. That was
 * seen by the reading before, where only one cycle has begun since.
 */
static uint64_t described(const struct counters *counters, const struct note_table *note)
{
	return counters->seen && note->cycle == counters->cycle + 1 ? counters->seen : note->end;
}

static void count_entry(struct track *track, struct life *life, const struct note_table *note,
			const struct note_table_entry *entry)
{
	struct counted *counted = counted_of(life, entry->address);
	uint64_t births = entry->active.allocs - counted->allocs;
	uint64_t deaths = entry->active.frees - counted->frees;
	bool first = !note->reading && life_process(track, life)->attached;

	counted->allocs = entry->active.allocs;
	counted->frees = entry->active.frees;
	if (first || births > MAX_CHANGE || deaths > MAX_CHANGE)
		return;
	give_births(track, life, described(&life->counters, note), entry->address, births);
	give_deaths(track, life, described(&life->counters, note), entry->address, deaths);
}

void track_counters(struct track *track, struct life *life, const struct note_table *note)
{
	struct counters *counters = &life->counters;

	for (size_t i = 0; i < note->n_entries; i++)
		count_entry(track, life, note, &note->entries[i]);
	if (note->part + 1 != note->parts)
		return;
	track->model->counted_readings++;
	/* As long as no further cycle is published, nothing can have changed. */
	if (note->cycle == counters->cycle)
		return;
	track_advance(track, life, ++counters->epoch, described(counters, note));
	counters->cycle = note->cycle;
	counters->seen = note->end;
}

void track_counters_free(struct life *life)
{
	for (size_t i = 0; i < life->counters.n; i++)
		free(life->counters.items[i].alive);
	free(life->counters.items);
	map_free(&life->counters.of);
	life->counters = (struct counters){0};
}
