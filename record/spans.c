#include "record/spans.h"

#include "common/clock.h"
#include "common/map.h"
#include "common/span.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SPANS   ((size_t)1 << 20) /* of one process: 8 GiB of small objects */
#define MAX_SLOTS   (64u * NOTE_SPAN_WORDS)
#define IN_USE	    1	/* mSpanInUse (mheap.go) */
#define CHUNK	    256 /* spans that are read at once */
#define MSPAN_BYTES 256 /* that are read of an mspan, at most */

struct span {
	uint64_t address, base, elemsize;
	uint64_t time;	   /* when it was last taken */
	uint32_t sweepgen; /* even: of the bits by which its sampled objects were last judged */
	uint8_t spanclass;
	uint8_t n_words;
	bool fresh; /* the object sampled last has not been found alive yet */
	/* The slots of sampled objects that may live. */
	uint64_t sampled[];
};

struct mspan {
	uint64_t base, elemsize, bits;
	uint32_t sweepgen;
	uint16_t count;
	uint8_t spanclass, state;
};

/* Some spans, while they are read. */
struct chunk {
	const struct spans_source *source;
	bool last; /* of the last reading */
	size_t n;
	size_t items[CHUNK]; /* indexes of spans */
	struct mspan now[CHUNK], again[CHUNK];
	uint64_t words[CHUNK][NOTE_SPAN_WORDS];
	/* What is read at once. */
	struct memory_piece pieces[CHUNK];
	uint8_t raw[CHUNK][MSPAN_BYTES];
	size_t which[CHUNK]; /* it is of */
	bool ok[CHUNK], remove[CHUNK];
};

struct spans {
	uint32_t pid, programs;
	struct span **items;
	size_t n, cap;
	struct map index; /* by address */
	size_t next;	  /* to be read */
	struct note_span *changed;
	size_t n_changed;
	uint64_t begin; /* of the reading that `changed` is of */
	struct chunk *chunk;
	uint64_t left_out, readings, cpu_time;
};

struct spans *spans_new(uint32_t pid)
{
	struct spans *spans = xcalloc(1, sizeof(*spans));

	spans->pid = pid;
	spans->chunk = xcalloc(1, sizeof(*spans->chunk));
	spans->changed = xcalloc(NOTE_SPANS_MAX_ENTRIES, sizeof(*spans->changed));
	return spans;
}

/* The class of sizes is 0, whether it has pointers or not. */
static bool is_large(uint8_t spanclass)
{
	return spanclass >> 1 == 0;
}

bool spans_sampled_slot(const struct span_take *take, uint64_t *slot)
{
	*slot = 0;
	return is_large(take->spanclass) || span_first_free(
						    &(struct span_slots){
							    .nelems = take->nelems,
							    .freeindex = take->freeindex,
							    .alloc_cache = take->alloc_cache,
							    .words = take->bits,
							    .n_words = take->n_bits,
						    },
						    slot);
}

static void remove_span(struct spans *spans, size_t i)
{
	struct span *span = spans->items[i], *last = spans->items[--spans->n];

	map_take(&spans->index, span->address, NULL);
	if (last != span) {
		spans->items[i] = last;
		*map_put(&spans->index, last->address, NULL) = i;
	}
	free(span);
}

static struct span *new_span(const struct span_take *take)
{
	size_t n_words = is_large(take->spanclass) ? 1 : (take->nelems + 63) / 64;
	struct span *span = xcalloc(1, sizeof(*span) + n_words * sizeof(span->sampled[0]));

	*span = (struct span){
		.address = take->span,
		.base = take->base,
		.elemsize = take->elemsize,
		.time = take->time,
		.sweepgen = take->sweepgen,
		.spanclass = take->spanclass,
		.n_words = (uint8_t)n_words,
	};
	return span;
}

static bool is_same(const struct span *span, const struct span_take *take)
{
	return span->base == take->base && span->elemsize == take->elemsize &&
	       span->spanclass == take->spanclass && !is_large(take->spanclass);
}

/* The entry of the span that is taken, judged by the bits it has then; NULL where there is none. */
static struct span *find_taken(struct spans *spans, const struct span_take *take)
{
	uint64_t *at = map_find(&spans->index, take->span);
	struct span *span = at ? spans->items[*at] : NULL;

	if (!span)
		return NULL;
	if (take->time < span->time) {
		/* Of another CPU, and late: whatever it was then, what is known now is newer. */
		return is_same(span, take) ? span : NULL;
	}
	if (!is_same(span, take)) {
		remove_span(spans, (size_t)*at);
		return NULL;
	}
	if (span_is_later(take->sweepgen, span->sweepgen)) {
		for (size_t w = 0; w < span->n_words && w < take->n_bits; w++)
			span->sampled[w] &= take->bits[w];
		span->sweepgen = take->sweepgen;
	}
	span->time = take->time;
	return span;
}

void spans_take(struct spans *spans, const struct span_take *take)
{
	struct span *span;
	uint64_t slot;

	/* What is no span cannot be read as one. */
	if (!take->span || take->sweepgen & 1 || !take->elemsize || take->nelems > MAX_SLOTS ||
	    !spans_sampled_slot(take, &slot))
		return;
	span = find_taken(spans, take);
	if (!span) {
		if (map_find(&spans->index, take->span))
			return;
		if (spans->n == MAX_SPANS) {
			spans->left_out++;
			return;
		}
		span = new_span(take);
		xgrow(spans->items, spans->cap, spans->n + 1);
		*map_put(&spans->index, span->address, NULL) = spans->n;
		spans->items[spans->n++] = span;
	}
	span->sampled[slot / 64] |= UINT64_C(1) << slot % 64;
	span->fresh = true;
}

void spans_forget(struct spans *spans, uint64_t before)
{
	spans->programs++;
	for (size_t i = spans->n; i-- > 0;) {
		if (spans->items[i]->time < before)
			remove_span(spans, i);
	}
}

/* ---- Reading ------------------------------------------------------------------------------- */

/* The bytes from startAddr to behind elemsize, the last of them; 0: not where they should be. */
static size_t mspan_bytes(const struct go_layout *layout)
{
	const int parts[] = {layout->mspan_alloc_bits, layout->mspan_sweepgen,
			     layout->mspan_spanclass, layout->mspan_state,
			     layout->mspan_alloc_count};
	int start = layout->mspan_start, end = layout->mspan_elemsize + 8;

	if (start < 0 || end - start > MSPAN_BYTES)
		return 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i] < start || parts[i] > layout->mspan_elemsize)
			return 0;
	}
	return (size_t)(end - start);
}

static void parse_mspan(const struct go_layout *layout, const uint8_t *raw, struct mspan *mspan)
{
	/* Everything lies behind the start and before the end. */
	raw -= layout->mspan_start;
	memcpy(&mspan->base, raw + layout->mspan_start, sizeof(mspan->base));
	memcpy(&mspan->elemsize, raw + layout->mspan_elemsize, sizeof(mspan->elemsize));
	memcpy(&mspan->bits, raw + layout->mspan_alloc_bits, sizeof(mspan->bits));
	memcpy(&mspan->sweepgen, raw + layout->mspan_sweepgen, sizeof(mspan->sweepgen));
	memcpy(&mspan->count, raw + layout->mspan_alloc_count, sizeof(mspan->count));
	memcpy(&mspan->spanclass, raw + layout->mspan_spanclass, sizeof(mspan->spanclass));
	memcpy(&mspan->state, raw + layout->mspan_state, sizeof(mspan->state));
}

/* Reads the mspans of those in the chunk that `wanted` says; clears it for those that cannot be. */
static void read_mspans(const struct spans *spans, struct chunk *c, struct mspan *mspans,
			bool *wanted)
{
	const struct go_layout *layout = c->source->layout;
	size_t size = mspan_bytes(layout), n = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (!wanted[i])
			continue;
		c->pieces[n] = (struct memory_piece){
			.address =
				spans->items[c->items[i]]->address + (uint64_t)layout->mspan_start,
			.buf = c->raw[n],
			.len = size,
		};
		c->which[n++] = i;
	}
	memory_read_each(c->source->memory, c->pieces, n, c->ok);
	for (size_t k = 0; k < n; k++) {
		wanted[c->which[k]] = c->ok[k];
		if (c->ok[k])
			parse_mspan(layout, c->raw[k], &mspans[c->which[k]]);
	}
}

/* The same for their bits. */
static void read_bits(const struct spans *spans, struct chunk *c, bool *wanted)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (!wanted[i])
			continue;
		c->pieces[n] = (struct memory_piece){
			.address = c->now[i].bits,
			.buf = c->words[i],
			.len = spans->items[c->items[i]]->n_words * sizeof(c->words[i][0]),
		};
		c->which[n++] = i;
	}
	memory_read_each(c->source->memory, c->pieces, n, c->ok);
	for (size_t k = 0; k < n; k++)
		wanted[c->which[k]] = c->ok[k];
}

static bool in_use(const struct span *span, const struct mspan *now)
{
	return now->state == IN_USE && now->base == span->base && now->elemsize == span->elemsize &&
	       now->spanclass == span->spanclass;
}

static uint32_t heap_sweepgen(const struct spans_source *source)
{
	uint32_t sweepgen;

	return source->sweepgen && memory_u32(source->memory, source->sweepgen, &sweepgen)
		       ? sweepgen
		       : 0;
}

/*
 * The sweep that a span's bits are of. An even generation says it. A span in a cache has 3 more
 * than when it was swept: 3 more than the heap's generation, or 1 more where a cycle has ended
 * since; one less than the heap's has a span that is being swept, whose bits say nothing.
 */
static bool swept_at(uint32_t sweepgen, uint32_t heap, uint32_t *swept)
{
	*swept = span_swept(sweepgen);
	return !(sweepgen & 1) || (heap && (sweepgen == heap + 1 || sweepgen == heap + 3));
}

static void flush(struct spans *spans, void *context,
		  void (*on_spans)(void *context, const struct note_spans *part))
{
	if (spans->n_changed)
		on_spans(context, &(struct note_spans){
					  .pid = spans->pid,
					  .begin = spans->begin,
					  .end = clock_ns(CLOCK_MONOTONIC),
					  .entries = spans->changed,
					  .n_entries = spans->n_changed,
				  });
	spans->n_changed = 0;
}

static struct note_span *add_changed(struct spans *spans, const struct span *span,
				     const struct mspan *now)
{
	struct note_span *entry = &spans->changed[spans->n_changed++];

	*entry = (struct note_span){
		.address = span->address,
		.base = span->base,
		.sweepgen = now->sweepgen,
		.in_use = in_use(span, now),
		.count = now->count,
	};
	return entry;
}

/* Judges the sampled objects of a span by the bits that were read; true where none is left. */
static bool judge(struct spans *spans, struct span *span, const struct mspan *now,
		  const uint64_t *bits, uint32_t swept)
{
	bool changed = span->fresh;
	uint64_t left = 0;

	for (size_t w = 0; w < span->n_words; w++)
		changed |= (span->sampled[w] & ~bits[w]) != 0;
	if (changed) {
		struct note_span *entry = add_changed(spans, span, now);

		entry->n_words = is_large(span->spanclass) ? 0 : span->n_words;
		for (size_t w = 0; w < entry->n_words; w++)
			entry->words[w] = bits[w];
	}
	for (size_t w = 0; w < span->n_words; w++) {
		/* The one object of a large span is there as long as the span is. */
		if (!is_large(span->spanclass))
			span->sampled[w] &= bits[w];
		left |= span->sampled[w];
	}
	span->sweepgen = swept;
	span->fresh = false;
	return !left;
}

static bool same_mspan(const struct mspan *a, const struct mspan *b)
{
	return a->base == b->base && a->elemsize == b->elemsize && a->bits == b->bits &&
	       a->sweepgen == b->sweepgen && a->spanclass == b->spanclass && a->state == b->state;
}

/* Reads a chunk and notes what is new; `remove` says of each span whether it is done with. */
static void read_chunk(struct spans *spans, struct chunk *c, uint32_t heap)
{
	bool wanted[CHUNK];

	memset(wanted, true, sizeof(wanted));
	read_mspans(spans, c, c->now, wanted);
	for (size_t i = 0; i < c->n; i++) {
		struct span *span = spans->items[c->items[i]];
		uint32_t swept;

		c->remove[i] = !wanted[i];
		if (!wanted[i])
			continue;
		if (!in_use(span, &c->now[i])) {
			add_changed(spans, span, &c->now[i]);
			c->remove[i] = true;
		} else if (c->last && c->now[i].sweepgen == span->sweepgen + 3) {
			/* In a cache, as it was taken. */
			add_changed(spans, span, &c->now[i]);
		}
		wanted[i] = !c->remove[i] && swept_at(c->now[i].sweepgen, heap, &swept) &&
			    span_is_later(swept, span->sweepgen);
	}
	read_bits(spans, c, wanted);
	read_mspans(spans, c, c->again, wanted);
	if (heap != heap_sweepgen(c->source))
		heap = 0;
	for (size_t i = 0; i < c->n; i++) {
		uint32_t swept;

		if (wanted[i] && same_mspan(&c->now[i], &c->again[i]) &&
		    swept_at(c->now[i].sweepgen, heap, &swept))
			c->remove[i] = judge(spans, spans->items[c->items[i]], &c->now[i],
					     c->words[i], swept);
	}
}

/*
 * The next ones of which something may be new: of a span swept in the present cycle nothing is. It
 * goes down, and not past the first, so that what takes the place of a removed one was looked at.
 * Returns how many were looked at.
 */
static size_t choose(struct spans *spans, struct chunk *c, uint32_t heap)
{
	size_t first = spans->next;

	for (c->n = 0; spans->next && c->n < CHUNK; spans->next--) {
		if (!heap || c->last ||
		    span_is_later(heap, spans->items[spans->next - 1]->sweepgen))
			c->items[c->n++] = spans->next - 1;
	}
	return first - spans->next;
}

static void read_next(struct spans *spans, const struct spans_source *source, size_t *left,
		      void *context, void (*on_spans)(void *context, const struct note_spans *part))
{
	uint32_t heap = heap_sweepgen(source);
	struct chunk *c = spans->chunk;
	size_t looked;

	if (!spans->next)
		spans->next = spans->n;
	c->source = source;
	looked = choose(spans, c, heap);
	*left -= looked < *left ? looked : *left;
	if (spans->n_changed + c->n > NOTE_SPANS_MAX_ENTRIES)
		flush(spans, context, on_spans);
	if (!spans->n_changed)
		spans->begin = clock_ns(CLOCK_MONOTONIC);
	read_chunk(spans, c, heap);
	for (size_t i = 0; i < c->n; i++) {
		if (c->remove[i])
			remove_span(spans, c->items[i]);
	}
	spans->readings += c->n;
}

void spans_read(struct spans *spans, const struct spans_source *source, uint64_t cpu_time,
		void *context, void (*on_spans)(void *context, const struct note_spans *part))
{
	uint64_t from = clock_ns(CLOCK_THREAD_CPUTIME_ID), took = 0;
	bool last = cpu_time == UINT64_MAX;
	size_t left = spans->n;

	if (!mspan_bytes(source->layout))
		return;
	spans->chunk->last = last;
	if (last || spans->next > spans->n)
		spans->next = spans->n;
	while (left && took < cpu_time) {
		read_next(spans, source, &left, context, on_spans);
		took = clock_ns(CLOCK_THREAD_CPUTIME_ID) - from;
	}
	flush(spans, context, on_spans);
	spans->cpu_time += took;
}

uint32_t spans_programs(const struct spans *spans)
{
	return spans->programs;
}

size_t spans_count(const struct spans *spans)
{
	return spans->n;
}

uint64_t spans_left_out(const struct spans *spans)
{
	return spans->left_out;
}

void spans_stats(const struct spans *spans, uint64_t *readings, uint64_t *cpu_time)
{
	*readings = spans->readings;
	*cpu_time = spans->cpu_time;
}

void spans_free(struct spans *spans)
{
	if (!spans)
		return;
	for (size_t i = 0; i < spans->n; i++)
		free(spans->items[i]);
	free(spans->items);
	free(spans->changed);
	free(spans->chunk);
	map_free(&spans->index);
	free(spans);
}
