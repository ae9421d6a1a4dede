#include "analyze/track_native.h"
#include "analyze/track_state.h"

#include "analyze/track_objects.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* Above these neighbours are merged. */
#define MAX_POINTS ((size_t)1 << 16)
#define PAGE	   4096u

/* From include/uapi/asm-generic/mman.h and linux/mman.h: the target's, which is always Linux. */
#define TARGET_PROT_NONE	0u
#define TARGET_MREMAP_DONTUNMAP 4u
#define TARGET_MAP_SHARED	1u /* MAP_SHARED_VALIDATE has the bit too */
#define TARGET_MAP_ANONYMOUS	0x20u
#define TARGET_MAP_LOCKED	0x2000u
#define TARGET_MAP_POPULATE	0x8000u
enum {
	TARGET_MADV_DONTNEED = 4,
	TARGET_MADV_FREE = 8,
	TARGET_MADV_REMOVE = 9,
	TARGET_MADV_PAGEOUT = 21,
	TARGET_MADV_DONTNEED_LOCKED = 24,
};

/* ---- Series ----------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
	const struct map_point *left = a, *right = b;

	return (left->time > right->time) - (left->time < right->time);
}

/* Each process's points are added up two by two; the later time stands. */
static void thin_maps(struct model *model)
{
	size_t *open = xcalloc(model->n_processes, sizeof(*open)), kept = 0;

	for (size_t i = 0; i < model->n_maps; i++) {
		struct map_point point = model->maps[i];
		size_t *at = &open[point.process];

		if (*at) {
			model->maps[*at - 1].delta += point.delta;
			model->maps[*at - 1].time = point.time;
			*at = 0;
		} else {
			model->maps[kept++] = point;
			*at = kept;
		}
	}
	free(open);
	model->n_maps = kept;
	qsort(model->maps, kept, sizeof(*model->maps), by_time);
}

static void add_delta(struct track *track, struct life *life, uint64_t time, int64_t delta)
{
	struct model *model = track->model;

	if (!delta)
		return;
	if (model->n_maps >= MAX_POINTS)
		thin_maps(model);
	xgrow(model->maps, model->cap_maps, model->n_maps + 1);
	model->maps[model->n_maps++] = (struct map_point){life->process, time, delta};
	life_process(track, life)->mapped_net += delta;
}

/* Peaks are what is looked for; and who owns what. */
static bool is_better(const struct rss_point *a, const struct rss_point *b)
{
	return a->has_owners != b->has_owners ? a->has_owners : a->rss > b->rss;
}

/* Of two readings of a process the better one is kept. */
static void thin_rss(struct model *model)
{
	size_t *open = xcalloc(model->n_processes, sizeof(*open)), kept = 0;

	for (size_t i = 0; i < model->n_rss; i++) {
		struct rss_point point = model->rss[i];
		size_t *at = &open[point.process];

		if (*at) {
			if (is_better(&point, &model->rss[*at - 1]))
				model->rss[*at - 1] = point;
			*at = 0;
		} else {
			model->rss[kept++] = point;
			*at = kept;
		}
	}
	free(open);
	model->n_rss = kept;
}

void track_add_rss(struct track *track, const struct rss_point *point)
{
	struct model *model = track->model;

	/* A program in which nothing happens has its memory still. */
	if (model->first_time && point->time > model->last_time)
		model->last_time = point->time;
	if (model->n_rss >= MAX_POINTS)
		thin_rss(model);
	xgrow(model->rss, model->cap_rss, model->n_rss + 1);
	model->rss[model->n_rss++] = *point;
}

void track_rss_note(struct track *track, uint64_t time, const struct note_rss *note)
{
	track_add_rss(track, &(struct rss_point){
				     .process = track_life_of_note(track, note->pid, time)->process,
				     .time = time,
				     .rss = note->rss,
				     .anon = note->anon,
				     .file = note->file,
				     .shmem = note->shmem,
				     .swap = note->swap,
			     });
}

/* ---- System calls ----------------------------------------------------------------------- */

/* Whole pages, as the kernel maps them; false for what no mapping can be. */
static bool page_range(uint64_t start, uint64_t len, struct range *range)
{
	start &= ~(uint64_t)(PAGE - 1);
	if (!len || len > UINT64_MAX - PAGE)
		return false;
	len = (len + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	if (start > UINT64_MAX - len || len > INT64_MAX)
		return false;
	*range = (struct range){start, start + len};
	return true;
}

/* A mapping takes the place of what was there. */
static int64_t mapped(struct track *track, struct life *life, uint64_t time, uint64_t start,
		      uint64_t len, bool is_accessible, struct owners_mapping how)
{
	struct range range;

	if (!page_range(start, len, &range))
		return 0;
	how.start = range.start;
	how.end = range.end;
	owners_mapped(&life->owners, &how);
	pages_mapped(&life->pages, range, false);
	ranges_add(&life->mapped, range);
	track_mapping_gone(track, life, range, time);
	if (is_accessible)
		track_mapping_made(track, life, range, how.stack, time);
	return is_accessible ? (int64_t)ranges_add(&life->accessible, range)
			     : -(int64_t)ranges_remove(&life->accessible, range);
}

/* Anonymous memory of one process alone begins empty, unless the call fills it. */
static void mapped_empty(struct life *life, uint64_t start, uint64_t len, uint64_t flags)
{
	struct range range;

	if (flags & TARGET_MAP_ANONYMOUS &&
	    !(flags & (TARGET_MAP_SHARED | TARGET_MAP_POPULATE | TARGET_MAP_LOCKED)) &&
	    page_range(start, len, &range))
		pages_mapped(&life->pages, range, true);
}

static int64_t unmapped(struct track *track, struct life *life, uint64_t time, uint64_t start,
			uint64_t len)
{
	uint64_t known, accessible;
	struct range range;

	if (!page_range(start, len, &range))
		return 0;
	owners_unmapped(&life->owners, range.start, range.end);
	pages_unmapped(&life->pages, range);
	known = ranges_remove(&life->mapped, range);
	accessible = ranges_remove(&life->accessible, range);
	track_mapping_gone(track, life, range, time);
	/* What is not known to have been mapped was so before the recording began. */
	if (!life_process(track, life)->attached)
		return -(int64_t)accessible;
	if (!known)
		track_object_died(track, life, SITE_MAPPING, NO_MAPPING, 0, time);
	accessible += range.end - range.start - known;
	return -(int64_t)accessible;
}

/* A brk that is refused, or asks for 0, returns the end as it is. */
static int64_t moved_brk(struct life *life, uint64_t result)
{
	uint64_t before = life->brk;
	struct range range;

	life->brk = result;
	if (before && before < result && page_range(before + PAGE - 1, result - before, &range))
		pages_mapped(&life->pages, range, true);
	else if (before > result && page_range(result + PAGE - 1, before - result, &range))
		pages_unmapped(&life->pages, range);
	owners_brk(&life->owners, result);
	return before ? (int64_t)(result - before) : 0;
}

/*
 * The advice that takes pages away at once, or as soon as somebody needs them. Counted when it is
 * given, since its exit is recorded only where it failed: then it is taken back, with sign -1.
 */
static void advised(struct process *process, struct life *life, const uint64_t *args, int sign)
{
	struct range range;
	bool is_range = page_range(args[0], args[1], &range);

	if (is_range && sign < 0)
		pages_forget(&life->pages, range);
	/* What is only marked as free, or written out, has its contents still. */
	else if (is_range && (args[2] == TARGET_MADV_DONTNEED || args[2] == TARGET_MADV_REMOVE ||
			      args[2] == TARGET_MADV_DONTNEED_LOCKED))
		pages_released(&life->pages, range);

	switch (args[2]) {
	case TARGET_MADV_DONTNEED:
	case TARGET_MADV_FREE:
	case TARGET_MADV_REMOVE:
	case TARGET_MADV_PAGEOUT:
	case TARGET_MADV_DONTNEED_LOCKED:
		process->madvise_calls += (uint64_t)(int64_t)sign;
		if (is_range)
			process->released += (range.end - range.start) * (uint64_t)(int64_t)sign;
	}
}

static void apply(struct track *track, struct life *life, const struct pending_syscall *enter,
		  const struct event *event)
{
	struct process *process = life_process(track, life);
	const uint64_t *args = enter->args;
	int64_t result = event->syscall.result, delta = 0;
	struct owners_mapping how = {.stack = enter->stack};

	if (result < 0 && result >= -4095) {
		if (enter->call == SYSCALL_MADVISE)
			advised(process, life, args, -1);
		return;
	}
	switch (enter->call) {
	case SYSCALL_MMAP:
		process->mmap_calls++;
		how.is_file = !(args[3] & TARGET_MAP_ANONYMOUS);
		how.is_shared = args[3] & TARGET_MAP_SHARED;
		delta = mapped(track, life, event->time, (uint64_t)result, args[1],
			       args[2] != TARGET_PROT_NONE, how);
		mapped_empty(life, (uint64_t)result, args[1], args[3]);
		break;
	case SYSCALL_MUNMAP:
		process->munmap_calls++;
		delta = unmapped(track, life, event->time, args[0], args[1]);
		break;
	case SYSCALL_MREMAP:
		process->mmap_calls++;
		if (!(args[3] & TARGET_MREMAP_DONTUNMAP))
			delta = unmapped(track, life, event->time, args[0], args[1]);
		delta += mapped(track, life, event->time, (uint64_t)result, args[2], true, how);
		break;
	case SYSCALL_BRK:
		process->brk_calls++;
		delta = moved_brk(life, (uint64_t)result);
		break;
	case SYSCALL_MADVISE:
	case SYSCALL_CLONE:
	case SYSCALL_COUNT:
		break;
	}
	add_delta(track, life, event->time, delta);
}

void track_syscall_enter(struct track *track, const struct event *event)
{
	bool fresh;
	uint64_t *at = map_put(&track->pending_of, event->tid, &fresh);

	if (fresh && track->n_free_pending) {
		*at = track->free_pending[--track->n_free_pending];
	} else if (fresh) {
		xgrow(track->pending, track->cap_pending, track->n_pending + 1);
		*at = track->n_pending++;
	}
	track_life(track, event->pid, event->time)->last_sign = event->time;
	track->pending[*at].call = event->syscall.call;
	track->pending[*at].stack = event->n_stack ? track_native_stack(track, event) : NONE;
	memcpy(track->pending[*at].args, event->syscall.args, sizeof(event->syscall.args));
	if (event->syscall.call == SYSCALL_MADVISE) {
		struct life *life = track_life(track, event->pid, event->time);

		advised(life_process(track, life), life, event->syscall.args, 1);
	}
}

uint32_t track_clone_stack(const struct track *track, uint32_t tid)
{
	const uint64_t *at = map_find(&track->pending_of, tid);

	return at && track->pending[*at].call == SYSCALL_CLONE ? track->pending[*at].stack : NONE;
}

void track_forget_thread(struct track *track, uint32_t tid)
{
	uint64_t at;

	if (!map_take(&track->pending_of, tid, &at))
		return;
	xgrow(track->free_pending, track->cap_free_pending, track->n_free_pending + 1);
	track->free_pending[track->n_free_pending++] = (uint32_t)at;
}

void track_syscall_exit(struct track *track, const struct event *event)
{
	uint64_t *at = map_find(&track->pending_of, event->tid);
	struct pending_syscall enter;

	if (!at)
		return;
	enter = track->pending[*at];
	track_forget_thread(track, event->tid);
	if (enter.call == event->syscall.call)
		apply(track, track_life(track, event->pid, event->time), &enter, event);
}
