#include "analyze/read.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* Records are kept in chunks, which are used again as soon as all in them has been delivered. */
#define CHUNK_SIZE ((size_t)1 << 20)

struct chunk {
	uint8_t *data;
	uint32_t used;
	uint32_t live; /* records not yet delivered */
};

struct entry {
	uint64_t time;
	uint32_t chunk, offset;
};

/* A stretch of entries in order of time. Only the last run is added to, so a lower run is older. */
struct run {
	size_t head, end;
};

struct heap_item {
	uint64_t time;
	size_t run;
};

struct read {
	struct perfdata_reader *file;
	size_t limit, held, peak;
	uint64_t out_of_order;
	uint64_t delivered; /* greatest time delivered */
	uint64_t max_time;  /* greatest time read */
	uint64_t mark_time; /* max_time at the last mark */
	bool at_end;

	struct chunk *chunks;
	size_t n_chunks, cap_chunks;
	uint32_t *spare; /* chunks with nothing in them */
	size_t n_spare, cap_spare;
	uint32_t current; /* chunk being filled */
	/* Chunks of the records delivered last, which are still in use; a ring. */
	uint32_t kept[READ_KEPT];
	size_t next_kept;

	struct entry *entries;
	size_t n_entries, cap_entries;
	struct run *runs;
	size_t n_runs, cap_runs;

	/* While merging: what may be delivered */
	bool merging;
	uint64_t until;	   /* times up to here */
	size_t until_held; /* and no further than down to so many bytes */
	struct heap_item *heap;
	size_t n_heap, cap_heap;

	/* Where the time stands in every sample; 0: it must be parsed for */
	size_t time_offset;
	size_t n_events_seen;
};

#define NO_CHUNK UINT32_MAX

struct read *read_new(struct perfdata_reader *file, size_t limit)
{
	struct read *read = xcalloc(1, sizeof(*read));

	read->file = file;
	read->limit = limit;
	read->current = NO_CHUNK;
	for (size_t i = 0; i < READ_KEPT; i++)
		read->kept[i] = NO_CHUNK;
	return read;
}

uint64_t read_out_of_order(const struct read *read)
{
	return read->out_of_order;
}

size_t read_peak(const struct read *read)
{
	return read->peak;
}

/*
 * The time is the third or fourth word of a sample. Where all events agree on what precedes it, it
 * is loaded from there. perf's pipe form adds events on the way, so this is looked at again.
 */
static void find_time_offset(struct read *read, const struct perfdata_info *info)
{
	const uint64_t before = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID;
	uint64_t type;

	read->n_events_seen = info->n_events;
	read->time_offset = 0;
	if (!info->n_events)
		return;
	type = info->events[0].attr.sample_type;
	for (size_t i = 0; i < info->n_events; i++) {
		uint64_t other = info->events[i].attr.sample_type;

		if (!(other & PERF_SAMPLE_TIME) || (other & before) != (type & before))
			return;
	}
	read->time_offset = sizeof(struct perf_event_header) +
			    sizeof(uint64_t) * (size_t)__builtin_popcountll(type & before);
}

static uint64_t record_time(struct read *read, const struct perf_event_header *header)
{
	const struct perfdata_info *info = perfdata_info(read->file);
	struct perfdata_sample sample;
	uint64_t time = 0;

	if (header->type != PERF_RECORD_SAMPLE)
		return perfdata_sample_id(read->file, header, &sample) ? sample.time : 0;
	if (info->n_events != read->n_events_seen)
		find_time_offset(read, info);
	if (!read->time_offset)
		return perfdata_sample(read->file, header, &sample) ? sample.time : 0;
	if (header->size >= read->time_offset + sizeof(time))
		memcpy(&time, (const uint8_t *)header + read->time_offset, sizeof(time));
	return time;
}

/* ---- Holding ---------------------------------------------------------------------------- */

static uint32_t take_chunk(struct read *read)
{
	if (read->n_spare)
		return read->spare[--read->n_spare];
	xgrow(read->chunks, read->cap_chunks, read->n_chunks + 1);
	read->chunks[read->n_chunks] = (struct chunk){.data = xmalloc(CHUNK_SIZE)};
	return (uint32_t)read->n_chunks++;
}

static void drop_record(struct read *read, uint32_t index)
{
	struct chunk *chunk = &read->chunks[index];

	if (--chunk->live)
		return;
	chunk->used = 0;
	if (index == read->current)
		return;
	xgrow(read->spare, read->cap_spare, read->n_spare + 1);
	read->spare[read->n_spare++] = index;
}

static void hold(struct read *read, const struct perf_event_header *header, uint64_t time)
{
	size_t size = (header->size + 7u) & ~(size_t)7;
	struct chunk *chunk;

	if (read->current == NO_CHUNK || read->chunks[read->current].used + size > CHUNK_SIZE)
		read->current = take_chunk(read);
	chunk = &read->chunks[read->current];
	memcpy(chunk->data + chunk->used, header, header->size);

	xgrow(read->entries, read->cap_entries, read->n_entries + 1);
	if (!read->n_runs || time < read->entries[read->runs[read->n_runs - 1].end - 1].time) {
		xgrow(read->runs, read->cap_runs, read->n_runs + 1);
		read->runs[read->n_runs++] = (struct run){read->n_entries, read->n_entries};
	}
	read->entries[read->n_entries++] = (struct entry){
		.time = time,
		.chunk = read->current,
		.offset = chunk->used,
	};
	read->runs[read->n_runs - 1].end = read->n_entries;
	chunk->used += (uint32_t)size;
	chunk->live++;
	read->held += size;
	if (read->held > read->peak)
		read->peak = read->held;
	if (time > read->max_time)
		read->max_time = time;
}

/* ---- Merging ---------------------------------------------------------------------------- */

/* Of equal times the older run comes first, so that the order of the file is kept. */
static bool goes_before(const struct heap_item *a, const struct heap_item *b)
{
	return a->time < b->time || (a->time == b->time && a->run < b->run);
}

static void sift_down(struct read *read, size_t i)
{
	struct heap_item item = read->heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= read->n_heap)
			break;
		if (child + 1 < read->n_heap &&
		    goes_before(&read->heap[child + 1], &read->heap[child]))
			child++;
		if (!goes_before(&read->heap[child], &item))
			break;
		read->heap[i] = read->heap[child];
		i = child;
	}
	read->heap[i] = item;
}

static void merge_begin(struct read *read, uint64_t until, size_t until_held)
{
	read->until = until;
	read->until_held = until_held;
	read->n_heap = 0;
	xgrow(read->heap, read->cap_heap, read->n_runs);
	for (size_t i = 0; i < read->n_runs; i++) {
		uint64_t time = read->entries[read->runs[i].head].time;

		if (time <= until)
			read->heap[read->n_heap++] = (struct heap_item){time, i};
	}
	for (size_t i = read->n_heap / 2; i-- > 0;)
		sift_down(read, i);
	read->merging = read->n_heap > 0;
}

/* Moves what is left of the runs to the front. */
static void merge_end(struct read *read)
{
	size_t to = 0, runs = 0;

	read->merging = false;
	for (size_t i = 0; i < read->n_runs; i++) {
		struct run run = read->runs[i];
		size_t n = run.end - run.head;

		if (!n)
			continue;
		memmove(&read->entries[to], &read->entries[run.head], n * sizeof(*read->entries));
		read->runs[runs++] = (struct run){to, to + n};
		to += n;
	}
	read->n_runs = runs;
	read->n_entries = to;
}

/* A record that is delivered stays until READ_KEPT others are. */
static void keep(struct read *read, uint32_t chunk)
{
	uint32_t *at = &read->kept[read->next_kept];

	if (*at != NO_CHUNK)
		drop_record(read, *at);
	*at = chunk;
	read->next_kept = (read->next_kept + 1) % READ_KEPT;
}

static bool merge_next(struct read *read, struct read_record *record)
{
	const struct perf_event_header *header;
	struct heap_item *top = read->heap;
	struct entry *entry;
	struct run *run;

	if (!read->n_heap || read->held <= read->until_held) {
		merge_end(read);
		return false;
	}
	run = &read->runs[top->run];
	entry = &read->entries[run->head++];
	if (run->head < run->end && read->entries[run->head].time <= read->until)
		top->time = read->entries[run->head].time;
	else
		*top = read->heap[--read->n_heap];
	if (read->n_heap)
		sift_down(read, 0);

	header = (const void *)(read->chunks[entry->chunk].data + entry->offset);
	/* A record further on is on its way while this one is worked on. */
	if (run->head + 3 < run->end) {
		const struct entry *ahead = &read->entries[run->head + 3];
		const uint8_t *bytes = read->chunks[ahead->chunk].data + ahead->offset;

		for (size_t line = 0; line < 5; line++)
			__builtin_prefetch(bytes + line * 64);
	}
	read->held -= (header->size + 7u) & ~(size_t)7;
	keep(read, entry->chunk);
	if (entry->time < read->delivered)
		read->out_of_order++;
	else
		read->delivered = entry->time;
	record->header = header;
	record->time = entry->time;
	return true;
}

/* ---- The stream ------------------------------------------------------------------------- */

static bool is_perf_own(uint32_t type)
{
	return type >= PERFDATA_HEADER_ATTR;
}

/* Reads on to what can be delivered; true where that is a record without a time. */
static bool fill(struct read *read, struct read_record *record)
{
	while (!read->merging && !read->at_end) {
		struct perfdata_record next;
		uint64_t time;

		perfdata_next(read->file, &next);
		if (!next.header) {
			read->at_end = true;
			merge_begin(read, UINT64_MAX, 0);
			break;
		}
		if (next.header->type == PERFDATA_FINISHED_ROUND) {
			merge_begin(read, read->mark_time, 0);
			read->mark_time = read->max_time;
			continue;
		}
		if (is_perf_own(next.header->type))
			continue;
		time = record_time(read, next.header);
		if (!time || time == UINT64_MAX) {
			record->header = next.header;
			record->time = 0;
			return true;
		}
		hold(read, next.header, time);
		if (read->held > read->limit)
			merge_begin(read, UINT64_MAX, read->limit / 2);
	}
	return false;
}

bool read_next(struct read *read, struct read_record *record)
{
	for (;;) {
		if (read->merging && merge_next(read, record))
			return true;
		if (read->at_end)
			return false;
		if (fill(read, record))
			return true;
	}
}

void read_free(struct read *read)
{
	if (!read)
		return;
	for (size_t i = 0; i < read->n_chunks; i++)
		free(read->chunks[i].data);
	free(read->chunks);
	free(read->spare);
	free(read->entries);
	free(read->runs);
	free(read->heap);
	free(read);
}
