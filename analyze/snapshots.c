#include "analyze/snapshots.h"

#include "analyze/model.h"
#include "analyze/snapshot_ring.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define SETTLE	    3	 /* the snapshot of a dump of cycle P is taken when cycle P + 3 begins */
#define LOG_MAX	    4096 /* events remembered for the first reading; it takes milliseconds */
#define UNSET_CYCLE INT64_MIN

struct site_rings {
	struct ring *seen, *older; /* NULL: nothing yet */
};

/* A dump in one process. */
struct place {
	struct snapshot snapshot;
	bool placed, taken, taken_now;
};

struct target {
	uint64_t wall;
	uint32_t gc_number;
	uint64_t time; /* of wall on the trace's clock; 0: not known yet */
	bool passed;   /* the trace has come to it */
	struct place *places;
	size_t n_places, cap_places; /* by process */
};

/* An event before the first reading of the table, which may or may not be in it. */
struct logged {
	uint64_t time, size;
	int64_t cycle;
	uint32_t site;
	enum { LOGGED_BIRTH, LOGGED_DEATH, LOGGED_OLDER_DEATH } kind;
};

struct process_state {
	uint64_t first_time;
	int64_t first_cycle, cycle; /* UNSET_CYCLE: none seen */
	int64_t gc_offset; /* profile cycle - number of the GC cycle: 0, as both count from 0 */
	int64_t seed_cycle;
	bool seeded;
	struct logged *log; /* the last LOG_MAX, until the first reading */
	size_t n_log, cap_log;
};

struct snapshots {
	const struct model *model;
	struct target *targets;
	size_t n_targets, cap_targets;
	struct site_rings *sites;
	size_t n_sites, cap_sites;
	struct process_state *processes;
	size_t n_processes, cap_processes;
	size_t n_clocks;   /* of the model's clock pairs are in the targets' times */
	uint64_t next_now; /* the earliest time at which a `now` is to be taken */
};

struct snapshots *snapshots_new(const struct model *model)
{
	struct snapshots *s = xcalloc(1, sizeof(*s));

	s->model = model;
	s->next_now = UINT64_MAX;
	return s;
}

void snapshots_free(struct snapshots *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_targets; i++) {
		for (size_t k = 0; k < s->targets[i].n_places; k++)
			free(s->targets[i].places[k].snapshot.rows);
		free(s->targets[i].places);
	}
	for (size_t i = 0; i < s->n_sites; i++) {
		free(s->sites[i].seen);
		free(s->sites[i].older);
	}
	for (size_t i = 0; i < s->n_processes; i++)
		free(s->processes[i].log);
	free(s->targets);
	free(s->sites);
	free(s->processes);
	free(s);
}

uint32_t snapshots_want(struct snapshots *s, uint64_t wall, uint64_t gc_number)
{
	xgrow(s->targets, s->cap_targets, s->n_targets + 1);
	s->targets[s->n_targets] = (struct target){.wall = wall, .gc_number = (uint32_t)gc_number};
	return (uint32_t)s->n_targets++;
}

static struct ring *site_ring(struct snapshots *s, uint32_t site, bool older)
{
	struct ring **ring;

	if (site >= s->n_sites) {
		xgrow(s->sites, s->cap_sites, (size_t)site + 1);
		memset(s->sites + s->n_sites, 0,
		       ((size_t)site + 1 - s->n_sites) * sizeof(*s->sites));
		s->n_sites = (size_t)site + 1;
	}
	ring = older ? &s->sites[site].older : &s->sites[site].seen;
	if (!*ring)
		*ring = xcalloc(1, sizeof(**ring));
	return *ring;
}

static struct process_state *process_state(struct snapshots *s, uint32_t process)
{
	while (process >= s->n_processes) {
		xgrow(s->processes, s->cap_processes, s->n_processes + 1);
		s->processes[s->n_processes++] = (struct process_state){.cycle = UNSET_CYCLE};
	}
	return &s->processes[process];
}

/* ---- Taking snapshots --------------------------------------------------------------------- */

static struct place *target_place(struct target *target, uint32_t process)
{
	while (process >= target->n_places) {
		xgrow(target->places, target->cap_places, target->n_places + 1);
		target->places[target->n_places] =
			(struct place){.snapshot = {.process = (uint32_t)target->n_places}};
		target->n_places++;
	}
	return &target->places[process];
}

static uint32_t site_process(const struct snapshots *s, size_t site)
{
	return site < s->model->n_sites ? s->model->sites[site].process : UINT32_MAX;
}

static bool is_zero(const struct snapshot_row *row)
{
	static const struct snapshot_count zero[SNAPSHOT_STATES + 1];

	return !memcmp(row->born_seen, zero, sizeof(zero)) &&
	       !memcmp(row->older, zero, sizeof(zero));
}

static void add_row(struct snapshot *snapshot, const struct snapshot_row *row)
{
	if (is_zero(row))
		return;
	xgrow(snapshot->rows, snapshot->cap_rows, snapshot->n_rows + 1);
	snapshot->rows[snapshot->n_rows++] = *row;
}

static void take(struct snapshots *s, struct place *place)
{
	struct snapshot *snapshot = &place->snapshot;

	place->taken = true;
	snapshot->seeded = process_state(s, snapshot->process)->seeded;
	for (size_t site = 0; site < s->n_sites; site++) {
		struct snapshot_row row = {.site = (uint32_t)site};

		if (site_process(s, site) != snapshot->process)
			continue;
		for (int i = 0; i < SNAPSHOT_STATES; i++) {
			row.born_seen[i] =
				ring_state(s->sites[site].seen, snapshot->first_state + i);
			/* Without the table there are deaths here, and no births. */
			if (snapshot->seeded)
				row.older[i] =
					ring_state(s->sites[site].older, snapshot->first_state + i);
		}
		add_row(snapshot, &row);
	}
}

/* Everything so far, for a dump of before the first publication. */
static void take_now(struct snapshots *s, struct place *place)
{
	struct snapshot *snapshot = &place->snapshot;

	place->taken_now = snapshot->has_now = true;
	for (size_t site = 0; site < s->n_sites; site++) {
		struct snapshot_row row = {.site = (uint32_t)site};

		if (site_process(s, site) != snapshot->process)
			continue;
		row.born_seen[SNAPSHOT_NOW] = ring_state(s->sites[site].seen, INT64_MAX);
		if (process_state(s, snapshot->process)->seeded)
			row.older[SNAPSHOT_NOW] = ring_state(s->sites[site].older, INT64_MAX);
		add_row(snapshot, &row);
	}
}

static void set_place(struct place *place, uint64_t time, int64_t cycle)
{
	place->placed = true;
	place->snapshot.time = time;
	place->snapshot.prof_cycle = (uint64_t)cycle;
	place->snapshot.first_state = cycle - 2;
}

/* Puts the targets' times on the trace's clock, as far as its clock pairs are known by now. */
static void find_times(struct snapshots *s)
{
	s->n_clocks = s->model->n_clocks;
	s->next_now = UINT64_MAX;
	for (size_t i = 0; i < s->n_targets; i++) {
		struct target *target = &s->targets[i];

		if (!target->wall || target->passed)
			continue;
		target->time = model_trace_time(s->model, target->wall);
		if (!target->time)
			target->time = 1; /* long before the trace */
		if (target->time < s->next_now)
			s->next_now = target->time;
	}
}

/* At the first event after a target's time: take `now` where it may be what the dump shows. */
static void pass_times(struct snapshots *s, uint64_t time)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < s->n_targets; i++) {
		struct target *target = &s->targets[i];

		if (!target->time || target->passed)
			continue;
		if (target->time >= time) {
			next = target->time < next ? target->time : next;
			continue;
		}
		target->passed = true;
		for (uint32_t p = 0; p < s->n_processes; p++) {
			struct process_state *process = &s->processes[p];

			if (process->cycle == UNSET_CYCLE || process->first_time > target->time ||
			    target_place(target, p)->placed)
				continue;
			set_place(&target->places[p], target->time, process->cycle);
			if (process->cycle < 2)
				take_now(s, &target->places[p]);
		}
	}
	s->next_now = next;
}

static void at_time(struct snapshots *s, uint64_t time)
{
	if (s->n_clocks != s->model->n_clocks)
		find_times(s);
	if (time > s->next_now)
		pass_times(s, time);
}

/* ---- For track ---------------------------------------------------------------------------- */

static void log_event(struct process_state *process, const struct logged *event)
{
	if (process->seeded)
		return;
	if (process->n_log < LOG_MAX)
		xgrow(process->log, process->cap_log, process->n_log + 1);
	process->log[process->n_log++ % LOG_MAX] = *event;
}

static void book(struct snapshots *s, const struct logged *event)
{
	struct ring *ring = site_ring(s, event->site, event->kind == LOGGED_OLDER_DEATH);

	if (event->kind == LOGGED_BIRTH)
		ring_birth(ring, event->cycle, 1, event->size);
	else
		ring_death(ring, event->cycle, 1, event->size);
}

static void on_event(struct snapshots *s, const struct logged *event)
{
	uint32_t process = site_process(s, event->site);

	at_time(s, event->time);
	if (process != UINT32_MAX)
		log_event(process_state(s, process), event);
	book(s, event);
}

void snapshots_birth(struct snapshots *s, uint32_t site, uint64_t time, uint32_t cycle,
		     uint64_t size)
{
	on_event(s, &(struct logged){.time = time,
				     .size = size,
				     .cycle = cycle,
				     .site = site,
				     .kind = LOGGED_BIRTH});
}

void snapshots_death(struct snapshots *s, uint32_t site, uint64_t time, uint32_t cycle,
		     uint64_t size, bool seen_born)
{
	on_event(s, &(struct logged){.time = time,
				     .size = size,
				     .cycle = cycle,
				     .site = site,
				     .kind = seen_born ? LOGGED_DEATH : LOGGED_OLDER_DEATH});
}

/* The profile cycle of a dump that has its GC cycle's number. */
static int64_t numbered_cycle(const struct target *target, const struct process_state *process)
{
	return (int64_t)target->gc_number + process->gc_offset;
}

void snapshots_cycle(struct snapshots *s, uint32_t process, uint64_t time, uint32_t cycle,
		     uint64_t gc_number)
{
	struct process_state *state = process_state(s, process);

	at_time(s, time);
	if (state->cycle == UNSET_CYCLE) {
		state->first_time = time;
		state->first_cycle = cycle;
	} else if (cycle < state->cycle) {
		return;
	}
	state->cycle = cycle;
	if (gc_number && gc_number <= UINT32_MAX)
		state->gc_offset = (int64_t)cycle - (int64_t)gc_number;
	for (size_t i = 0; i < s->n_targets; i++) {
		struct target *target = &s->targets[i];
		struct place *place = target_place(target, process);
		int64_t numbered = numbered_cycle(target, state);

		if (!place->placed && !target->wall && numbered >= state->first_cycle &&
		    numbered <= state->cycle)
			set_place(place, 0, numbered);
		if (place->placed && !place->taken &&
		    state->cycle >= (int64_t)place->snapshot.prof_cycle + SETTLE)
			take(s, place);
	}
}

/*
 * The table holds what had happened when it was read: everything so far, except the events in the
 * log from the middle of the reading on. (A stable reading is two equal passes: what changed during
 * it changed before the first pass came by or after the second.)
 */
void snapshots_reading(struct snapshots *s, uint32_t process, uint64_t begin, uint64_t end,
		       uint32_t cycle)
{
	struct process_state *state = process_state(s, process);
	uint64_t middle = begin + (end - begin) / 2;
	size_t n = state->n_log < LOG_MAX ? state->n_log : LOG_MAX;

	if (state->seeded)
		return;
	/* Where nothing has happened yet it also tells which cycle this is. */
	if (state->cycle == UNSET_CYCLE)
		snapshots_cycle(s, process, begin, cycle, 0);
	state->seeded = true;
	state->seed_cycle = cycle;
	for (uint32_t site = 0; site < s->n_sites; site++) {
		if (site_process(s, site) != process)
			continue;
		free(s->sites[site].older);
		s->sites[site].older = NULL;
		if (s->sites[site].seen)
			ring_add(site_ring(s, site, true), s->sites[site].seen, -1);
	}
	for (size_t i = 0; i < n; i++) {
		const struct logged *event = &state->log[i];

		if (event->time <= middle)
			continue;
		if (event->kind == LOGGED_BIRTH)
			ring_birth(site_ring(s, event->site, true), event->cycle, 1, event->size);
		else if (event->kind == LOGGED_DEATH)
			ring_death(site_ring(s, event->site, true), event->cycle, 1, event->size);
		else
			book(s, event);
	}
	free(state->log);
	state->log = NULL;
}

void snapshots_seed(struct snapshots *s, uint32_t site, uint64_t size,
		    struct snapshots_counts active, const struct snapshots_counts future[3])
{
	struct ring *ring = site_ring(s, site, true);
	uint32_t process = site_process(s, site);
	int64_t cycle;

	if (process == UINT32_MAX)
		return;
	cycle = process_state(s, process)->seed_cycle;
	ring_base(ring, (int64_t)(active.allocs - active.frees), size);
	/* future[i % 3] is published in cycle i: births of i - 2 and deaths of i - 1. */
	for (int64_t i = cycle; i < cycle + 3; i++) {
		ring_birth(ring, i - 2, (int64_t)future[i % 3].allocs, size);
		ring_death(ring, i - 1, (int64_t)future[i % 3].frees, size);
	}
}

void snapshots_merge(struct snapshots *s, uint32_t from, uint32_t to)
{
	if (from >= s->n_sites || from == to)
		return;
	if (s->sites[from].seen)
		ring_add(site_ring(s, to, false), s->sites[from].seen, 1);
	if (s->sites[from].older)
		ring_add(site_ring(s, to, true), s->sites[from].older, 1);
	free(s->sites[from].seen);
	free(s->sites[from].older);
	s->sites[from] = (struct site_rings){0};
	for (size_t i = 0; i < s->n_processes; i++) {
		struct process_state *process = &s->processes[i];

		for (size_t k = 0; process->log && k < process->n_log && k < LOG_MAX; k++) {
			if (process->log[k].site == from)
				process->log[k].site = to;
		}
	}
	for (size_t i = 0; i < s->n_targets; i++) {
		for (size_t k = 0; k < s->targets[i].n_places; k++) {
			struct snapshot *snapshot = &s->targets[i].places[k].snapshot;

			for (size_t row = 0; row < snapshot->n_rows; row++) {
				if (snapshot->rows[row].site == from)
					snapshot->rows[row].site = to;
			}
		}
	}
}

static void renumber_snapshot(struct snapshot *snapshot, const uint32_t *new_index, size_t n)
{
	size_t kept = 0;

	for (size_t row = 0; row < snapshot->n_rows; row++) {
		uint32_t site = snapshot->rows[row].site;

		if (site >= n || new_index[site] == UINT32_MAX)
			continue;
		snapshot->rows[kept] = snapshot->rows[row];
		snapshot->rows[kept++].site = new_index[site];
	}
	snapshot->n_rows = kept;
}

void snapshots_renumber(struct snapshots *s, const uint32_t *new_index, size_t n)
{
	struct site_rings *old = s->sites;
	size_t n_old = s->n_sites;

	s->sites = NULL;
	s->n_sites = s->cap_sites = 0;
	for (size_t site = 0; site < n_old; site++) {
		if (site < n && new_index[site] != UINT32_MAX) {
			if (old[site].seen)
				ring_add(site_ring(s, new_index[site], false), old[site].seen, 1);
			if (old[site].older)
				ring_add(site_ring(s, new_index[site], true), old[site].older, 1);
		}
		free(old[site].seen);
		free(old[site].older);
	}
	free(old);
	for (size_t i = 0; i < s->n_targets; i++) {
		for (size_t k = 0; k < s->targets[i].n_places; k++)
			renumber_snapshot(&s->targets[i].places[k].snapshot, new_index, n);
	}
}

void snapshots_finish(struct snapshots *s, uint64_t time)
{
	at_time(s, time);
	for (size_t i = 0; i < s->n_targets; i++) {
		struct target *target = &s->targets[i];

		for (uint32_t p = 0; p < s->n_processes; p++) {
			struct process_state *process = &s->processes[p];
			struct place *place = target_place(target, p);

			if (process->cycle == UNSET_CYCLE)
				continue;
			if (!place->placed && target->time >= process->first_time) {
				set_place(place, target->time, process->cycle);
				place->snapshot.after_end = target->time > time;
			} else if (!place->placed && !target->wall &&
				   numbered_cycle(target, process) > process->cycle) {
				set_place(place, 0, numbered_cycle(target, process));
				place->snapshot.after_end = true;
			}
			if (place->placed && !place->taken)
				take(s, place);
		}
	}
}

/* ---- For reconcile ------------------------------------------------------------------------ */

enum snapshot_problem snapshots_get(const struct snapshots *s, uint32_t dump, uint32_t process,
				    const struct snapshot **snapshot)
{
	const struct target *target = &s->targets[dump];

	*snapshot = NULL;
	if (process >= s->n_processes || s->processes[process].cycle == UNSET_CYCLE)
		return SNAPSHOT_NO_CYCLES;
	if (process < target->n_places && target->places[process].taken) {
		*snapshot = &target->places[process].snapshot;
		return SNAPSHOT_OK;
	}
	return target->wall && !target->time ? SNAPSHOT_NO_CLOCK : SNAPSHOT_BEFORE;
}
