#include "analyze/track_objects.h"

#include "formats/xalloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The first slices are this long, ns. */
#define FIRST_WIDTH 1000000u
/* Sites times slices of a process: above it slices are merged, down to MIN_SLICES. A slice of a
 * site takes 52 bytes. */
#define MAX_CELLS  (2u << 20)
#define MIN_SLICES 64u

/* ---- Slices of time --------------------------------------------------------------------- */

static bool is_timed_site(const struct track *track, const struct life *life, uint32_t id)
{
	return track->model->sites[id].process == life->process &&
	       track->model->sites[id].kind != SITE_HEAP;
}

static void merge_counts(uint32_t *counts)
{
	if (!counts)
		return;
	for (uint32_t i = 0; i < MODEL_MAX_SLICES / 2; i++)
		counts[i] = counts[2 * i] + counts[2 * i + 1];
	memset(counts + MODEL_MAX_SLICES / 2, 0, MODEL_MAX_SLICES / 2 * sizeof(*counts));
}

static uint32_t distinct_slices(const struct tally *alive, uint32_t n)
{
	uint32_t distinct = 0;

	for (uint32_t i = 0; alive && i < n; i++)
		distinct += alive[i].objects > 0;
	return distinct;
}

static void merge_site_slices(struct track *track, uint32_t id, uint32_t n_slices)
{
	struct site_state *state = &track->site_states[id];
	struct site *site = &track->model->sites[id];
	uint32_t before = state->gen_count;

	track_fill_generations(track, id, n_slices - 1);
	merge_counts(state->ages);
	if (!state->cap)
		return;
	track_merge_tallies(site->born, state->cap);
	track_merge_tallies(site->died, state->cap);
	if (site->alive)
		track_merge_tallies(site->alive, state->cap);
	if (site->died_unseen)
		track_merge_tallies(site->died_unseen, state->cap);
	state->gen_count = distinct_slices(site->alive, state->cap);
	state->gen_from = (n_slices - 1) / 2;
	/* How many of the past's slices had neighbours that lived as well is not known any more:
	 * they fell together as those of the present do. */
	for (uint32_t i = 0; i < state->gen_from; i++) {
		double share = before ? (double)state->gen_count / before : 0.5;

		site->generations[i] = (uint32_t)ceil(site->generations[2 * i + 1] * share);
	}
}

static void widen(struct track *track, struct life *life)
{
	struct timed_objects *timed = &life->timed;

	for (uint32_t id = 0; id < track->model->n_sites; id++)
		if (is_timed_site(track, life, id))
			merge_site_slices(track, id, timed->n);
	for (int kind = 0; kind < SITE_KINDS; kind++)
		merge_counts(timed->unseen[kind]);
	timed->width *= 2;
	timed->n = (timed->n + 1) / 2;
}

static void begin_slices(struct track *track, struct life *life, uint64_t time)
{
	uint64_t start = life_process(track, life)->start;

	if (start < track->options.from)
		start = track->options.from;
	life->timed.base = start && start < time ? start : time;
	life->timed.width = FIRST_WIDTH;
	life->timed.n = 1;
}

/* The slice that a time lies in, which is the last one so far, or begins now. */
static uint32_t slice_at(struct track *track, struct life *life, uint64_t time)
{
	struct timed_objects *timed = &life->timed;
	uint64_t slice;

	if (!timed->n)
		begin_slices(track, life, time);
	if (time < timed->base)
		return 0;
	for (;;) {
		slice = (time - timed->base) / timed->width;
		if (slice < MODEL_MAX_SLICES &&
		    (slice < MIN_SLICES || (slice + 1) * timed->n_sites <= MAX_CELLS))
			break;
		/* Those in between are there, even if nothing happened in them. */
		timed->n = slice < MODEL_MAX_SLICES ? (uint32_t)slice + 1 : MODEL_MAX_SLICES;
		widen(track, life);
	}
	if (slice >= timed->n)
		timed->n = (uint32_t)slice + 1;
	return (uint32_t)slice;
}

static uint32_t slice_of_object(const struct life *life, const struct timed_object *object)
{
	return object->time < life->timed.base
		       ? 0
		       : (uint32_t)((object->time - life->timed.base) / life->timed.width);
}

/* ---- Sites ------------------------------------------------------------------------------ */

static uint32_t site_of(struct track *track, struct life *life, const struct object_birth *birth)
{
	bool fresh;
	uint64_t *at = map_put(&track->site_of[birth->kind],
			       track_pair(life->process, birth->stack), &fresh);
	uint32_t id;

	if (!fresh)
		return (uint32_t)*at;
	id = track_new_site(track, life, birth->kind, birth->stack);
	*at = id;
	track->model->sites[id].starts = birth->starts;
	if (birth->origin)
		*map_put(&track->site_from[birth->kind],
			 birth->origin ^ (uint64_t)life->process << 48, NULL) = id;
	return id;
}

static void make_room(struct track *track, uint32_t id, uint32_t slice)
{
	struct site *site = &track->model->sites[id];

	if (slice >= track->site_states[id].cap)
		track_make_room(track, id, slice);
	if (!site->alive)
		site->alive = xcalloc(track->site_states[id].cap, sizeof(*site->alive));
}

static void add_tally(struct tally *tally, double est_bytes)
{
	tally->objects++;
	tally->est_bytes += est_bytes;
}

static void take_tally(struct tally *tally, double est_bytes)
{
	tally->objects--;
	/* Where nothing is left, neither are the crumbs of rounding. */
	tally->est_bytes = tally->objects ? tally->est_bytes - est_bytes : 0;
}

/* ---- Births and deaths ------------------------------------------------------------------ */

static void count_birth(struct track *track, struct life *life, const struct timed_object *object)
{
	uint32_t id = object->site, slice = slice_at(track, life, object->time);
	struct site_state *state = &track->site_states[id];
	struct site *site = &track->model->sites[id];

	make_room(track, id, slice);
	track_fill_generations(track, id, life->timed.n - 1);
	if (!site->births++) {
		site->first_birth = object->time;
		site->min_size = object->bytes;
	}
	site->last_birth = object->time;
	site->births_sampled_bytes += object->bytes;
	site->est_births_bytes += object->est_bytes;
	if (object->bytes < site->min_size)
		site->min_size = object->bytes;
	if (object->bytes > site->max_size)
		site->max_size = object->bytes;
	add_tally(&site->born[slice], object->est_bytes);
	state->gen_count += !site->alive[slice].objects;
	add_tally(&site->alive[slice], object->est_bytes);
}

static void count_death(struct track *track, struct life *life, const struct timed_object *object,
			uint64_t time)
{
	uint32_t id = object->site, slice = slice_at(track, life, time);
	uint32_t born = slice_of_object(life, object);
	struct site_state *state = &track->site_states[id];
	struct site *site = &track->model->sites[id];

	if (object->older) {
		site->unmatched_deaths++;
		add_tally(track_unseen(track, id, slice), object->est_bytes);
		return;
	}
	make_room(track, id, slice > born ? slice : born);
	track_fill_generations(track, id, life->timed.n - 1);
	site->deaths++;
	site->deaths_sampled_bytes += object->bytes;
	add_tally(&site->died[slice], object->est_bytes);
	take_tally(&site->alive[born], object->est_bytes);
	state->gen_count -= !site->alive[born].objects;
	if (!state->ages)
		state->ages = xcalloc(MODEL_MAX_SLICES, sizeof(*state->ages));
	state->ages[slice > born ? slice - born : 0]++;
}

static uint32_t new_item(struct timed_objects *timed)
{
	if (timed->n_free)
		return timed->free_items[--timed->n_free];
	xgrow(timed->items, timed->cap_items, timed->n_items + 1);
	return (uint32_t)timed->n_items++;
}

void track_object_born(struct track *track, struct life *life, const struct object_birth *birth)
{
	struct timed_objects *timed = &life->timed;
	bool fresh;
	uint64_t *at = map_put(&timed->alive[birth->kind], birth->key, &fresh);

	if (fresh)
		*at = new_item(timed);
	else if (timed->items[*at].older)
		track->model->sites[timed->items[*at].site].older--;
	else
		count_death(track, life, &timed->items[*at], birth->time);
	timed->items[*at] = (struct timed_object){
		.time = birth->time,
		.bytes = birth->bytes,
		.est_bytes = birth->est_bytes > 0 ? birth->est_bytes : (double)birth->bytes,
		.site = site_of(track, life, birth),
	};
	count_birth(track, life, &timed->items[*at]);
}

void track_object_found(struct track *track, struct life *life, const struct object_birth *birth)
{
	struct timed_objects *timed = &life->timed;
	uint32_t site;
	uint64_t *at;
	bool fresh;

	at = map_put(&timed->alive[birth->kind], birth->key, &fresh);
	if (!fresh)
		return;
	slice_at(track, life, birth->time);
	*at = new_item(timed);
	site = site_of(track, life, birth);
	track->model->sites[site].older++;
	timed->items[*at] = (struct timed_object){
		.time = birth->time,
		.bytes = birth->bytes,
		.est_bytes = (double)birth->bytes,
		.site = site,
		.older = true,
	};
}

static void free_item(struct timed_objects *timed, uint64_t index)
{
	xgrow(timed->free_items, timed->cap_free, timed->n_free + 1);
	timed->free_items[timed->n_free++] = (uint32_t)index;
}

void track_object_forgotten(struct track *track, struct life *life, enum site_kind kind,
			    uint64_t key)
{
	struct timed_objects *timed = &life->timed;
	uint64_t index;

	if (!map_take(&timed->alive[kind], key, &index))
		return;
	track->model->sites[timed->items[index].site].older -= timed->items[index].older;
	free_item(timed, index);
}

void track_objects_begin(struct track *track, struct life *life, enum site_kind kind)
{
	life_process(track, life)->ended_unseen[kind] = 0;
	free(life->timed.unseen[kind]);
	life->timed.unseen[kind] = NULL;
	for (uint32_t id = 0; id < track->model->n_sites; id++) {
		struct site *site = &track->model->sites[id];

		if (!is_timed_site(track, life, id) || site->kind != kind)
			continue;
		site->unmatched_deaths = 0;
		free(site->died_unseen);
		site->died_unseen = NULL;
	}
}

static void count_unseen(struct track *track, struct life *life, enum site_kind kind,
			 uint64_t origin, uint64_t time)
{
	struct timed_objects *timed = &life->timed;
	uint64_t *at = NULL;
	uint32_t slice = slice_at(track, life, time), id;
	struct site *site;

	life_process(track, life)->ended_unseen[kind]++;
	if (origin)
		at = map_find(&track->site_from[kind], origin ^ (uint64_t)life->process << 48);
	if (!at) {
		if (!timed->unseen[kind])
			timed->unseen[kind] = xcalloc(MODEL_MAX_SLICES, sizeof(uint32_t));
		timed->unseen[kind][slice]++;
		return;
	}
	id = (uint32_t)*at;
	site = &track->model->sites[id];
	make_room(track, id, slice);
	site->unmatched_deaths++;
	add_tally(track_unseen(track, id, slice),
		  site->births ? site->est_births_bytes / (double)site->births : 0);
}

bool track_object_died(struct track *track, struct life *life, enum site_kind kind, uint64_t key,
		       uint64_t origin, uint64_t time)
{
	struct timed_objects *timed = &life->timed;
	uint64_t index;

	if (!map_take(&timed->alive[kind], key, &index)) {
		count_unseen(track, life, kind, origin, time);
		return false;
	}
	count_death(track, life, &timed->items[index], time);
	free_item(timed, index);
	return true;
}

void track_object_shrunk(struct track *track, struct life *life, enum site_kind kind, uint64_t key,
			 uint64_t bytes, uint64_t time)
{
	uint64_t *at = map_find(&life->timed.alive[kind], key);
	uint32_t slice = slice_at(track, life, time), born;
	struct timed_object *object;
	struct site *site;
	double less;

	if (!at)
		return;
	object = &life->timed.items[*at];
	if (bytes >= object->bytes)
		return;
	site = &track->model->sites[object->site];
	born = slice_of_object(life, object);
	less = object->est_bytes * (1 - (double)bytes / (double)object->bytes);
	make_room(track, object->site, slice);
	site->died[slice].est_bytes += less;
	site->alive[born].est_bytes -= less;
	site->deaths_sampled_bytes += object->bytes - bytes;
	object->est_bytes -= less;
	object->bytes = bytes;
}

uint32_t track_object_site(const struct life *life, enum site_kind kind, uint64_t key)
{
	const uint64_t *at = map_find(&life->timed.alive[kind], key);

	return at ? life->timed.items[*at].site : UINT32_MAX;
}

/* ---- The end ---------------------------------------------------------------------------- */

static void give_slices(struct track *track, struct life *life)
{
	struct process *process = life_process(track, life);
	uint64_t end = process->end ? process->end : track->model->last_time;
	const struct timed_objects *timed = &life->timed;

	if (end > timed->base)
		slice_at(track, life, end);
	process->n_slices = process->cap_slices = timed->n;
	process->slices = xcalloc(timed->n, sizeof(*process->slices));
	for (uint32_t i = 0; i < timed->n; i++)
		process->slices[i] = (struct epoch){
			.first_cycle = i,
			.last_cycle = i,
			.end_time = timed->base + (i + 1) * timed->width,
		};
	if (end > timed->base + (timed->n - 1) * timed->width &&
	    end < process->slices[timed->n - 1].end_time)
		process->slices[timed->n - 1].end_time = end;
}

static void count_survivor(struct track *track, const struct life *life,
			   const struct timed_object *object)
{
	struct site *site = &track->model->sites[object->site];
	uint32_t age = life->timed.n - 1 - slice_of_object(life, object);

	if (object->older) {
		site->older_live++;
		return;
	}
	site->live++;
	site->locked += object->locks > 0;
	site->live_sampled_bytes += object->bytes;
	site->est_live_bytes += object->est_bytes;
	site->est_live_objects += object->bytes ? object->est_bytes / (double)object->bytes : 1;
	site->est_live_variance += object->est_bytes * (object->est_bytes - (double)object->bytes);
	if (!site->oldest_live || object->time < site->oldest_live)
		site->oldest_live = object->time;
	site->live_at_age[age < MODEL_AGES ? age : MODEL_AGES - 1]++;
}

/*
 * What was there when the recorder came and ended without a word of its site was of some site. A
 * share of it is taken to be of each that keeps objects, so that none is called a leak whose old
 * objects may be ending as fast as new ones come.
 */
static void share_unseen(struct track *track, struct life *life, uint32_t id, uint64_t kept)
{
	struct site *site = &track->model->sites[id];
	const uint32_t *unseen = life->timed.unseen[site->kind];
	double share = kept ? (double)site->live / (double)kept : 0, due = 0, given = 0;
	double mean = site->births ? site->est_births_bytes / (double)site->births : 0;

	if (!unseen || share <= 0)
		return;
	for (uint32_t i = 0; i < life->timed.n; i++) {
		uint32_t n;

		due += share * unseen[i];
		n = (uint32_t)fmax(0, floor(due + 0.5) - given);
		if (!n)
			continue;
		given += n;
		site->unmatched_deaths += n;
		track_unseen(track, id, i)->objects += n;
		site->died_unseen[i].est_bytes += mean * n;
	}
}

static void finish_site(struct track *track, struct life *life, uint32_t id)
{
	struct site_state *state = &track->site_states[id];
	struct site *site = &track->model->sites[id];

	make_room(track, id, life->timed.n - 1);
	track_fill_generations(track, id, life->timed.n);
	track_set_capacity(track, id, life->timed.n);
	for (uint32_t age = 0; state->ages && age < MODEL_MAX_SLICES; age++)
		site->died_at_age[age < MODEL_AGES ? age : MODEL_AGES - 1] += state->ages[age];
	free(state->ages);
	state->ages = NULL;
}

static void free_objects(struct timed_objects *timed)
{
	for (int kind = 0; kind < SITE_KINDS; kind++) {
		map_free(&timed->alive[kind]);
		free(timed->unseen[kind]);
	}
	for (size_t i = 0; i < sizeof(timed->reasons) / sizeof(*timed->reasons); i++)
		free(timed->reasons[i]);
	map_free(&timed->waits);
	free(timed->items);
	free(timed->free_items);
	*timed = (struct timed_objects){0};
}

void track_finish_objects(struct track *track, struct life *life)
{
	struct timed_objects *timed = &life->timed;
	uint64_t kept[SITE_KINDS] = {0}, key, index;

	if (timed->n)
		give_slices(track, life);
	for (int kind = 0; kind < SITE_KINDS; kind++) {
		size_t position = 0;

		kept[kind] = map_count(&timed->alive[kind]);
		while (map_next(&timed->alive[kind], &position, &key, &index))
			count_survivor(track, life, &timed->items[index]);
	}
	track_finish_goroutines(track, life);
	for (uint32_t id = 0; timed->n && id < track->model->n_sites; id++) {
		if (!is_timed_site(track, life, id))
			continue;
		if (life_process(track, life)->attached)
			share_unseen(track, life, id, kept[track->model->sites[id].kind]);
		finish_site(track, life, id);
	}
	free_objects(timed);
}
