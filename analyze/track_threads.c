#include "analyze/track_objects.h"
#include "formats/xalloc.h"

/*
 * What a thread takes beside what its stack comes to use: the kernel's stack of 16 KiB, and for a
 * thread of Go's the stacks of its g0 and for signals (runtime/proc.go, allocm: 16 KiB;
 * runtime/os_linux.go, mpreinit: 32 KiB).
 */
#define THREAD_BYTES 65536u
/* Ends wait for so long, ns, for a sign that the process has gone on after them: when a process
 * ends, all its threads do, and that is no news of them. */
#define LAST_MOMENT 1000000000u

static bool within(const struct track *track, uint64_t time)
{
	return time >= track->options.from && (!track->options.to || time <= track->options.to);
}

static void end_thread(struct track *track, struct life *life, const struct thread_end *end)
{
	track_object_died(track, life, SITE_THREAD, end->tid, 0, end->time);
}

/* Counts the ends up to a time, and that of this thread (0: none), whose id is given out anew. */
static void settle(struct track *track, struct life *life, uint64_t time, uint32_t tid)
{
	size_t kept = 0;

	for (size_t i = 0; i < life->n_thread_ends; i++) {
		struct thread_end end = life->thread_ends[i];

		if (end.time <= time || end.tid == tid)
			end_thread(track, life, &end);
		else
			life->thread_ends[kept++] = end;
	}
	life->n_thread_ends = kept;
}

static uint64_t moment_before(uint64_t time)
{
	return time > LAST_MOMENT ? time - LAST_MOMENT : 0;
}

void track_thread_started(struct track *track, const struct event *event)
{
	uint32_t stack = track_clone_stack(track, event->fork.parent_tid);
	struct life *life;

	track_forget_thread(track, event->fork.parent_tid);
	if (!within(track, event->time))
		return;
	life = track_life(track, event->pid, event->time);
	settle(track, life, moment_before(event->time), event->tid);
	track_object_born(
		track, life,
		&(struct object_birth){
			.kind = SITE_THREAD,
			.key = event->tid,
			.stack = stack != NONE ? stack : stackset_intern(&track->stacks, NULL, 0),
			.bytes = THREAD_BYTES,
			.time = event->time,
		});
}

void track_thread_ended(struct track *track, struct life *life, const struct event *event)
{
	if (!within(track, event->time))
		return;
	settle(track, life, moment_before(event->time), 0);
	xgrow(life->thread_ends, life->cap_thread_ends, life->n_thread_ends + 1);
	life->thread_ends[life->n_thread_ends++] = (struct thread_end){event->time, event->tid};
}

void track_finish_threads(struct track *track, struct life *life)
{
	settle(track, life, life_process(track, life)->end ? life->last_sign : UINT64_MAX, 0);
	life->n_thread_ends = 0;
}
