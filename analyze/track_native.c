#include "analyze/track_native.h"

#include "analyze/track_objects.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* glibc's malloc/malloc.c: the low bits of a chunk's size are flags, of which this one says that
 * the chunk has a mapping of its own; the header in front of the pointer is part of the chunk. */
#define CHUNK_FLAGS	  7u
#define CHUNK_MAPPED	  2u
#define CHUNK_HEAD	  8u
#define CHUNK_HEAD_MAPPED 16u

#define MAX_THREADS ((size_t)1 << 16)
#define MAX_STACK   256u

/* The stack pointer right after a return is one word above that at the entry where the call pushed
 * the return address (amd64), the same elsewhere. */
#define CALL_WORD 8u

/* Calls of C that a thread may be in at once, one inside the other. */
#define MAX_CALLS 4

/* The Go function that calls C sets up its frame this far below where it was entered, at most. */
#define MAX_FRAME_BELOW 512u

/* A call from Go to C. */
struct cgo_call {
	uint64_t sp, fp; /* of the Go function that calls; one of them is 0 */
	uint32_t stack;	 /* of Go; an id of track->stacks */
};

/* What a thread is doing in the allocator, and from where. */
struct native_thread {
	struct cgo_call calls[MAX_CALLS]; /* the newest one last */
	unsigned n_calls;
	bool inside;	       /* a function was entered and has not returned */
	uint64_t sp;	       /* at its entry */
	uint64_t size;	       /* that was asked for */
	uint64_t last_pointer; /* given out by the event before, on this thread; 0: none */
};

struct native_state {
	struct native_thread *threads;
	size_t n_threads, cap_threads;
	struct map thread_of; /* tid -> index */
	struct map how_of;    /* pid -> index into hows */
	struct note_native *hows;
	size_t n_hows, cap_hows;
};

static struct native_state *state_of(struct track *track)
{
	if (!track->native)
		track->native = xcalloc(1, sizeof(*track->native));
	return track->native;
}

static struct native_thread *thread_of(struct track *track, uint32_t tid)
{
	struct native_state *state = state_of(track);
	bool fresh;
	uint64_t *at;

	/* Threads that came and went are forgotten together; they are between two calls. */
	if (state->n_threads >= MAX_THREADS) {
		map_free(&state->thread_of);
		state->thread_of = (struct map){0};
		state->n_threads = 0;
	}
	at = map_put(&state->thread_of, tid, &fresh);
	if (fresh) {
		xgrow(state->threads, state->cap_threads, state->n_threads + 1);
		state->threads[state->n_threads] = (struct native_thread){0};
		*at = state->n_threads++;
	}
	return &state->threads[*at];
}

/* How the allocations of a process are recorded; NULL: all of them. */
static const struct note_native *how_of(const struct track *track, uint32_t pid)
{
	const struct native_state *state = track->native;
	const uint64_t *at = state ? map_find(&state->how_of, pid) : NULL;

	return at ? &state->hows[*at] : NULL;
}

void track_native_note(struct track *track, const struct note_native *note)
{
	struct native_state *state = state_of(track);
	bool fresh;
	uint64_t *at = map_put(&state->how_of, note->pid, &fresh);

	if (fresh) {
		xgrow(state->hows, state->cap_hows, state->n_hows + 1);
		*at = state->n_hows++;
	}
	state->hows[*at] = *note;
	state->hows[*at].path = NULL; /* it lies in the record */
}

/* What malloc_usable_size says of a chunk. */
static uint64_t usable_size(uint64_t chunk)
{
	uint64_t size = chunk & ~(uint64_t)CHUNK_FLAGS;
	uint64_t head = chunk & CHUNK_MAPPED ? CHUNK_HEAD_MAPPED : CHUNK_HEAD;

	return size > head ? size - head : 0;
}

/* Whether the kernel's filter lets the events of this pointer pass, and how many it stands for. */
static bool is_recorded(const struct track *track, uint32_t pid, uint64_t pointer, uint64_t chunk,
			uint32_t *stands_for)
{
	const struct note_native *how = how_of(track, pid);

	*stands_for = 1;
	if (!how)
		return true;
	if (how->min_size && chunk < ((how->min_size + CHUNK_HEAD + 15) & ~15ull))
		return false;
	if (how->every <= 1 || chunk >= how->whole_from)
		return true;
	*stands_for = how->every;
	return note_native_picks(how->every, pointer);
}

static void end_object(struct track *track, const struct event *event, uint64_t pointer)
{
	struct life *life = track_life(track, event->pid, event->time);

	track_object_died(track, life, SITE_NATIVE, pointer, 0, event->time);
}

/* Whether this happens inside a function that is known to be running. */
static bool is_inside(struct native_thread *thread, const struct event *event)
{
	if (!thread->inside)
		return false;
	if (event->v[FIELD_SP] < thread->sp)
		return true;
	/* It has returned, and nobody told. */
	thread->inside = false;
	return false;
}

void track_native_enter(struct track *track, const struct event *event)
{
	struct native_thread *thread = thread_of(track, event->tid);
	uint64_t old = event->v[FIELD_P], size = event->v[FIELD_SIZE];
	uint32_t stands_for;

	if (is_inside(thread, event))
		return;
	if (event->has & EVENT_HAS(FIELD_NMEMB) &&
	    __builtin_mul_overflow(size, event->v[FIELD_NMEMB], &size))
		size = 0;
	thread->inside = true;
	thread->sp = event->v[FIELD_SP];
	thread->size = size;
	thread->last_pointer = 0;
	if (old && is_recorded(track, event->pid, old, event->v[FIELD_CHUNK], &stands_for))
		end_object(track, event, old);
}

static bool lies_below(const struct cgo_call *call, const struct event *event)
{
	return call->sp + call->fp <= event->v[FIELD_SP] + event->v[FIELD_FP];
}

/* The chain begins in runtime.cgocall, whose caller older kernels leave out of it. */
void track_cgo_call(struct track *track, const struct event *event)
{
	struct native_thread *thread = thread_of(track, event->tid);
	uint64_t pcs[MAX_STACK], ret = event->v[FIELD_RET];
	uint32_t n = 0, from = 1;

	if (ret) {
		pcs[n++] = ret;
		if (event->n_stack > 1 &&
		    !memcmp((const uint64_t *)event->stack + 1, &ret, sizeof(ret)))
			from = 2;
	}
	for (; from < event->n_stack && n < MAX_STACK; from++)
		memcpy(&pcs[n++], (const uint64_t *)event->stack + from, sizeof(*pcs));
	/* What it lies below has not returned; all others have. */
	while (thread->n_calls && lies_below(&thread->calls[thread->n_calls - 1], event))
		thread->n_calls--;
	if (thread->n_calls == MAX_CALLS)
		memmove(thread->calls, thread->calls + 1,
			--thread->n_calls * sizeof(*thread->calls));
	thread->calls[thread->n_calls++] = (struct cgo_call){
		.sp = event->v[FIELD_SP],
		.fp = event->v[FIELD_FP],
		.stack = stackset_intern(&track->stacks, pcs, n),
	};
}

/* The call that a stack ends in; NULL where none is known to be it. */
static const struct cgo_call *call_of(const struct native_thread *thread, const struct event_go *go)
{
	for (unsigned i = thread->n_calls; i-- > 0;) {
		const struct cgo_call *call = &thread->calls[i];

		if (go->cut ||
		    (call->fp ? call->fp == go->frame
			      : go->frame < call->sp && call->sp - go->frame <= MAX_FRAME_BELOW))
			return call;
	}
	return NULL;
}

uint32_t track_native_stack(struct track *track, const struct event *event)
{
	const struct cgo_call *call = NULL;
	uint64_t pcs[MAX_STACK];
	const uint64_t *go;
	uint32_t n, n_go;

	if (!event->go.known && (event->go.cut || event->go.frame))
		call = call_of(thread_of(track, event->tid), &event->go);
	if (!call)
		return stackset_intern(&track->stacks, event->stack, event->n_stack);
	go = stackset_pcs(&track->stacks, call->stack, &n_go);
	n = event->n_stack < MAX_STACK ? event->n_stack : MAX_STACK;
	memcpy(pcs, event->stack, n * sizeof(*pcs));
	for (uint32_t i = 0; i < n_go && n < MAX_STACK; i++)
		pcs[n++] = go[i];
	return stackset_intern(&track->stacks, pcs, n);
}

void track_native_return(struct track *track, const struct event *event)
{
	struct native_thread *thread = thread_of(track, event->tid);
	struct life *life = track_life(track, event->pid, event->time);
	uint64_t pointer = event->v[FIELD_P], chunk = event->v[FIELD_CHUNK], bytes, last;
	uint64_t sp = event->v[FIELD_SP];
	bool has_chunk = event->has & EVENT_HAS(FIELD_CHUNK), ends;
	uint32_t stands_for;

	ends = thread->inside && (sp == thread->sp || sp == thread->sp + CALL_WORD);
	if (!ends && is_inside(thread, event))
		return;
	if (ends)
		thread->inside = false;
	last = thread->last_pointer;
	thread->last_pointer = pointer;
	bytes = has_chunk ? usable_size(chunk) : ends ? thread->size : 0;
	if (!pointer || !is_recorded(track, event->pid, pointer, chunk, &stands_for))
		return;
	if (pointer == last && track_object_site(life, SITE_NATIVE, pointer) != UINT32_MAX)
		return;
	track_object_born(track, life,
			  &(struct object_birth){
				  .kind = SITE_NATIVE,
				  .key = pointer,
				  .stack = track_native_stack(track, event),
				  .bytes = bytes,
				  .est_bytes = (double)bytes * stands_for,
				  .time = event->time,
			  });
}

void track_native_free(struct track *track, const struct event *event)
{
	struct native_thread *thread = thread_of(track, event->tid);

	if (is_inside(thread, event))
		return;
	thread->last_pointer = 0;
	if (event->v[FIELD_P])
		end_object(track, event, event->v[FIELD_P]);
}

void track_native_finish(struct track *track)
{
	for (size_t i = 0; i < track->n_lives; i++) {
		struct life *life = &track->lives[i];
		const struct note_native *how = how_of(track, life->pid);
		struct process *process = life_process(track, life);

		if (how) {
			process->native_every = how->every;
			process->native_whole = how->every > 1 ? how->whole_from : 0;
		}
	}
}

void track_native_lost(struct track *track)
{
	struct native_state *state = track->native;

	for (size_t i = 0; state && i < state->n_threads; i++)
		state->threads[i].inside = false;
}

void track_native_state_free(struct native_state *state)
{
	if (!state)
		return;
	map_free(&state->thread_of);
	map_free(&state->how_of);
	free(state->threads);
	free(state->hows);
	free(state);
}
