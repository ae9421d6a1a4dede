#include "analyze/track_objects.h"

#include <string.h>

/* What the runtime gives a goroutine at least (runtime/stack.go, stackMin), where its bounds are
 * not known. */
#define LEAST_STACK 2048u
#define MOST_STACK  ((uint64_t)1 << 30)

static uint64_t stack_bytes(const struct event *event)
{
	uint64_t lo = event->v[FIELD_LO], hi = event->v[FIELD_HI];

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

void track_go_create(struct track *track, const struct event *event)
{
	struct life *life = track_life(track, event->pid, event->time);

	life->last_sign = event->time;
	if (!event->v[FIELD_GOID])
		return;
	track_object_born(track, life,
			  &(struct object_birth){
				  .kind = SITE_GOROUTINE,
				  .key = event->v[FIELD_GOID],
				  .stack = creation_stack(track, event),
				  .origin = event->v[FIELD_CALLERPC],
				  .starts = event->v[FIELD_FN],
				  .bytes = stack_bytes(event),
				  .time = event->time,
			  });
}

void track_go_exit(struct track *track, const struct event *event)
{
	struct life *life = track_life(track, event->pid, event->time);

	life->last_sign = event->time;
	if (event->v[FIELD_GOID])
		track_object_died(track, life, SITE_GOROUTINE, event->v[FIELD_GOID],
				  event->v[FIELD_CALLERPC], event->time);
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
