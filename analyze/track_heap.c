#include "analyze/track_state.h"

#include "analyze/track_objects.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

static uint32_t age_index(uint32_t age)
{
	return age < MODEL_AGES - 1 ? age : MODEL_AGES - 1;
}

static double weight_of(const struct bucket *bucket, uint32_t slots)
{
	return slots ? (double)slots * (double)bucket->size : bucket->est_bytes;
}

static void add_tally(struct tally *tally, double est_bytes)
{
	tally->objects++;
	tally->est_bytes += est_bytes;
}

/* Where the counters are the source, they are no witness. */
static void check_event(struct track *track, uint32_t check, uint64_t time, bool death)
{
	if (check != NONE && !track->by_counters)
		tablecheck_event(track->check, check, time, death);
}

static uint32_t new_object(struct life *life)
{
	if (life->n_free)
		return life->free_objects[--life->n_free];
	xgrow(life->objects, life->cap_objects, life->n_objects + 1);
	return (uint32_t)life->n_objects++;
}

static void free_object(struct life *life, uint32_t index)
{
	xgrow(life->free_objects, life->cap_free, life->n_free + 1);
	life->free_objects[life->n_free++] = index;
}

/* ---- Births ----------------------------------------------------------------------------- */

/*
 * A breakpoint may be hit twice for one call. Within a profile cycle nothing that is born can be
 * swept, so that an address cannot be born twice: a birth that is like the one before in all it
 * says, its cycle among them, is that one seen again.
 */
static bool is_duplicate(const struct life *life, const struct object *object,
			 const struct event *event, uint32_t cycle)
{
	const uint64_t needed = EVENT_HAS(FIELD_B) | EVENT_HAS(FIELD_CYCLE);

	return (event->has & needed) == needed && object->cycle == cycle &&
	       object->tid == event->tid && object->goid == (uint32_t)event->v[FIELD_GOID] &&
	       life->buckets[object->bucket].address == event->v[FIELD_B];
}

static void count_birth(struct track *track, struct life *life, const struct bucket *bucket,
			const struct event *event, uint32_t cycle)
{
	uint32_t id = bucket->site, epoch = track_epoch(track, life, id, cycle);
	double weight = weight_of(bucket, (uint32_t)event->v[FIELD_SLOTS]);
	struct site *site = &track->model->sites[id];

	if (!site->births++) {
		site->first_birth = event->time;
		site->min_size = bucket->size;
		track->site_states[id].first_cycle = cycle;
	}
	site->last_birth = event->time;
	site->births_sampled_bytes += bucket->size;
	site->est_births_bytes += weight;
	if (bucket->size < site->min_size)
		site->min_size = bucket->size;
	if (bucket->size > site->max_size)
		site->max_size = bucket->size;
	track_near_birth(track, life, site, event->time, weight);
	add_tally(&site->born[epoch], weight);
	track_generation(track, life, id, cycle, 1);
	track->model->births++;
	if (track_snapshots(track) && !event->v[FIELD_SLOTS])
		snapshots_birth(track_snapshots(track), id, event->time, cycle, bucket->size);
	check_event(track, bucket->check, event->time, false);
}

/* An object's life ends in the cycle in which the sweeper, or its successor, was seen. */
static void count_death(struct track *track, struct life *life, uint64_t address, uint32_t index,
			uint64_t time, uint32_t cycle)
{
	struct object *object = &life->objects[index];
	struct bucket *bucket = &life->buckets[object->bucket];
	uint32_t epoch = track_epoch(track, life, bucket->site, cycle);
	double weight = weight_of(bucket, object->slots);
	struct site *site = &track->model->sites[bucket->site];

	site->deaths++;
	site->deaths_sampled_bytes += bucket->size;
	add_tally(&site->died[epoch], weight);
	site->died_at_age[age_index(cycle > object->cycle ? cycle - object->cycle : 0)]++;
	track_generation(track, life, bucket->site, object->cycle, -1);
	track_object_pages(life, site, address, bucket->size, weight);
	if (track_snapshots(track) && !object->slots)
		snapshots_death(track_snapshots(track), bucket->site, time, cycle, bucket->size,
				true);
}

void track_birth(struct track *track, const struct event *event)
{
	struct life *life = track_life_of_note(track, event->pid, event->time);
	uint32_t cycle = track_cycle(life, event);
	struct bucket *bucket;
	uint64_t *at;
	bool fresh;

	/* Where nobody told the rate it is taken to be Go's default: there are samples. */
	if (!life_process(track, life)->mem_profile_rate && !event->v[FIELD_SLOTS])
		life_process(track, life)->mem_profile_rate = life->rate;
	bucket = track_bucket_at_birth(track, life, event);
	/* Without an address there is no object to follow. */
	if (!event->v[FIELD_P])
		return;
	track_advance(track, life, cycle, event->time);
	at = map_put(&life->live, event->v[FIELD_P], &fresh);
	if (fresh) {
		*at = new_object(life);
	} else if (is_duplicate(life, &life->objects[*at], event, cycle)) {
		track->model->duplicates++;
		return;
	} else {
		/* It was freed, or its memory would not have been given out again. */
		count_death(track, life, event->v[FIELD_P], (uint32_t)*at, event->time, cycle);
		track->model->lost_deaths++;
	}
	life->objects[*at] = (struct object){
		.time = event->time,
		.bucket = (uint32_t)(bucket - life->buckets),
		.cycle = cycle,
		.tid = event->tid,
		.goid = (uint32_t)event->v[FIELD_GOID],
		.slots = (uint32_t)event->v[FIELD_SLOTS],
	};
	count_birth(track, life, bucket, event, cycle);
}

void track_reweigh(struct track *track, struct life *life, uint64_t address, uint32_t slots)
{
	const uint64_t *at = map_find(&life->live, address);
	struct object *object = at ? &life->objects[*at] : NULL;
	struct bucket *bucket;
	struct site *site;
	double more;

	if (!object)
		return;
	bucket = &life->buckets[object->bucket];
	site = &track->model->sites[bucket->site];
	more = weight_of(bucket, slots) - weight_of(bucket, object->slots);
	object->slots = slots;
	site->est_births_bytes += more;
	site->born[track_epoch(track, life, bucket->site, object->cycle)].est_bytes += more;
}

/* ---- Deaths ----------------------------------------------------------------------------- */

/* The kind of a heap profile's special record (runtime/mheap.go); -1 where not known. */
static int profile_kind(int go_minor)
{
	if (go_minor < 0)
		return -1;
	return go_minor <= 22 ? 2 : go_minor <= 24 ? 3 : 4;
}

/* Finalizers, weak pointers and more are freed by the same function. */
static bool is_profile_special(struct life *life, const struct event *event)
{
	if (!(event->has & EVENT_HAS(FIELD_KIND)))
		return true;
	if (life->special_kind < 0)
		life->special_kind = profile_kind(life->go_minor);
	if (life->special_kind >= 0)
		return event->v[FIELD_KIND] == (uint64_t)life->special_kind;
	/* Of an unknown version: only a heap sample names a bucket where the bucket should be. */
	if (!map_find(&life->bucket_of, event->v[FIELD_B]))
		return map_find(&life->live, event->v[FIELD_P]) && !event->v[FIELD_B];
	life->special_kind = (int)(event->v[FIELD_KIND] & 0xff);
	return true;
}

static void count_unmatched(struct track *track, struct life *life, const struct event *event,
			    uint32_t cycle)
{
	struct bucket *bucket;
	struct site *site;

	track->model->unmatched_deaths++;
	if (!event->v[FIELD_B])
		return;
	bucket = track_bucket(track, life, event->v[FIELD_B], event->v[FIELD_SIZE]);
	site = &track->model->sites[bucket->site];
	site->unmatched_deaths++;
	add_tally(track_unseen(track, bucket->site, track_epoch(track, life, bucket->site, cycle)),
		  bucket->est_bytes);
	check_event(track, bucket->check, event->time, true);
	if (track_snapshots(track))
		snapshots_death(track_snapshots(track), bucket->site, event->time, cycle,
				bucket->size, false);
}

void track_death(struct track *track, const struct event *event)
{
	struct life *life = track_life_of_note(track, event->pid, event->time);
	uint32_t cycle = track_cycle(life, event);
	uint64_t index;

	if (!is_profile_special(life, event))
		return;
	track_advance(track, life, cycle, event->time);
	track->model->deaths++;
	if (!map_take(&life->live, event->v[FIELD_P], &index)) {
		count_unmatched(track, life, event, cycle);
		return;
	}
	count_death(track, life, event->v[FIELD_P], (uint32_t)index, event->time, cycle);
	free_object(life, (uint32_t)index);
	if (event->v[FIELD_B] &&
	    life->buckets[life->objects[index].bucket].address != event->v[FIELD_B]) {
		/* The object seen born here died unseen, and the one that now died was born so. */
		track->model->lost_deaths++;
		count_unmatched(track, life, event, cycle);
		return;
	}
	check_event(track, life->buckets[life->objects[index].bucket].check, event->time, true);
}

/* ---- The end ---------------------------------------------------------------------------- */

/* An object that lives, and that a goroutine allocated which lives too. */
static void count_for_goroutine(struct track *track, const struct life *life,
				const struct object *object, double weight)
{
	uint32_t id = life->buckets[object->bucket].site, goroutine;
	int64_t *lead = &track->site_states[id].lead;
	struct site *site = &track->model->sites[id];

	if (!object->goid)
		return;
	goroutine = track_object_site(life, SITE_GOROUTINE, object->goid);
	if (goroutine == UINT32_MAX)
		return;
	track->model->sites[goroutine].held_est_bytes += weight;
	site->live_of_goroutines++;
	/* A vote: whoever has more than half of them is left. */
	if (!*lead)
		site->by_goroutines = goroutine;
	*lead += site->by_goroutines == goroutine ? 1 : -1;
}

static void count_survivor(struct track *track, struct life *life, uint64_t address,
			   const struct object *object)
{
	const struct bucket *bucket = &life->buckets[object->bucket];
	struct site *site = &track->model->sites[bucket->site];
	double weight = weight_of(bucket, object->slots), size = (double)bucket->size;

	track_object_pages(life, site, address, bucket->size, weight);
	site->live++;
	site->live_sampled_bytes += bucket->size;
	site->est_live_bytes += weight;
	site->est_live_objects += bucket->size ? weight / size : 1;
	/* An object is sampled with probability p and then stands for size / p: the variance of
	 * that, as seen from the sample, is (size / p)^2 (1 - p). */
	site->est_live_variance += weight * (weight - size);
	if (!site->oldest_live || object->time < site->oldest_live)
		site->oldest_live = object->time;
	site->live_at_age[age_index(life->cycle > object->cycle ? life->cycle - object->cycle
								: 0)]++;
	if (!site->alive)
		site->alive = xcalloc(life_process(track, life)->n_epochs, sizeof(*site->alive));
	add_tally(&site->alive[(object->cycle - life->base) / life->width], weight);
	count_for_goroutine(track, life, object, weight);
}

void track_finish_life(struct track *track, struct life *life)
{
	struct process *process = life_process(track, life);
	uint64_t address, index;
	size_t position = 0;

	if (life->finished)
		return;
	life->finished = true;
	track_gc_flush(track, life);
	track_near_finish(track, life, process->end ? process->end : track->model->last_time);
	if (process->n_epochs)
		process->epochs[process->n_epochs - 1].last_cycle = life->cycle;
	track_finish_sites(track, life);
	track_finish_faults(track, life);
	while (map_next(&life->live, &position, &address, &index))
		count_survivor(track, life, address, &life->objects[index]);
	track_finish_threads(track, life);
	track_finish_objects(track, life);
	map_free(&life->live);
	map_free(&life->generations);
	map_free(&life->bucket_of);
	map_free(&life->bucket_of_site);
	free(life->objects);
	free(life->free_objects);
	free(life->buckets);
	free(life->mapped.items);
	free(life->accessible.items);
	owners_free(&life->owners);
	pages_free(&life->pages);
	free(life->seed);
	free(life->pieces);
	free(life->thread_ends);
	life->pieces = NULL;
	life->thread_ends = NULL;
	life->n_pieces = life->cap_pieces = life->n_thread_ends = life->cap_thread_ends = 0;
	track_counters_free(life);
	track_spans_free(life);
	life->objects = NULL;
	life->free_objects = NULL;
	life->buckets = NULL;
	life->mapped = life->accessible = (struct ranges){0};
	life->seed = NULL;
	life->n_buckets = life->n_objects = life->n_free = life->n_seed = 0;
	life->cap_buckets = life->cap_objects = life->cap_free = life->cap_seed = 0;
}

/* ---- Ahead of time ------------------------------------------------------------------------ */

static const struct life *expected_life(const struct track *track, const struct event *event)
{
	if (event->pid != track->last_pid || track->last_life == NONE)
		return NULL;
	return &track->lives[track->last_life];
}

void track_expect(const struct track *track, const struct event *event)
{
	const struct life *life = expected_life(track, event);

	if (life)
		map_prefetch(&life->live, event->v[FIELD_P]);
}

void track_expect_object(const struct track *track, const struct event *event)
{
	const struct life *life = expected_life(track, event);
	const uint64_t *at = life ? map_find(&life->live, event->v[FIELD_P]) : NULL;

	if (at)
		__builtin_prefetch(&life->objects[*at]);
}
