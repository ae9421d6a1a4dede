#ifndef GMT_TESTS_UNIT_TRACK_BENCH_H
#define GMT_TESTS_UNIT_TRACK_BENCH_H

/* Events made by hand, put through track. */

#include "analyze/track.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PID 100u
#define MS  1000000u

struct bench {
	struct model model;
	struct track *track;
};

static inline void bench_open(struct bench *bench, uint64_t from, uint64_t to)
{
	model_init(&bench->model);
	bench->track = track_new(&bench->model, &(struct track_options){from, to});
}

static inline void bench_close(struct bench *bench)
{
	track_free(bench->track);
	model_free(&bench->model);
}

static inline struct event event_at(enum event_kind kind, uint64_t time, uint32_t pid)
{
	return (struct event){.kind = kind, .time = time, .pid = pid, .tid = pid};
}

static inline void put(struct event *event, enum event_field field, uint64_t value)
{
	event->has |= EVENT_HAS(field);
	event->v[field] = value;
}

/* The cycle as the runtime of 1.19 and later has it in memory. */
static inline uint64_t raw_cycle(uint64_t cycle)
{
	return cycle << 1 | 1;
}

/* Bucket b has the stack {b / 16, 1, 2}: buckets that differ in the low digit share it. */
static inline uint64_t *stack_of(uint64_t b)
{
	static uint64_t stack[3];

	stack[0] = b / 16;
	stack[1] = 1;
	stack[2] = 2;
	return stack;
}

static inline struct event birth_event(uint64_t time, uint64_t p, uint64_t b, uint64_t size,
				       uint64_t cycle)
{
	struct event event = event_at(EVENT_BIRTH, time, PID);

	put(&event, FIELD_P, p);
	put(&event, FIELD_B, b);
	put(&event, FIELD_SIZE, size);
	put(&event, FIELD_CYCLE, raw_cycle(cycle));
	put(&event, FIELD_NSTK, 3);
	put(&event, FIELD_GOID, 1);
	event.stack = stack_of(b);
	event.n_stack = 3;
	event.stack_from_bucket = true;
	return event;
}

static inline void birth(struct bench *bench, uint64_t time, uint64_t p, uint64_t b, uint64_t size,
			 uint64_t cycle)
{
	struct event event = birth_event(time, p, b, size, cycle);

	track_event(bench->track, &event);
}

static inline struct event death_event(uint64_t time, uint64_t p, uint64_t b, uint64_t size,
				       uint64_t cycle)
{
	struct event event = event_at(EVENT_DEATH, time, PID);

	put(&event, FIELD_P, p);
	put(&event, FIELD_B, b);
	put(&event, FIELD_SIZE, size);
	put(&event, FIELD_CYCLE, raw_cycle(cycle));
	return event;
}

static inline void death(struct bench *bench, uint64_t time, uint64_t p, uint64_t b, uint64_t size,
			 uint64_t cycle)
{
	struct event event = death_event(time, p, b, size, cycle);

	track_event(bench->track, &event);
}

static inline void mark_term(struct bench *bench, uint64_t time, uint64_t cycle)
{
	struct event event = event_at(EVENT_GC_MARK_TERM, time, PID);

	put(&event, FIELD_CYCLE, raw_cycle(cycle));
	track_event(bench->track, &event);
}

static inline void process_note(struct bench *bench, uint64_t time, const char *version,
				bool attached, uint64_t rate)
{
	struct event event = event_at(EVENT_NOTE, time, 1);

	event.note.kind = NOTE_PROCESS;
	event.note.process = (struct note_process){
		.pid = PID,
		.exe = "/bin/target",
		.go_version = version,
		.attached = attached,
		.mem_profile_rate = rate,
	};
	track_event(bench->track, &event);
}

static inline void bucket_note(struct bench *bench, uint64_t time, uint64_t b, uint64_t size,
			       const uint64_t *stack, size_t n)
{
	struct event event = event_at(EVENT_NOTE, time, 1);

	event.note.kind = NOTE_BUCKET;
	event.note.bucket = (struct note_bucket){
		.pid = PID, .address = b, .size = size, .stack = stack, .n_stack = n};
	track_event(bench->track, &event);
}

/* The site whose innermost address is pc; NULL where there is none. */
static inline const struct site *site_at(const struct model *model, uint64_t pc)
{
	for (size_t i = 0; i < model->n_sites; i++) {
		const struct stack *stack = &model->stacks[model->sites[i].stack];

		if (stack->n && stack->pcs[0] == pc)
			return &model->sites[i];
	}
	return NULL;
}

/* What one sample of this size stands for at the default rate. */
static inline double weight_of(uint64_t size)
{
	return (double)size / (1 - exp(-(double)size / 524288.0));
}

static inline void lifecycle(struct bench *bench, enum event_kind kind, uint64_t time, uint32_t pid,
			     uint32_t tid, uint32_t parent, const char *comm)
{
	struct event event = event_at(kind, time, pid);

	event.tid = tid;
	if (kind == EVENT_COMM || kind == EVENT_EXEC)
		event.comm.comm = comm;
	else
		event.fork.parent_pid = parent;
	track_event(bench->track, &event);
}

static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
