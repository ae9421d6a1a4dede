#include "analyze/track_state.h"

#include "formats/xalloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Room for epochs in the arrays of a site at first. */
#define FIRST_EPOCHS 16u
/*
 * Sites times epochs of a process: above it epochs are merged, down to MIN_EPOCHS. An epoch of a
 * site takes 36 to 68 bytes.
 */
#define MAX_CELLS  (2u << 20)
#define MIN_EPOCHS 64u

/* ---- Sites ------------------------------------------------------------------------------ */

uint32_t track_new_site(struct track *track, struct life *life, enum site_kind kind, uint32_t stack)
{
	struct model *model = track->model;
	uint32_t id = (uint32_t)model->n_sites;

	xgrow(model->sites, model->cap_sites, model->n_sites + 1);
	xgrow(track->site_states, track->cap_site_states, model->n_sites + 1);
	model->sites[id] = (struct site){.kind = kind, .process = life->process, .stack = stack};
	track->site_states[id] = (struct site_state){.life = (uint32_t)(life - track->lives)};
	model->n_sites++;
	if (kind == SITE_HEAP)
		life->n_sites++;
	else
		life->timed.n_sites++;
	return id;
}

static uint32_t site_of_stack(struct track *track, struct life *life, uint32_t stack)
{
	bool fresh;
	uint64_t *at =
		map_put(&track->site_of[SITE_HEAP], track_pair(life->process, stack), &fresh);

	if (fresh) {
		*at = track_new_site(track, life, SITE_HEAP, stack);
		track->model->sites[*at].call_chain = true;
	}
	return (uint32_t)*at;
}

static void *grow_array(void *array, size_t size, uint32_t from, uint32_t to)
{
	array = xreallocarray(array, to, size);
	if (to > from)
		memset((uint8_t *)array + from * size, 0, (to - from) * size);
	return array;
}

void track_set_capacity(struct track *track, uint32_t id, uint32_t cap)
{
	struct site_state *state = &track->site_states[id];
	struct site *site = &track->model->sites[id];

	site->born = grow_array(site->born, sizeof(*site->born), state->cap, cap);
	site->died = grow_array(site->died, sizeof(*site->died), state->cap, cap);
	site->generations =
		grow_array(site->generations, sizeof(*site->generations), state->cap, cap);
	if (site->died_unseen)
		site->died_unseen =
			grow_array(site->died_unseen, sizeof(*site->died_unseen), state->cap, cap);
	if (site->alive)
		site->alive = grow_array(site->alive, sizeof(*site->alive), state->cap, cap);
	state->cap = cap;
}

void track_make_room(struct track *track, uint32_t id, uint32_t epoch)
{
	uint32_t cap = track->site_states[id].cap ? track->site_states[id].cap : FIRST_EPOCHS;

	while (cap <= epoch)
		cap *= 2;
	if (cap != track->site_states[id].cap)
		track_set_capacity(track, id, cap);
}

struct tally *track_unseen(struct track *track, uint32_t id, uint32_t epoch)
{
	struct site *site = &track->model->sites[id];

	track_make_room(track, id, epoch);
	if (!site->died_unseen)
		site->died_unseen = xcalloc(track->site_states[id].cap, sizeof(struct tally));
	return &site->died_unseen[epoch];
}

/* ---- Generations ------------------------------------------------------------------------ */

void track_fill_generations(struct track *track, uint32_t id, uint32_t upto)
{
	struct site_state *state = &track->site_states[id];

	if (state->gen_from >= upto)
		return;
	track_make_room(track, id, upto - 1);
	while (state->gen_from < upto)
		track->model->sites[id].generations[state->gen_from++] = state->gen_count;
}

static void count_generation(struct track *track, struct life *life, uint32_t id, int change)
{
	track_fill_generations(track, id, (uint32_t)life_process(track, life)->n_epochs - 1);
	track->site_states[id].gen_count += (uint32_t)change;
}

void track_generation(struct track *track, struct life *life, uint32_t id, uint32_t cycle,
		      int change)
{
	struct site_state *state = &track->site_states[id];
	uint64_t key = track_pair(id, cycle), *at;

	/* Births come in the current cycle: that one is counted without a look-up. */
	if (state->recent_cycle != cycle && change > 0) {
		if (state->recent_count)
			*map_put(&life->generations, track_pair(id, state->recent_cycle), NULL) =
				state->recent_count;
		state->recent_cycle = cycle;
		state->recent_count = 0;
		at = map_find(&life->generations, key);
		if (at) {
			state->recent_count = (uint32_t)*at;
			map_take(&life->generations, key, NULL);
		}
	}
	if (state->recent_cycle == cycle) {
		if (change > 0 && !state->recent_count)
			count_generation(track, life, id, 1);
		state->recent_count += (uint32_t)change;
		if (change < 0 && !state->recent_count)
			count_generation(track, life, id, -1);
		return;
	}
	at = map_find(&life->generations, key);
	if (!at)
		return;
	*at += (uint64_t)(int64_t)change;
	if (!*at) {
		map_take(&life->generations, key, NULL);
		count_generation(track, life, id, -1);
	}
}

/* ---- Epochs ----------------------------------------------------------------------------- */

void track_merge_tallies(struct tally *tallies, uint32_t n)
{
	for (uint32_t i = 0; 2 * i < n; i++) {
		struct tally sum = tallies[2 * i];

		if (2 * i + 1 < n) {
			sum.objects += tallies[2 * i + 1].objects;
			sum.est_bytes += tallies[2 * i + 1].est_bytes;
		}
		tallies[i] = sum;
	}
	memset(&tallies[(n + 1) / 2], 0, (n / 2) * sizeof(*tallies));
}

static void merge_site_epochs(struct track *track, uint32_t id, uint32_t n_epochs)
{
	struct site_state *state = &track->site_states[id];
	struct site *site = &track->model->sites[id];

	track_fill_generations(track, id, n_epochs - 1);
	if (!state->cap)
		return;
	track_merge_tallies(site->born, state->cap);
	track_merge_tallies(site->died, state->cap);
	if (site->died_unseen)
		track_merge_tallies(site->died_unseen, state->cap);
	/* Of two epochs the end of the second counts; the last epoch has not ended. */
	state->gen_from = (n_epochs - 1) / 2;
	for (uint32_t i = 0; i < state->gen_from; i++)
		site->generations[i] = site->generations[2 * i + 1];
}

/* Makes each epoch twice as wide. */
static void widen(struct track *track, struct life *life)
{
	struct process *process = life_process(track, life);
	uint32_t n = (uint32_t)process->n_epochs;

	for (uint32_t id = 0; id < track->model->n_sites; id++)
		if (track->model->sites[id].process == life->process &&
		    track->model->sites[id].kind == SITE_HEAP && !track->site_states[id].gone)
			merge_site_epochs(track, id, n);
	life->width *= 2;
	for (uint32_t i = 0; 2 * i < n; i++) {
		struct epoch merged = process->epochs[2 * i];

		merged.last_cycle = merged.first_cycle + life->width - 1;
		merged.end_time = 0;
		if (2 * i + 1 < n) {
			const struct epoch *second = &process->epochs[2 * i + 1];

			merged.end_time = second->end_time;
			if (second->heap_live || second->heap_goal) {
				merged.heap_live = second->heap_live;
				merged.heap_goal = second->heap_goal;
			}
		}
		process->epochs[i] = merged;
	}
	process->n_epochs = (n + 1) / 2;
}

static bool too_many(const struct life *life, uint64_t n_epochs)
{
	return n_epochs > MODEL_MAX_EPOCHS ||
	       (n_epochs > MIN_EPOCHS && n_epochs * life->n_sites > MAX_CELLS);
}

void track_advance(struct track *track, struct life *life, uint32_t cycle, uint64_t time)
{
	struct process *process = life_process(track, life);

	if (life->has_cycle && cycle <= life->cycle)
		return;
	if (!life->has_cycle) {
		life->has_cycle = true;
		life->base = cycle;
	}
	life->cycle = cycle;
	if (track_snapshots(track))
		snapshots_cycle(track->model->snapshots, life->process, time, cycle, 0);
	while (too_many(life, (uint64_t)(cycle - life->base) / life->width + 1))
		widen(track, life);
	while (process->n_epochs <= (cycle - life->base) / life->width) {
		uint64_t first = life->base + (uint64_t)process->n_epochs * life->width;

		/* Where the mark termination was not seen, it lies before the first event of the
		 * next cycle. */
		if (process->n_epochs && !process->epochs[process->n_epochs - 1].end_time)
			process->epochs[process->n_epochs - 1].end_time = time;
		xgrow(process->epochs, process->cap_epochs, process->n_epochs + 1);
		process->epochs[process->n_epochs++] = (struct epoch){
			.first_cycle = first,
			.last_cycle = first + life->width - 1,
		};
	}
}

uint32_t track_epoch(struct track *track, struct life *life, uint32_t site, uint32_t cycle)
{
	uint32_t epoch = (cycle - life->base) / life->width;

	if (epoch >= track->site_states[site].cap)
		track_make_room(track, site, epoch);
	return epoch;
}

/* ---- Buckets ---------------------------------------------------------------------------- */

/* What one sample stands for (runtime/pprof/protomem.go, scaleHeapSample). */
static double scaled(uint64_t size, uint64_t rate)
{
	if (rate <= 1 || !size)
		return (double)size;
	return (double)size / -expm1(-(double)size / (double)rate);
}

static uint32_t new_bucket(struct track *track, struct life *life, const struct bucket *bucket)
{
	struct bucket *added;

	xgrow(life->buckets, life->cap_buckets, life->n_buckets + 1);
	added = &life->buckets[life->n_buckets];
	*added = *bucket;
	added->rate_generation = life->rate_generation;
	added->est_bytes = scaled(bucket->size, life->rate);
	if (added->check == NONE && added->address)
		added->check = tablecheck_slot(track->check, life->process, added->address);
	return (uint32_t)life->n_buckets++;
}

/* A sample weighs what it weighed when it was taken: a new rate begins a new generation. */
static struct bucket *at_current_rate(struct track *track, struct life *life, uint64_t *at)
{
	struct bucket copy = life->buckets[*at];

	if (copy.rate_generation != life->rate_generation)
		*at = new_bucket(track, life, &copy);
	return &life->buckets[*at];
}

static void weigh_tallies(struct tally *tallies, uint32_t n, double est_bytes)
{
	for (uint32_t i = 0; tallies && i < n; i++)
		tallies[i].est_bytes = tallies[i].objects * est_bytes;
}

/* Births of a bucket whose size was not known then; its site is its own until its stack is. */
static void weigh_births(struct track *track, const struct bucket *bucket)
{
	struct site *site = &track->model->sites[bucket->site];
	uint32_t cap = track->site_states[bucket->site].cap;

	weigh_tallies(site->born, cap, bucket->est_bytes);
	weigh_tallies(site->died, cap, bucket->est_bytes);
	weigh_tallies(site->died_unseen, cap, bucket->est_bytes);
	site->births_sampled_bytes = site->births * bucket->size;
	site->deaths_sampled_bytes = site->deaths * bucket->size;
	site->est_births_bytes = (double)site->births * bucket->est_bytes;
	site->near_est_bytes = (double)site->near_births * bucket->est_bytes;
	site->min_size = site->births ? bucket->size : 0;
	site->max_size = site->min_size;
}

static void set_size(struct track *track, struct life *life, struct bucket *bucket, uint64_t size)
{
	if (bucket->size || !size)
		return;
	bucket->size = size;
	bucket->est_bytes = scaled(size, life->rate);
	if (bucket->partial)
		weigh_births(track, bucket);
}

/* A bucket whose stack is not known has a site of its own, until a note tells. */
struct bucket *track_bucket(struct track *track, struct life *life, uint64_t address, uint64_t size)
{
	struct bucket *bucket;
	bool fresh;
	uint64_t *at = map_put(&life->bucket_of, address, &fresh);

	if (fresh) {
		uint32_t empty = stackset_intern(&track->stacks, NULL, 0);

		*at = new_bucket(track, life,
				 &(struct bucket){
					 .address = address,
					 .size = size,
					 .site = track_new_site(track, life, SITE_HEAP, empty),
					 .check = NONE,
					 .partial = true,
				 });
	}
	bucket = at_current_rate(track, life, at);
	set_size(track, life, bucket, size);
	return bucket;
}

static void add_tallies(struct tally *to, const struct tally *from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		to[i].objects += from[i].objects;
		to[i].est_bytes += from[i].est_bytes;
	}
}

/*
 * The objects alive of each birth cycle become those of the other site. Of the past only the
 * larger number is kept: which generations both had then is not known any more.
 */
static void move_generations(struct track *track, struct life *life, uint32_t from, uint32_t to)
{
	struct site_state *state = &track->site_states[from];

	for (uint64_t cycle = state->first_cycle; cycle <= life->cycle; cycle++) {
		uint64_t n = 0;

		if (cycle == state->recent_cycle)
			n = state->recent_count;
		else
			map_take(&life->generations, track_pair(from, (uint32_t)cycle), &n);
		for (; n; n--)
			track_generation(track, life, to, (uint32_t)cycle, 1);
	}
}

static void add_counts(struct site *to, const struct site *from)
{
	to->births += from->births;
	to->deaths += from->deaths;
	to->births_sampled_bytes += from->births_sampled_bytes;
	to->deaths_sampled_bytes += from->deaths_sampled_bytes;
	to->unmatched_deaths += from->unmatched_deaths;
	to->est_births_bytes += from->est_births_bytes;
	to->near_births += from->near_births;
	to->near_est_bytes += from->near_est_bytes;
	to->paged_objects += from->paged_objects;
	to->untouched_objects += from->untouched_objects;
	to->paged_est_bytes += from->paged_est_bytes;
	to->untouched_est_bytes += from->untouched_est_bytes;
	if (from->min_size && (!to->min_size || from->min_size < to->min_size))
		to->min_size = from->min_size;
	if (from->max_size > to->max_size)
		to->max_size = from->max_size;
	if (from->first_birth && (!to->first_birth || from->first_birth < to->first_birth))
		to->first_birth = from->first_birth;
	if (from->last_birth > to->last_birth)
		to->last_birth = from->last_birth;
	for (int i = 0; i < MODEL_AGES; i++)
		to->died_at_age[i] += from->died_at_age[i];
}

/* Two buckets turn out to be of one site: one size each. */
static void merge_sites(struct track *track, struct life *life, uint32_t from, uint32_t to)
{
	uint32_t n_epochs = (uint32_t)life_process(track, life)->n_epochs;
	struct site_state *state = &track->site_states[from];
	struct site *source = &track->model->sites[from], *target = &track->model->sites[to];

	if (state->cap && n_epochs) {
		track_fill_generations(track, from, n_epochs - 1);
		track_fill_generations(track, to, n_epochs - 1);
		track_make_room(track, to, state->cap - 1);
		for (uint32_t i = 0; i < n_epochs - 1; i++)
			if (source->generations[i] > target->generations[i])
				target->generations[i] = source->generations[i];
		add_tallies(target->born, source->born, state->cap);
		add_tallies(target->died, source->died, state->cap);
		if (source->died_unseen) {
			track_unseen(track, to, state->cap - 1);
			add_tallies(target->died_unseen, source->died_unseen, state->cap);
		}
		move_generations(track, life, from, to);
	}
	add_counts(target, source);
	track->site_states[to].seeded |= state->seeded;
	if (track->model->snapshots)
		snapshots_merge(track->model->snapshots, from, to);
	free(source->born);
	free(source->died);
	free(source->died_unseen);
	free(source->generations);
	*source = (struct site){.process = life->process};
	state->gone = true;
	life->n_sites--;
}

/* The whole stack of a bucket is known at last. */
static void complete(struct track *track, struct life *life, struct bucket *bucket, uint32_t stack)
{
	uint32_t own = bucket->site, site;
	bool fresh;
	uint64_t *at;

	if (!bucket->partial)
		return;
	at = map_put(&track->site_of[SITE_HEAP], track_pair(life->process, stack), &fresh);
	if (fresh) {
		*at = own;
		track->model->sites[own].stack = stack;
		track->model->sites[own].call_chain = false;
		bucket->partial = false;
		return;
	}
	site = (uint32_t)*at;
	/* The bucket's other generations, for other rates, are of the same site. */
	if (site != own)
		merge_sites(track, life, own, site);
	for (size_t i = 0; i < life->n_buckets; i++) {
		if (life->buckets[i].site != own)
			continue;
		life->buckets[i].site = site;
		life->buckets[i].partial = false;
	}
}

/* The stack of a birth that names its bucket: complete, its beginning, or nothing of use. */
static void learn_stack(struct track *track, struct life *life, struct bucket *bucket,
			const struct event *event)
{
	uint64_t first = 0;
	uint32_t stack;

	if (event->n_stack)
		memcpy(&first, event->stack, sizeof(first));
	/* A fetch that failed reads as zeros. */
	if (!first)
		return;
	stack = stackset_intern(&track->stacks, event->stack, event->n_stack);
	if (event->stack_from_bucket && event->v[FIELD_NSTK] == event->n_stack)
		complete(track, life, bucket, stack);
	else {
		track->model->sites[bucket->site].stack = stack;
		track->model->sites[bucket->site].call_chain = !event->stack_from_bucket;
	}
}

/* Without a bucket the stack itself says which site it is. */
static struct bucket *nameless_bucket(struct track *track, struct life *life,
				      const struct event *event)
{
	uint64_t size = event->v[FIELD_SIZE], *at;
	uint32_t site = site_of_stack(
		track, life, stackset_intern(&track->stacks, event->stack, event->n_stack));
	bool fresh;

	at = map_put(&life->bucket_of_site, track_pair(site, (uint32_t)(size ^ size >> 32)),
		     &fresh);
	if (fresh)
		*at = new_bucket(track, life,
				 &(struct bucket){.size = size, .site = site, .check = NONE});
	return at_current_rate(track, life, at);
}

struct bucket *track_bucket_at_birth(struct track *track, struct life *life,
				     const struct event *event)
{
	struct bucket *bucket;

	if (!event->v[FIELD_B])
		return nameless_bucket(track, life, event);
	bucket = track_bucket(track, life, event->v[FIELD_B], event->v[FIELD_SIZE]);
	if (bucket->partial)
		learn_stack(track, life, bucket, event);
	return bucket;
}

void track_bucket_note(struct track *track, uint64_t time, const struct note_bucket *note)
{
	struct life *life = track_life_of_note(track, note->pid, time);
	struct bucket *bucket = track_bucket(track, life, note->address, note->size);

	complete(track, life, bucket,
		 stackset_intern(&track->stacks, note->stack, (uint32_t)note->n_stack));
}

void track_finish_sites(struct track *track, struct life *life)
{
	uint32_t n = (uint32_t)life_process(track, life)->n_epochs;

	/* What is known of a stack by now is all that will be. */
	for (size_t i = 0; i < life->n_buckets; i++)
		complete(track, life, &life->buckets[i],
			 track->model->sites[life->buckets[i].site].stack);
	for (uint32_t id = 0; n && id < track->model->n_sites; id++) {
		if (track->model->sites[id].process != life->process ||
		    track->model->sites[id].kind != SITE_HEAP || track->site_states[id].gone)
			continue;
		track_fill_generations(track, id, n);
		track_set_capacity(track, id, n);
	}
}
