#include "formats/gotrace_state.h"
#include "formats/xalloc.h"

#include <stdlib.h>

#define MAX_MARKS   ((size_t)1 << 20) /* of a kind */
#define MAX_THREADS 20000
#define MAX_TICKS   (UINT64_C(1) << 56)

/* Arguments behind the time, by event; internal/trace/tracev2/spec.go. -1: no timed event. */
static const int8_t n_args[] = {
	-1, -1, -1, -1, -1, -1, -1, -1, -1,	     /* structure */
	2,  2,	0,  3,	2,			     /* processors */
	3,  1,	2,  0,	0,  2,	2,  3,	2,  0, 0, 3, /* goroutines */
	2,  0,					     /* stops */
	1,  2,	1,  1,	1,  2,	1,  1,	0,  1, 1,    /* the collector */
	1,  4,	2,  3,	3,  4,			     /* annotations */
	2,  2,	3,  4,				     /* coroutines and statuses, 1.23 */
};
/* The experiment with allocations, from event 128 on. */
static const int8_t n_experimental_args[] = {3, 3, 1, 2, 2, 1, 2, 2, 1};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { MAX_ARGS = 4 };

static int args_of(uint8_t event)
{
	if (event < COUNT(n_args))
		return n_args[event];
	if (event >= 128 && event - 128u < COUNT(n_experimental_args))
		return n_experimental_args[event - 128];
	return -1;
}

uint64_t gotrace_ns(const struct gotrace *trace, uint64_t ticks)
{
	if (trace->frequency == GOTRACE_NANOTIME_TICKS)
		return ticks * (1000000000 / GOTRACE_NANOTIME_TICKS);
	return (uint64_t)((unsigned __int128)ticks * 1000000000 / trace->frequency);
}

static void mark(struct gotrace_state *s, struct gotrace_marks *marks,
		 const struct gotrace_mark *item)
{
	if (marks->n >= MAX_MARKS) {
		s->trace->too_many = true;
		return;
	}
	xgrow(marks->items, marks->cap, marks->n + 1);
	marks->items[marks->n++] = *item;
}

static struct gotrace_thread *find_thread(struct gotrace_state *s, uint64_t id)
{
	for (size_t i = 0; i < s->n_threads; i++)
		if (s->threads[i].id == id)
			return &s->threads[i];
	if (s->n_threads >= MAX_THREADS) {
		s->trace->too_many = true;
		s->threads[0] = (struct gotrace_thread){.id = id};
		return &s->threads[0];
	}
	xgrow(s->threads, s->cap_threads, s->n_threads + 1);
	s->threads[s->n_threads] = (struct gotrace_thread){.id = id};
	return &s->threads[s->n_threads++];
}

/* Who assists: the goroutine, or the thread where it is not known which it runs. */
static uint64_t assistant(const struct gotrace_thread *thread)
{
	return thread->goroutine ? thread->goroutine : ~thread->id;
}

static void sweep_ended(struct gotrace *trace, struct gotrace_thread *thread, uint64_t time,
			const uint64_t *args)
{
	if (thread->sweep && time >= thread->sweep) {
		trace->sweeps++;
		trace->sweep_ns += time - thread->sweep;
	}
	trace->swept_bytes += args[0] < INT64_MAX / 4 ? args[0] : 0;
	trace->reclaimed_bytes += args[1] < INT64_MAX / 4 ? args[1] : 0;
	thread->sweep = 0;
}

static void on_collector(struct gotrace_state *s, const struct gotrace_batch *batch, uint8_t event,
			 uint64_t time, const uint64_t *args, struct gotrace_thread *thread)
{
	struct gotrace_mark item = {.time = time, .generation = batch->generation};
	struct gotrace_bin *bin;

	switch (event) {
	case EV_STW_BEGIN:
	case EV_STW_END:
		item.id = event == EV_STW_BEGIN ? args[0] : 0;
		item.begins = event == EV_STW_BEGIN;
		mark(s, &s->stops, &item);
		break;
	case EV_GC_ACTIVE:
	case EV_GC_BEGIN:
	case EV_GC_END:
		item.begins = event != EV_GC_END;
		item.before = event == EV_GC_ACTIVE;
		mark(s, &s->gcs, &item);
		break;
	case EV_SWEEP_ACTIVE:
	case EV_SWEEP_BEGIN:
		if (event == EV_SWEEP_BEGIN || !thread->sweep)
			thread->sweep = time;
		break;
	case EV_SWEEP_END:
		sweep_ended(s->trace, thread, time, args);
		break;
	case EV_ASSIST_ACTIVE:
	case EV_ASSIST_BEGIN:
	case EV_ASSIST_END:
		item.id = event == EV_ASSIST_ACTIVE ? args[0] : assistant(thread);
		item.begins = event != EV_ASSIST_END;
		mark(s, &s->assists, &item);
		break;
	case EV_HEAP_ALLOC:
		bin = gotrace_bin_at(s, time);
		if (time >= bin->heap_at) {
			bin->heap = args[0];
			bin->heap_at = time;
		}
		bin->heap_peak = args[0] > bin->heap_peak ? args[0] : bin->heap_peak;
		break;
	case EV_HEAP_GOAL:
		bin = gotrace_bin_at(s, time);
		if (time >= bin->goal_at) {
			bin->goal = args[0];
			bin->goal_at = time;
		}
		break;
	default:
		break;
	}
}

/* Every goroutine that is there when a generation begins has its status told in it, once. */
static void on_status(struct gotrace_state *s, const struct gotrace_batch *batch,
		      const uint64_t *args, struct gotrace_thread *thread)
{
	enum { RUNNABLE = 1, RUNNING = 2, WAITING = 4 };

	if (batch->generation == s->first_generation && args[2] >= RUNNABLE && args[2] <= WAITING)
		s->trace->goroutines_first++;
	if (args[2] == RUNNING && args[1] == batch->thread)
		thread->goroutine = args[0];
}

static void on_goroutine(struct gotrace_state *s, const struct gotrace_batch *batch, uint8_t event,
			 uint64_t time, const uint64_t *args, struct gotrace_thread *thread)
{
	switch (event) {
	case EV_GO_CREATE:
	case EV_GO_CREATE_BLOCKED:
	case EV_GO_CREATE_SYSCALL:
		gotrace_bin_at(s, time)->created++;
		s->trace->created++;
		if (event == EV_GO_CREATE_SYSCALL)
			thread->goroutine = args[0];
		break;
	case EV_GO_DESTROY:
	case EV_GO_DESTROY_SYSCALL:
	case EV_GO_SWITCH_DESTROY:
		gotrace_bin_at(s, time)->destroyed++;
		s->trace->destroyed++;
		thread->goroutine = event == EV_GO_SWITCH_DESTROY ? args[0] : 0;
		break;
	case EV_GO_START:
	case EV_GO_SWITCH:
		thread->goroutine = args[0];
		break;
	case EV_GO_STOP:
	case EV_GO_BLOCK:
	case EV_GO_SYSCALL_END_BLOCKED:
		thread->goroutine = 0;
		break;
	case EV_GO_STATUS:
	case EV_GO_STATUS_STACK:
		on_status(s, batch, args, thread);
		break;
	case EV_PROCS_CHANGE:
		s->trace->procs = args[0];
		break;
	default:
		break;
	}
}

bool gotrace_batch_events(struct gotrace_state *s, struct gotrace_batch *batch)
{
	struct gotrace_thread *thread = find_thread(s, batch->thread);
	uint64_t ticks = batch->time, args[MAX_ARGS], time, step;

	while (cursor_left(&batch->body)) {
		uint8_t event = cursor_u8(&batch->body);
		int n = args_of(event);

		if (n < 0)
			return false;
		step = cursor_uvarint(&batch->body);
		for (int i = 0; i < MAX_ARGS; i++)
			args[i] = i < n ? cursor_uvarint(&batch->body) : 0;
		if (batch->body.failed || step > MAX_TICKS || ticks > MAX_TICKS)
			return false;
		ticks += step;
		time = gotrace_ns(s->trace, ticks);
		if (!s->trace->events++ || time < s->trace->first)
			s->trace->first = time;
		s->trace->last = time > s->trace->last ? time : s->trace->last;
		if (event >= EV_STW_BEGIN && event <= EV_HEAP_GOAL)
			on_collector(s, batch, event, time, args, thread);
		else
			on_goroutine(s, batch, event, time, args, thread);
	}
	return true;
}
