#include "analyze/track_objects.h"
#include "formats/xalloc.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What the runtime gives a goroutine at least (runtime/stack.go, stackMin), where its bounds are
 * not known. */
#define LEAST_STACK 2048u
#define MOST_STACK  ((uint64_t)1 << 30)

static uint64_t stack_bytes(uint64_t lo, uint64_t hi)
{
	return hi > lo && hi - lo >= LEAST_STACK && hi - lo <= MOST_STACK ? hi - lo : LEAST_STACK;
}

/*
 * Who made it: the call chain from the go statement outwards. What lies further in is the runtime's
 * own; and where the go statement is not in the chain, the chain is not its.
 */
static uint32_t creation_stack(struct track *track, const struct event *event)
{
	uint64_t caller = event->v[FIELD_CALLERPC], pc;
	const uint8_t *stack = event->stack;

	for (uint32_t i = 0; caller && i < event->n_stack; i++) {
		memcpy(&pc, stack + i * sizeof(pc), sizeof(pc));
		if (pc == caller)
			return stackset_intern(&track->stacks, stack + i * sizeof(pc),
					       event->n_stack - i);
	}
	if (caller)
		return stackset_intern(&track->stacks, &caller, 1);
	return stackset_intern(&track->stacks, event->stack, event->n_stack);
}

static struct object_birth birth_of(struct track *track, const struct event *event)
{
	return (struct object_birth){
		.kind = SITE_GOROUTINE,
		.key = event->v[FIELD_GOID],
		.stack = creation_stack(track, event),
		.origin = event->v[FIELD_CALLERPC],
		.starts = event->v[FIELD_FN],
		.bytes = stack_bytes(event->v[FIELD_LO], event->v[FIELD_HI]),
		.time = event->time,
	};
}

void track_go_create(struct track *track, const struct event *event)
{
	struct life *life = track_life(track, event->pid, event->time);
	struct object_birth birth;

	life->last_sign = event->time;
	if (!event->v[FIELD_GOID])
		return;
	birth = birth_of(track, event);
	track_object_born(track, life, &birth);
}

/* One of which nothing is known but where it was made: the go statement is its stack. */
static void found_at(struct track *track, struct life *life, const struct note_goroutine *goroutine,
		     uint64_t time)
{
	track_object_found(track, life,
			   &(struct object_birth){
				   .kind = SITE_GOROUTINE,
				   .key = goroutine->goid,
				   .stack = stackset_intern(&track->stacks, &goroutine->gopc, 1),
				   .origin = goroutine->gopc,
				   .starts = goroutine->startpc,
				   .bytes = stack_bytes(0, goroutine->stack),
				   .time = time,
			   });
}

void track_go_exit(struct track *track, const struct event *event)
{
	struct life *life = track_life(track, event->pid, event->time);
	uint64_t listed = life_process(track, life)->goroutines_listed;

	life->last_sign = event->time;
	if (!event->v[FIELD_GOID])
		return;
	/* The list may lack one that ended while it was read, or has no place for it. */
	if (listed && event->time >= listed && event->v[FIELD_CALLERPC])
		found_at(track, life,
			 &(struct note_goroutine){.goid = event->v[FIELD_GOID],
						  .gopc = event->v[FIELD_CALLERPC],
						  .startpc = event->v[FIELD_FN]},
			 listed);
	track_object_died(track, life, SITE_GOROUTINE, event->v[FIELD_GOID],
			  event->v[FIELD_CALLERPC], event->time);
}

void track_go_before(struct track *track, const struct event *event)
{
	struct life *life = track_life(track, event->pid, event->time);
	struct object_birth birth;

	if (!event->v[FIELD_GOID])
		return;
	if (event->kind == EVENT_GO_EXIT) {
		track_object_forgotten(track, life, SITE_GOROUTINE, event->v[FIELD_GOID]);
		return;
	}
	birth = birth_of(track, event);
	birth.time = track->options.from;
	track_object_found(track, life, &birth);
}

/* The locks of a goroutine nest. Those of one that began before the recording are of no use. */
void track_lock_thread(struct track *track, const struct event *event)
{
	struct life *life = track_life(track, event->pid, event->time);
	uint64_t *at = map_find(&life->timed.alive[SITE_GOROUTINE], event->v[FIELD_GOID]);
	struct timed_object *goroutine = at ? &life->timed.items[*at] : NULL;

	if (!goroutine)
		return;
	if (event->kind == EVENT_LOCK_THREAD)
		goroutine->locks++;
	else if (goroutine->locks)
		goroutine->locks--;
}

/* ---- Those that were there before --------------------------------------------------------- */

/* What the reasons are called; of another process's memory, so that anything may stand there. */
static void learn_reasons(struct life *life, const struct note_goroutines *note)
{
	for (size_t i = 0; i < note->n_reasons; i++) {
		const struct note_wait_reason *reason = &note->reasons[i];
		char **known = &life->timed.reasons[reason->reason];
		const char *at = reason->text;

		while (isprint((unsigned char)*at))
			at++;
		if (!*known && !*at && at != reason->text &&
		    at - reason->text <= NOTE_GOROUTINES_MAX_REASON)
			*known = xstrdup(reason->text);
	}
}

/* How many of a site wait for the same thing, and since when. */
static void count_waiting(struct track *track, struct life *life, uint32_t id,
			  const struct note_goroutine *goroutine)
{
	struct site *site = &track->model->sites[id];

	if (goroutine->wait_since &&
	    (!site->waits_since || goroutine->wait_since < site->waits_since))
		site->waits_since = goroutine->wait_since;
	if (goroutine->reason)
		++*map_put(&life->timed.waits, track_pair(id, goroutine->reason), NULL);
}

/* Whether it is of the first list. A later one is of those that are known, but for what was lost.
 */
static bool is_first(struct track *track, struct life *life, uint64_t time,
		     const struct note_goroutines *note)
{
	struct process *process = life_process(track, life);

	if (!process->goroutines_listed) {
		track_objects_begin(track, life, SITE_GOROUTINE);
		process->goroutines_listed = time;
		process->goroutines_left_out = note->left_out;
		life->timed.listed = note->begin;
	}
	return life->timed.listed == note->begin;
}

void track_goroutines_note(struct track *track, uint64_t time, const struct note_goroutines *note)
{
	struct life *life = track_life_of_note(track, note->pid, time);
	uint64_t at = time < track->options.from ? track->options.from : time;
	bool first = is_first(track, life, at, note);

	learn_reasons(life, note);
	for (size_t i = 0; i < note->n_entries; i++) {
		const struct note_goroutine *goroutine = &note->entries[i];
		uint32_t site;

		if (!goroutine->goid)
			continue;
		found_at(track, life, goroutine, at);
		site = track_object_site(life, SITE_GOROUTINE, goroutine->goid);
		if (first && site != UINT32_MAX)
			count_waiting(track, life, site, goroutine);
	}
}

/* For what most of them waited. */
static void give_reasons(struct track *track, struct life *life)
{
	uint64_t key, n;
	size_t position = 0;

	while (map_next(&life->timed.waits, &position, &key, &n)) {
		struct site *site = &track->model->sites[key >> 32];
		const char *reason = life->timed.reasons[key & 0xff];

		if (n < site->waiting || (n == site->waiting && site->waits_for))
			continue;
		site->waiting = n;
		free(site->waits_for);
		site->waits_for = reason ? xstrdup(reason) : NULL;
	}
}

/* The go statement of a site of this life's goroutines; 0: it is none. */
static uint64_t statement_of(const struct track *track, const struct life *life, uint32_t id)
{
	const struct site *site = &track->model->sites[id];
	const uint64_t *pcs;
	uint32_t n;

	if (site->process != life->process || site->kind != SITE_GOROUTINE)
		return 0;
	pcs = stackset_pcs(&track->stacks, site->stack, &n);
	return n ? pcs[0] : 0;
}

/* A go statement whose goroutines ended that were there before, and the ways that lead to it. */
struct ends {
	uint32_t site;
	struct way {
		uint32_t site;
		double upto; /* births by it and those in front of it */
	} * ways;
	size_t n, cap;
};

static struct ends *find_ends(struct track *track, struct life *life, struct map *of, size_t *n)
{
	struct ends *ends = NULL;
	size_t cap = 0;

	for (uint32_t id = 0; id < track->model->n_sites; id++) {
		const struct site *site = &track->model->sites[id];
		uint64_t pc = statement_of(track, life, id);

		if (!pc || !site->older || site->births || !site->died_unseen)
			continue;
		track_make_room(track, id, life->timed.n - 1);
		*map_put(of, pc, NULL) = *n;
		xgrow(ends, cap, *n + 1);
		ends[(*n)++] = (struct ends){.site = id};
	}
	return ends;
}

static void find_ways(struct track *track, struct life *life, struct ends *ends,
		      const struct map *of)
{
	for (uint32_t id = 0; id < track->model->n_sites; id++) {
		const uint64_t *at = map_find(of, statement_of(track, life, id));
		double births = (double)track->model->sites[id].births;
		struct ends *to = at ? &ends[*at] : NULL;

		if (!to || births <= 0)
			continue;
		xgrow(to->ways, to->cap, to->n + 1);
		to->ways[to->n] = (struct way){id, births};
		if (to->n)
			to->ways[to->n].upto += to->ways[to->n - 1].upto;
		to->n++;
	}
}

/* The way of the nth end: near to each other they go different ways, each its share of them. */
static uint32_t way_of(const struct ends *ends, double n)
{
	const double golden = 0.6180339887498949;
	double place = (n * golden - floor(n * golden)) * ends->ways[ends->n - 1].upto;
	size_t low = 0, high = ends->n - 1;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ends->ways[middle].upto > place)
			high = middle;
		else
			low = middle + 1;
	}
	return ends->ways[low].site;
}

static void divide(struct track *track, struct life *life, const struct ends *ends)
{
	struct site *sites = track->model->sites, *from = &sites[ends->site];
	double n = 0;

	for (uint32_t slice = 0; slice < life->timed.n; slice++) {
		const struct tally all = from->died_unseen[slice];

		for (uint32_t i = 0; i < all.objects; i++) {
			uint32_t to = way_of(ends, n++);
			struct tally *tally = track_unseen(track, to, slice);

			tally->objects++;
			tally->est_bytes += all.est_bytes / all.objects;
			sites[to].unmatched_deaths++;
		}
	}
	from->unmatched_deaths = 0;
	free(from->died_unseen);
	from->died_unseen = NULL;
}

/*
 * Of those that were there before it is known which go statement made them, not by which way the
 * program came there: their ends are divided among the ways that were seen, so that none of these
 * is called a leak whose old goroutines end as fast as new ones come.
 */
static void divide_ends(struct track *track, struct life *life)
{
	struct map of = {0};
	size_t n = 0;
	struct ends *ends = find_ends(track, life, &of, &n);

	if (n)
		find_ways(track, life, ends, &of);
	for (size_t i = 0; i < n; i++) {
		if (ends[i].n)
			divide(track, life, &ends[i]);
		free(ends[i].ways);
	}
	map_free(&of);
	free(ends);
}

void track_finish_goroutines(struct track *track, struct life *life)
{
	give_reasons(track, life);
	if (life->timed.n)
		divide_ends(track, life);
}
