#include "analyze/track_state.h"

#include "formats/xalloc.h"

#include <stdlib.h>

/* Distinct pairs of owner and stack that are told apart. */
#define MAX_SHARES ((size_t)1 << 16)

/* One reading, while it is divided. */
struct division {
	struct track *track;
	struct life *life;
	bool is_first;
	double runtime_seen, others_seen; /* anonymous memory by the stacks of its calls */
};

static struct mapped_share *share_at(struct division *d, enum memory_owner owner, uint32_t stack)
{
	struct model *model = d->track->model;
	uint64_t key = (uint64_t)stack << 32 | (uint64_t)d->life->process << 4 | (uint64_t)owner;
	bool fresh;
	uint64_t *at = map_find(&d->track->share_of, key);

	if (!at) {
		if (model->n_shares >= MAX_SHARES)
			return NULL;
		at = map_put(&d->track->share_of, key, &fresh);
		*at = model->n_shares++;
		xgrow(model->shares, model->cap_shares, model->n_shares);
		model->shares[*at] = (struct mapped_share){
			.process = d->life->process,
			.stack = stack,
			.owner = owner,
		};
	}
	return &model->shares[*at];
}

bool track_runtime_made(struct track *track, const struct life *life, uint32_t stack)
{
	bool fresh;
	uint64_t *at = map_put(&track->runtime_made, track_pair(stack, life->process), &fresh);

	if (fresh) {
		uint32_t n;
		const uint64_t *pcs = stackset_pcs(&track->stacks, stack, &n);

		*at = owners_is_runtime(track->model, life->process, pcs, n);
	}
	return *at != 0;
}

static void add_share(void *context, enum memory_owner owner, uint32_t stack, double bytes)
{
	struct division *d = context;
	struct mapped_share *share;

	if (owner == OWNER_ANON && stack != OWNERS_NO_STACK &&
	    track_runtime_made(d->track, d->life, stack)) {
		d->runtime_seen += bytes;
		owner = OWNER_GO_RUNTIME;
	} else if (owner == OWNER_ANON && stack != OWNERS_NO_STACK) {
		d->others_seen += bytes;
	}
	share = share_at(d, owner, stack);
	if (share)
		share->last += bytes;
}

/* What each stack's mappings hold now, and whether that was at the highest RSS so far. */
static void divide_mappings(struct division *d, bool is_peak)
{
	struct model *model = d->track->model;

	for (size_t i = 0; i < model->n_shares; i++)
		if (model->shares[i].process == d->life->process)
			model->shares[i].last = 0;
	owners_divide(&d->life->owners, add_share, d);
	for (size_t i = 0; i < model->n_shares; i++) {
		struct mapped_share *share = &model->shares[i];

		if (share->process != d->life->process)
			continue;
		if (d->is_first)
			share->first = share->last;
		if (is_peak)
			share->peak = share->last;
	}
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * The arenas are divided by the runtime's own figures. Stacks and work buffers are in RAM as far as
 * they go; an object may lie in memory that was never touched; what is left is free.
 */
static void divide_heap(struct rss_point *point)
{
	uint64_t left = point->owners[OWNER_GO_HEAP], part;

	if (!point->go.in_use)
		return;
	part = least(left, point->go.stacks);
	point->owners[OWNER_GO_STACKS] += part;
	left -= part;
	part = least(left, point->go.work);
	point->owners[OWNER_GO_RUNTIME] += part;
	left -= part;
	part = least(left, point->go.in_use);
	point->owners[OWNER_GO_HEAP] = part;
	point->owners[OWNER_GO_FREE] += left - part;
}

/* Of what no call was seen, as much may be the runtime's as it says it has mapped. */
static void divide_anonymous(struct rss_point *point, const struct division *d)
{
	uint64_t anon = point->owners[OWNER_ANON], known = point->owners[OWNER_GO_RUNTIME];
	uint64_t runtime = least(anon, (uint64_t)d->runtime_seen);
	uint64_t others = least(anon - runtime, (uint64_t)d->others_seen);
	uint64_t sys = point->go.sys;

	known += runtime;
	if (sys > known)
		runtime += least(anon - runtime - others, sys - known);
	point->owners[OWNER_ANON] -= runtime;
	point->owners[OWNER_GO_RUNTIME] += runtime;
}

void track_owners_note(struct track *track, uint64_t time, const struct note_owners *note,
		       bool counted)
{
	struct life *life = track_life_of_note(track, note->pid, time);
	struct division d = {.track = track, .life = life};
	struct rss_point point = {
		.process = life->process,
		.has_owners = true,
		.time = time,
		.rss = note->rss,
		.anon = note->anon,
		.file = note->file,
		.shmem = note->shmem,
		.swap = note->swap,
		.go = note->go,
	};

	owners_reading(&life->owners, note);
	track_find_owners(track, life);
	if (!counted)
		return;
	for (size_t i = 0; i < OWNER_COUNT; i++)
		point.owners[i] = note->bytes[i];
	d.is_first = !life->peak_rss;
	divide_mappings(&d, note->rss > life->peak_rss);
	if (note->rss > life->peak_rss)
		life->peak_rss = note->rss;
	divide_anonymous(&point, &d);
	divide_heap(&point);
	track_add_rss(track, &point);
}

void track_finish_owners(struct track *track)
{
	struct model *model = track->model;

	for (size_t i = 0; i < model->n_sites && model->n_shares < MAX_SHARES; i++) {
		struct site *site = &model->sites[i];
		uint32_t n;

		/* Where the calls' stacks are missing, theirs is not told from what others mapped.
		 */
		stackset_pcs(&track->stacks, site->stack, &n);
		site->resident_known = site->kind == SITE_MAPPING && n &&
				       track->lives[track->site_states[i].life].peak_rss;
	}
	for (size_t i = 0; i < model->n_shares; i++) {
		const struct mapped_share *share = &model->shares[i];
		const uint64_t *at = map_find(&track->site_of[SITE_MAPPING],
					      track_pair(share->process, share->stack));

		if (at && share->stack != NONE && model->sites[*at].resident_known)
			model->sites[*at].resident_bytes += share->last;
	}
}

void track_limits_note(struct track *track, uint64_t time, const struct note_limits *note)
{
	struct process *process = life_process(track, track_life_of_note(track, note->pid, time));

	free(process->limits.control);
	process->limits = (struct memory_limits){
		.go = note->go,
		.cgroup = note->cgroup,
		.machine = note->machine,
		.control = note->control[0] ? xstrdup(note->control) : NULL,
	};
}
