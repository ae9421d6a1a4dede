/*
 * Objects of the Go heap where the runtime samples none. A processor takes a span of a class when
 * it has no free slot of that class left; the object for which it does so, the first one in that
 * span, is a sample. It stands for all objects that are put into the span until it is full, or is
 * taken back for a GC cycle. Its slot is not given out again before the span is taken again, and
 * a span's allocBits are the mark bits of the cycle that its sweepgen tells: so whenever a span was
 * swept, they tell which samples in it are no more (runtime/mheap.go, mspan; mcentral.go,
 * cacheSpan).
 */
#include "analyze/track_state.h"

#include "common/span.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SIZE  ((uint64_t)1 << 48) /* of an object */
#define WORD	  64
#define MAX_SLOTS (WORD * NOTE_SPAN_WORDS)

struct span {
	uint64_t base, elemsize;
	uint64_t newest; /* the sample of the last take, as long as it is not known how many slots
			    were filled since; 0: it is */
	uint32_t gen;	 /* the sweep after which it was taken last */
	uint32_t n_slots, used; /* used: when it was taken last */
	uint64_t *samples;	/* slots of those that are alive */
};

static uint32_t n_words(const struct span *span)
{
	return (span->n_slots + WORD - 1) / WORD;
}

/* ---- Ends ------------------------------------------------------------------------------- */

/* `when`: time and cycle. */
static void bury(struct track *track, struct life *life, uint32_t index, uint32_t slot,
		 const struct event *when)
{
	struct span *span = &life->spans.items[index];
	uint64_t address = span->base + slot * span->elemsize, *owner;
	struct event death = {
		.kind = EVENT_DEATH,
		.pid = life->pid,
		.time = when->time,
		.has = EVENT_HAS(FIELD_P) | (when->has & EVENT_HAS(FIELD_CYCLE)),
	};

	span->samples[slot / WORD] &= ~(UINT64_C(1) << slot % WORD);
	owner = map_find(&life->spans.sample_at, address);
	/* Its memory may have become part of another span in the meantime. */
	if (!owner || *owner != index)
		return;
	map_take(&life->spans.sample_at, address, NULL);
	death.v[FIELD_P] = address;
	death.v[FIELD_CYCLE] = when->v[FIELD_CYCLE];
	track_death(track, &death);
}

/* What tells of the slots of a span after a sweep. */
struct marks {
	const uint64_t *words;
	uint32_t n_words;
	/* Where words end: slots before freeindex are taken; of the next ones, up to the end of
	 * their word, cache has a bit set for each that is free. */
	uint64_t freeindex, cache;
};

static bool is_free(const struct marks *marks, uint32_t slot)
{
	if (slot / WORD < marks->n_words)
		return !(marks->words[slot / WORD] >> slot % WORD & 1);
	if (slot < marks->freeindex || slot / WORD != marks->freeindex / WORD)
		return false;
	return marks->cache >> (slot - marks->freeindex) & 1;
}

/* marks NULL: none is left. */
static void bury_dead(struct track *track, struct life *life, uint32_t index,
		      const struct marks *marks, const struct event *when)
{
	const struct span *span = &life->spans.items[index];

	for (uint32_t word = 0; word < n_words(span); word++) {
		for (uint64_t left = span->samples[word]; left; left &= left - 1) {
			uint32_t slot = word * WORD + (uint32_t)__builtin_ctzll(left);

			if (!marks || is_free(marks, slot))
				bury(track, life, index, slot, when);
		}
	}
}

/* ---- What was filled -------------------------------------------------------------------- */

/* So many slots of it are filled. */
static void weigh(struct track *track, struct life *life, const struct span *span, uint64_t used)
{
	const uint64_t *owner;

	if (!span->newest || used <= span->used || used > span->n_slots)
		return;
	/* Its memory may have become part of another span in the meantime. */
	owner = map_find(&life->spans.sample_at, span->newest);
	if (owner && *owner == (uint64_t)(span - life->spans.items))
		track_reweigh(track, life, span->newest, (uint32_t)used - span->used);
}

/* Nobody fills it any more. */
static void settle(struct track *track, struct life *life, struct span *span, uint64_t used)
{
	weigh(track, life, span, used);
	span->newest = 0;
}

/* ---- Takes ------------------------------------------------------------------------------ */

static uint32_t span_of(struct life *life, uint64_t mspan)
{
	struct spans *spans = &life->spans;
	bool fresh;
	uint64_t *at = map_put(&spans->of, mspan, &fresh);

	if (fresh) {
		xgrow(spans->items, spans->cap, spans->n + 1);
		spans->items[spans->n] = (struct span){0};
		*at = spans->n++;
	}
	return (uint32_t)*at;
}

/* The span as it is when it is taken; what was in it and is no more ends. */
static uint32_t take(struct track *track, struct life *life, const struct event *event,
		     uint32_t n_slots)
{
	uint32_t index = span_of(life, event->v[FIELD_SPAN]);
	uint32_t gen = (uint32_t)event->v[FIELD_SWEEPGEN];
	struct span *span = &life->spans.items[index];
	const struct marks marks = {
		.words = event->words,
		.n_words = event->n_words,
		.freeindex = event->v[FIELD_FREEINDEX],
		.cache = event->v[FIELD_ALLOC_CACHE],
	};

	/* It was not taken back half full, which would have been seen. */
	settle(track, life, span, span->n_slots);
	/* It is swept; odd while that is not said yet. */
	gen += gen & 1;
	if (span->base != event->v[FIELD_BASE] || span->elemsize != event->v[FIELD_ELEMSIZE] ||
	    span->n_slots != n_slots) {
		bury_dead(track, life, index, NULL, event);
		free(span->samples);
		*span = (struct span){
			.base = event->v[FIELD_BASE],
			.elemsize = event->v[FIELD_ELEMSIZE],
			.n_slots = n_slots,
		};
		span->samples = xcalloc(n_words(span), sizeof(*span->samples));
	} else if (n_slots == 1 || span_is_later(gen, span->gen)) {
		/* What takes the only slot has found it free. */
		bury_dead(track, life, index, n_slots == 1 ? NULL : &marks, event);
	}
	span->gen = gen;
	span->used = (uint32_t)event->v[FIELD_ALLOC_COUNT];
	return index;
}

/* runtime/malloc.go, mcache.go and their like; what calls mallocgc says what is allocated. */
static bool is_allocator(const char *function)
{
	static const char *const prefixes[] = {"runtime.mallocgc",    "runtime.(*mcache).",
					       "runtime.(*mcentral)", "runtime.(*mheap).",
					       "runtime.largeAlloc",  "runtime.systemstack"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(function, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

/*
 * The frames of the allocator itself at the inner end of a stack, which sampled stacks do not have
 * either: through which of its functions a span came to be taken makes no other site.
 */
static uint32_t allocator_frames(struct track *track, struct life *life, const struct event *event)
{
	uint32_t n = 0;

	for (; track->model->symbols && n < event->n_stack; n++) {
		uint64_t address, *known;
		bool fresh;

		memcpy(&address, (const uint8_t *)event->stack + n * sizeof(address),
		       sizeof(address));
		known = map_put(&life->spans.allocator, address, &fresh);
		if (fresh) {
			size_t n_frames = 0;
			const struct symtab_frame *frames =
				symtab_find(track->model->symbols, life->pid, address, &n_frames);

			*known = n_frames && is_allocator(frames[n_frames - 1].function);
		}
		if (!*known)
			break;
	}
	return n < event->n_stack ? n : 0;
}

static void add_sample(struct track *track, struct life *life, uint32_t index, uint32_t slot,
		       const struct event *event)
{
	struct span *span = &life->spans.items[index];
	uint64_t address = span->base + slot * span->elemsize, *owner;
	uint32_t left = span->n_slots > span->used ? span->n_slots - span->used : 1;
	uint32_t inner = allocator_frames(track, life, event);
	struct event birth = {
		.kind = EVENT_BIRTH,
		.pid = event->pid,
		.tid = event->tid,
		.time = event->time,
		.has = EVENT_HAS(FIELD_P) | EVENT_HAS(FIELD_SIZE) | EVENT_HAS(FIELD_SLOTS) |
		       (event->has & (EVENT_HAS(FIELD_CYCLE) | EVENT_HAS(FIELD_GOID))),
		.stack = (const uint64_t *)event->stack + inner,
		.n_stack = event->n_stack - inner,
	};

	owner = map_find(&life->spans.sample_at, address);
	if (owner)
		bury(track, life, (uint32_t)*owner,
		     (uint32_t)((address - life->spans.items[*owner].base) /
				life->spans.items[*owner].elemsize),
		     event);
	*map_put(&life->spans.sample_at, address, NULL) = index;
	span->samples[slot / WORD] |= UINT64_C(1) << slot % WORD;
	span->newest = address;
	birth.v[FIELD_P] = address;
	birth.v[FIELD_SIZE] = span->elemsize;
	birth.v[FIELD_SLOTS] = left;
	birth.v[FIELD_CYCLE] = event->v[FIELD_CYCLE];
	birth.v[FIELD_GOID] = event->v[FIELD_GOID];
	life_process(track, life)->by_spans = true;
	track_birth(track, &birth);
}

static bool is_whole(const struct event *event, uint64_t needed)
{
	return (event->has & needed) == needed && event->v[FIELD_SPAN] && event->v[FIELD_BASE] &&
	       event->v[FIELD_ELEMSIZE] && event->v[FIELD_ELEMSIZE] < MAX_SIZE;
}

void track_span_taken(struct track *track, const struct event *event)
{
	const uint64_t needed = EVENT_HAS(FIELD_SPAN) | EVENT_HAS(FIELD_BASE) |
				EVENT_HAS(FIELD_SWEEPGEN) | EVENT_HAS(FIELD_NELEMS) |
				EVENT_HAS(FIELD_FREEINDEX) | EVENT_HAS(FIELD_ALLOC_CACHE) |
				EVENT_HAS(FIELD_ALLOC_COUNT) | EVENT_HAS(FIELD_ELEMSIZE);
	struct life *life = track_life(track, event->pid, event->time);
	uint64_t n_slots = event->v[FIELD_NELEMS], slot;
	uint32_t index;

	if (!is_whole(event, needed) || !n_slots || n_slots > MAX_SLOTS ||
	    event->v[FIELD_ALLOC_COUNT] > n_slots)
		return;
	index = take(track, life, event, (uint32_t)n_slots);
	if (span_first_free(
		    &(struct span_slots){
			    .nelems = n_slots,
			    .freeindex = event->v[FIELD_FREEINDEX],
			    .alloc_cache = event->v[FIELD_ALLOC_CACHE],
			    .words = event->words,
			    .n_words = event->n_words,
		    },
		    &slot))
		add_sample(track, life, index, (uint32_t)slot, event);
}

void track_span_large(struct track *track, const struct event *event)
{
	const uint64_t needed = EVENT_HAS(FIELD_SPAN) | EVENT_HAS(FIELD_BASE) |
				EVENT_HAS(FIELD_SWEEPGEN) | EVENT_HAS(FIELD_ELEMSIZE);
	struct life *life = track_life(track, event->pid, event->time);
	uint32_t index;

	if (!is_whole(event, needed))
		return;
	index = take(track, life, event, 1);
	add_sample(track, life, index, 0, event);
	life->spans.items[index].newest = 0;
}

/* ---- What is left ------------------------------------------------------------------------ */

void track_span_released(struct track *track, const struct event *event)
{
	const uint64_t needed = EVENT_HAS(FIELD_SPAN) | EVENT_HAS(FIELD_ALLOC_COUNT);
	struct life *life = track_life(track, event->pid, event->time);
	const uint64_t *at = map_find(&life->spans.of, event->v[FIELD_SPAN]);

	if ((event->has & needed) == needed && at)
		settle(track, life, &life->spans.items[*at], event->v[FIELD_ALLOC_COUNT]);
}

static void read_span(struct track *track, struct life *life, const struct event *when,
		      const struct note_span *entry)
{
	const uint64_t *at = map_find(&life->spans.of, entry->address);
	const struct marks marks = {.words = entry->words, .n_words = entry->n_words};
	struct span *span;
	uint32_t gen;

	if (!at)
		return;
	span = &life->spans.items[*at];
	gen = span_swept(entry->sweepgen);
	/* What was there before the last take ended with that. */
	if (entry->base != span->base)
		return;
	/* A sweep has freed it, unless it was taken anew since it was read. */
	if (!entry->in_use) {
		if (span_is_later(gen, span->gen))
			bury_dead(track, life, (uint32_t)*at, NULL, when);
		return;
	}
	if (span_is_later(gen, span->gen)) {
		settle(track, life, span, span->n_slots);
		if (entry->n_words)
			bury_dead(track, life, (uint32_t)*at, &marks, when);
	} else if (gen == span->gen) {
		weigh(track, life, span, entry->count);
	}
}

void track_spans_note(struct track *track, uint64_t time, const struct note_spans *note)
{
	struct life *life = track_life_of_note(track, note->pid, time);
	const struct event when = {.time = note->begin};

	for (size_t i = 0; i < note->n_entries; i++)
		read_span(track, life, &when, &note->entries[i]);
}

void track_spans_free(struct life *life)
{
	for (size_t i = 0; i < life->spans.n; i++)
		free(life->spans.items[i].samples);
	free(life->spans.items);
	map_free(&life->spans.of);
	map_free(&life->spans.sample_at);
	map_free(&life->spans.allocator);
	life->spans = (struct spans){0};
}
