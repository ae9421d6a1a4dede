#include "analyze/track_state.h"

#include "formats/xalloc.h"

#include <string.h>

/* Above this every second cycle is dropped: weeks of a busy program. */
#define MAX_CYCLES ((size_t)1 << 18)
/* No heap has a goal of this size. */
#define NO_GOAL (UINT64_C(1) << 60)

static void thin_cycles(struct model *model)
{
	size_t kept = 0;

	for (size_t i = 0; i < model->n_cycles; i += 2)
		model->cycles[kept++] = model->cycles[i];
	model->n_cycles = kept;
}

static void add_cycle(struct track *track, struct life *life)
{
	struct model *model = track->model;

	life->gc.process = life->process;
	if (model->n_cycles >= MAX_CYCLES)
		thin_cycles(model);
	xgrow(model->cycles, model->cap_cycles, model->n_cycles + 1);
	model->cycles[model->n_cycles++] = life->gc;
	life->gc_last_number = life->gc.number;
	life->gc_last_prof_cycle = life->gc.prof_cycle;
	life->gc = (struct gc_cycle){0};
	life->gc_seen = false;
}

/* A cycle whose end was not seen counts where its mark termination was. */
void track_gc_flush(struct track *track, struct life *life)
{
	if (life->gc_seen && life->gc.mark_term)
		add_cycle(track, life);
	life->gc = (struct gc_cycle){0};
	life->gc_seen = false;
}

/* With GOGC=off the runtime's goal is as large as a number can be: there is none. */
static uint64_t goal_of(const struct event *event, enum event_field field)
{
	return event->v[field] < NO_GOAL ? event->v[field] : 0;
}

void track_gc_start(struct track *track, const struct event *event)
{
	struct life *life = track_life(track, event->pid, event->time);

	/* The number of the cycle is the same where the breakpoint was hit twice. */
	if (life->gc_seen && !life->gc.mark_term)
		return;
	track_gc_flush(track, life);
	life->gc_seen = true;
	life->gc.start = event->time;
	life->gc.number = event->v[FIELD_CYCLES];
	life->gc.heap0 = event->v[FIELD_LIVE];
	life->gc.goal = goal_of(event, FIELD_GOAL);
	track_near_heap(track, life, event->time, life->gc.heap0, life->gc.goal);
}

void track_gc_mark_term(struct track *track, const struct event *event)
{
	struct life *life = track_life(track, event->pid, event->time);
	struct process *process = life_process(track, life);
	uint32_t cycle = track_cycle(life, event);
	struct epoch *epoch;

	if (life->has_cycle && cycle < life->cycle)
		return;
	track_advance(track, life, cycle, event->time);
	epoch = &process->epochs[process->n_epochs - 1];
	if (cycle == epoch->last_cycle)
		epoch->end_time = event->time;
	track_advance(track, life, cycle + 1, event->time);

	if (life->gc_seen && life->gc.mark_term)
		track_gc_flush(track, life);
	life->gc_seen = true;
	life->gc.mark_term = event->time;
	life->gc.heap1 = event->v[FIELD_LIVE];
	life->gc.prof_cycle = (uint64_t)cycle + 1;
}

static void take(uint64_t *to, const struct event *event, enum event_field field)
{
	if (event->v[field])
		*to = event->v[field];
}

/* After the cycle that ends here has begun the next one, the epoch before holds what it marked. */
static void note_heap(struct track *track, struct life *life, uint32_t ended, uint64_t next_goal)
{
	struct process *process = life_process(track, life);
	struct epoch *epoch;

	if (ended < life->base || !process->n_epochs)
		return;
	epoch = &process->epochs[(ended - life->base) / life->width];
	epoch->heap_live = life->gc.heap2;
	epoch->heap_goal = next_goal;
}

/* A part of the CPU time; one that went backwards, in a damaged trace, is none. */
static uint64_t cpu_time(const struct event *event, enum event_field field)
{
	return event->v[field] <= INT64_MAX / 4 ? event->v[field] : 0;
}

/* What the cycle took, by the runtime's own account. */
static void take_account(struct gc_cycle *gc, const struct event *event)
{
	const uint64_t marking = EVENT_HAS(FIELD_ASSIST) | EVENT_HAS(FIELD_DEDICATED) |
				 EVENT_HAS(FIELD_FRACTIONAL) | EVENT_HAS(FIELD_IDLE);
	double share;

	gc->has_cpu = (event->has & marking) == marking;
	gc->assist = cpu_time(event, FIELD_ASSIST);
	gc->background = cpu_time(event, FIELD_DEDICATED) + cpu_time(event, FIELD_FRACTIONAL);
	gc->idle = cpu_time(event, FIELD_IDLE);
	gc->stacks = event->v[FIELD_STACKS];
	gc->forced_total = (uint32_t)event->v[FIELD_NUMFORCED];
	memcpy(&share, &event->v[FIELD_CPU_FRACTION], sizeof(share));
	gc->runtime_cpu_share = share >= 0 && share <= 1 ? share : 0;
}

/* The runtime counts the stops together; of a cycle that follows one that was seen they are known.
 */
static void take_pause(struct life *life, const struct event *event)
{
	uint64_t total = event->v[FIELD_PAUSE_TOTAL];
	bool follows = life->gc.number && life->gc.number == life->gc_pause_number + 1;

	if (!(event->has & EVENT_HAS(FIELD_PAUSE_TOTAL)))
		return;
	life->gc.pause_total = total;
	if (follows && total >= life->gc_pause_total)
		life->gc.pause = total - life->gc_pause_total;
	life->gc_pause_total = total;
	life->gc_pause_number = life->gc.number;
}

void track_gc_end(struct track *track, const struct event *event)
{
	struct life *life = track_life(track, event->pid, event->time);
	uint32_t cycle = track_cycle(life, event);
	uint64_t number = event->v[FIELD_NUMGC], mark_term = event->v[FIELD_MARK_TERM];

	if ((number && number == life->gc_last_number) ||
	    (event->has & EVENT_HAS(FIELD_CYCLE) && life->gc_last_prof_cycle == cycle && cycle))
		return;
	track_set_rate(track, life, event->v[FIELD_RATE]);
	track_advance(track, life, cycle, mark_term ? mark_term : event->time);
	if (track->model->snapshots && number)
		snapshots_cycle(track->model->snapshots, life->process, event->time, cycle, number);
	take(&life->gc.number, event, FIELD_NUMGC);
	take(&life->gc.start, event, FIELD_SWEEP_TERM);
	take(&life->gc.mark, event, FIELD_MARK);
	take(&life->gc.mark_term, event, FIELD_MARK_TERM);
	take(&life->gc.end, event, FIELD_END);
	take(&life->gc.heap0, event, FIELD_HEAP0);
	take(&life->gc.heap1, event, FIELD_HEAP1);
	take(&life->gc.heap2, event, FIELD_HEAP2);
	if (event->has & EVENT_HAS(FIELD_GOAL))
		life->gc.goal = goal_of(event, FIELD_GOAL);
	if (!life->gc.end)
		life->gc.end = event->time;
	take_account(&life->gc, event);
	take_pause(life, event);
	life->gc.prof_cycle = cycle;
	life->gc.forced = event->v[FIELD_FORCED] & 0xff;
	life->gc.procs = (uint32_t)event->v[FIELD_PROCS];
	if (cycle)
		note_heap(track, life, cycle - 1,
			  event->has & EVENT_HAS(FIELD_NEXT_GOAL) ? goal_of(event, FIELD_NEXT_GOAL)
								  : life->gc.goal);
	/* What was marked is what the heap is now, and what comes is on top of it. */
	track_near_heap(track, life, event->time, life->gc.heap2, goal_of(event, FIELD_NEXT_GOAL));
	add_cycle(track, life);
}
