/*
 * Allocation near the goal: while the heap is close to the size at which the collector wants to be
 * done, goroutines are made to help it and the next cycle is due. How large the heap is between two
 * GC events is what was marked last and the estimate of what was allocated since.
 */
#include "analyze/track_state.h"

#define DEFAULT_SHARE 0.9

static double share_of(const struct track *track)
{
	return track->model->near_goal > 0 ? track->model->near_goal : DEFAULT_SHARE;
}

/* Whether the heap is near its goal from now on. */
static void settle(struct track *track, struct life *life, uint64_t time)
{
	struct process *process = life_process(track, life);
	bool near = life->near.goal && life->near.heap >= share_of(track) * (double)life->near.goal;

	if (near && !life->near.since) {
		life->near.since = time;
		process->near_times++;
	} else if (!near && life->near.since) {
		process->near_time += time > life->near.since ? time - life->near.since : 0;
		life->near.since = 0;
	}
}

void track_near_heap(struct track *track, struct life *life, uint64_t time, uint64_t heap,
		     uint64_t goal)
{
	if (heap)
		life->near.heap = (double)heap;
	if (goal) {
		life->near.goal = goal;
		life_process(track, life)->near_known = true;
	}
	settle(track, life, time);
}

void track_near_birth(struct track *track, struct life *life, struct site *site, uint64_t time,
		      double est_bytes)
{
	life->near.heap += est_bytes;
	settle(track, life, time);
	if (!life->near.since)
		return;
	site->near_births++;
	site->near_est_bytes += est_bytes;
}

void track_near_finish(struct track *track, struct life *life, uint64_t time)
{
	life->near.goal = 0;
	settle(track, life, time);
}
