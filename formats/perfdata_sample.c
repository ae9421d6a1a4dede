#include "formats/perfdata_internal.h"

#include "formats/xalloc.h"

#include <byteswap.h>
#include <stdlib.h>
#include <string.h>

/*
 * Where the fields of samples lie: include/uapi/linux/perf_event.h (linux 6.1), PERF_RECORD_SAMPLE
 * and struct sample_id.
 */

/* From linux 6.8; the counters of a branch follow all the branches. */
#define BRANCH_COUNTERS (1ull << 19)

static int8_t take_word(uint64_t sample_type, uint64_t bit, uint8_t *next)
{
	return sample_type & bit ? (int8_t)(*next)++ : -1;
}

static struct perfdata_layout layout_of(const struct perf_event_attr *attr)
{
	uint64_t type = attr->sample_type;
	struct perfdata_layout l = {
		.sample_type = type,
		.read_format = attr->read_format,
		.branch_type = attr->branch_sample_type,
		.period = attr->freq ? 0 : attr->sample_period,
		.n_user_regs = (uint8_t)__builtin_popcountll(attr->sample_regs_user),
		.sample_id_all = attr->sample_id_all,
	};
	uint8_t at = 0;
	int8_t identifier = take_word(type, PERF_SAMPLE_IDENTIFIER, &at);

	l.ip = take_word(type, PERF_SAMPLE_IP, &at);
	l.tid = take_word(type, PERF_SAMPLE_TID, &at);
	l.time = take_word(type, PERF_SAMPLE_TIME, &at);
	l.addr = take_word(type, PERF_SAMPLE_ADDR, &at);
	l.id = take_word(type, PERF_SAMPLE_ID, &at);
	take_word(type, PERF_SAMPLE_STREAM_ID, &at);
	l.cpu = take_word(type, PERF_SAMPLE_CPU, &at);
	l.period_at = take_word(type, PERF_SAMPLE_PERIOD, &at);
	l.fixed = at;
	if (identifier >= 0)
		l.id = identifier;

	/* The trailer of other records holds some of the same fields, the last one first here. */
	at = 1;
	identifier = take_word(type, PERF_SAMPLE_IDENTIFIER, &at);
	l.tail_cpu = take_word(type, PERF_SAMPLE_CPU, &at);
	take_word(type, PERF_SAMPLE_STREAM_ID, &at);
	l.tail_id = take_word(type, PERF_SAMPLE_ID, &at);
	l.tail_time = take_word(type, PERF_SAMPLE_TIME, &at);
	l.tail_tid = take_word(type, PERF_SAMPLE_TID, &at);
	l.tail = at - 1;
	if (identifier >= 0)
		l.tail_id = identifier;
	return l;
}

/* The slot of an id, or the free one where it belongs. */
static struct perfdata_id_slot *find_slot(const struct perfdata_index *index, uint64_t id)
{
	size_t mask = ((size_t)1 << index->slots_log2) - 1;
	size_t at = (size_t)((id * 0x9e3779b97f4a7c15ull) >> (64 - index->slots_log2));

	while (index->slots[at].event && index->slots[at].id != id)
		at = (at + 1) & mask;
	return &index->slots[at];
}

static void add_id(struct perfdata_index *index, uint64_t id, uint32_t event)
{
	struct perfdata_id_slot *slot;

	if (!index->slots || index->n_ids * 2 >= (size_t)1 << index->slots_log2) {
		struct perfdata_index grown = *index;

		grown.slots_log2 = index->slots ? index->slots_log2 + 1 : 4;
		grown.slots = xcalloc((size_t)1 << grown.slots_log2, sizeof(*grown.slots));
		for (size_t i = 0; index->slots && i < (size_t)1 << index->slots_log2; i++)
			if (index->slots[i].event)
				*find_slot(&grown, index->slots[i].id) = index->slots[i];
		free(index->slots);
		*index = grown;
	}
	slot = find_slot(index, id);
	/* Where two events claim an id the first one keeps it. */
	if (!slot->event) {
		*slot = (struct perfdata_id_slot){.id = id, .event = event};
		index->n_ids++;
	}
}

static bool same_layout(const struct perfdata_layout *a, const struct perfdata_layout *b)
{
	return a->sample_type == b->sample_type && a->read_format == b->read_format &&
	       a->branch_type == b->branch_type && a->n_user_regs == b->n_user_regs &&
	       a->sample_id_all == b->sample_id_all;
}

void perfdata_index_add(struct perfdata_index *index, const struct perfdata_event *event)
{
	struct perfdata_layout layout = layout_of(&event->attr);

	if (index->n_layouts == 0) {
		index->uniform = true;
		index->id_at = layout.id;
		index->tail_id_at = layout.tail_id;
	} else {
		if (!same_layout(&layout, &index->layouts[0]))
			index->uniform = false;
		if (layout.id != index->id_at)
			index->id_at = -1;
		if (layout.tail_id != index->tail_id_at)
			index->tail_id_at = -1;
	}
	xgrow(index->layouts, index->layouts_cap, index->n_layouts + 1);
	index->layouts[index->n_layouts++] = layout;
	for (size_t i = 0; i < event->n_ids; i++)
		add_id(index, event->ids[i], (uint32_t)index->n_layouts);
}

long perfdata_index_find(const struct perfdata_index *index, uint64_t id)
{
	return index->slots ? (long)find_slot(index, id)->event - 1 : -1;
}

void perfdata_index_free(struct perfdata_index *index)
{
	free(index->layouts);
	free(index->slots);
	*index = (struct perfdata_index){0};
}

/*
 * The event that a record belongs to, by the id at the given word, or -1. As perf has it: with one
 * event there is no choice, and what was synthesized by user space has id 0, which stands for the
 * first event.
 */
static long find_event(const struct perfdata_reader *reader, const uint64_t *words, size_t n,
		       long id_at, bool swap)
{
	const struct perfdata_index *index = &reader->index;
	uint64_t id;

	if (reader->info.n_events <= 1)
		return (long)reader->info.n_events - 1;
	if (id_at < 0)
		return index->uniform ? 0 : -1;
	if ((size_t)id_at >= n)
		return -1;
	id = swap ? bswap_64(words[id_at]) : words[id_at];
	return id ? perfdata_index_find(index, id) : 0;
}

static void split_word(uint64_t word, uint32_t *first, uint32_t *second)
{
	uint32_t halves[2];

	memcpy(halves, &word, sizeof(halves));
	*first = halves[0];
	*second = halves[1];
}

/*
 * What is left of a sample, in words; `bytes_end` is its end, which raw data may reach. With `swap`
 * the words are brought into this machine's byte order, in place, as they are passed.
 */
struct rest {
	uint64_t *at, *end;
	const uint8_t *bytes_end;
	bool swap;
};

static inline bool skip_words(struct rest *r, uint64_t n)
{
	if (n > (uint64_t)(r->end - r->at))
		return false;
	for (uint64_t i = 0; r->swap && i < n; i++)
		r->at[i] = bswap_64(r->at[i]);
	r->at += n;
	return true;
}

static inline bool next_word(struct rest *r, uint64_t *word)
{
	if (!skip_words(r, 1))
		return false;
	*word = r->at[-1];
	return true;
}

static inline bool skip_read(const struct perfdata_layout *l, struct rest *r)
{
	uint64_t f = l->read_format, n = 1;
	uint64_t each = 1 + !!(f & PERF_FORMAT_ID) + !!(f & PERF_FORMAT_LOST);
	uint64_t times =
		!!(f & PERF_FORMAT_TOTAL_TIME_ENABLED) + !!(f & PERF_FORMAT_TOTAL_TIME_RUNNING);

	if (f & PERF_FORMAT_GROUP && !next_word(r, &n))
		return false;
	return n <= UINT16_MAX && skip_words(r, times + n * each);
}

static inline bool read_raw(struct rest *r, struct perfdata_sample *sample)
{
	uint8_t *at = (uint8_t *)r->at;
	uint32_t size;

	if (r->bytes_end - at < 4)
		return false;
	memcpy(&size, at, sizeof(size));
	if (r->swap) {
		/* The payload stays as it is: what is in it only its reader knows. */
		size = bswap_32(size);
		memcpy(at, &size, sizeof(size));
	}
	if (size > (size_t)(r->bytes_end - at - 4))
		return false;
	sample->raw = at + 4;
	sample->raw_len = size;
	/* The kernel pads it to whole words; what comes after an odd one cannot be placed. */
	r->at = (size + 4) % 8 ? r->end : r->at + (size + 4) / 8;
	return true;
}

static inline bool skip_branches(const struct perfdata_layout *l, struct rest *r)
{
	uint64_t n;

	if (!next_word(r, &n) || n > UINT16_MAX)
		return false;
	return skip_words(r, n * 3 + !!(l->branch_type & PERF_SAMPLE_BRANCH_HW_INDEX) +
				     (l->branch_type & BRANCH_COUNTERS ? n : 0));
}

/* A size, so many bytes, and how many of them are really there. */
static inline bool read_user_stack(struct rest *r, struct perfdata_sample *sample)
{
	uint64_t size, real;
	uint64_t *at;

	if (!next_word(r, &size))
		return false;
	if (!size)
		return true;
	at = r->at;
	if (size % sizeof(*at) || !skip_words(r, size / sizeof(*at)) || !next_word(r, &real))
		return false;
	sample->user_stack = at;
	sample->user_stack_len = (real < size ? real : size) / sizeof(*at) * sizeof(*at);
	return true;
}

/* Inlined into both callers, so that reading does not ask about swapping word by word. */
static inline __attribute__((always_inline)) bool read_variable(const struct perfdata_layout *l,
								struct rest r,
								struct perfdata_sample *sample)
{
	uint64_t n;

	if (l->sample_type & PERF_SAMPLE_READ && !skip_read(l, &r))
		return false;
	if (l->sample_type & PERF_SAMPLE_CALLCHAIN) {
		if (!next_word(&r, &n))
			return false;
		sample->callchain = r.at;
		sample->n_callchain = n;
		if (!skip_words(&r, n))
			return false;
	}
	if (l->sample_type & PERF_SAMPLE_RAW && !read_raw(&r, sample))
		return false;
	if (l->sample_type & PERF_SAMPLE_BRANCH_STACK && !skip_branches(l, &r))
		return false;
	if (l->sample_type & PERF_SAMPLE_REGS_USER) {
		if (!next_word(&r, &sample->user_regs_abi))
			return false;
		if (sample->user_regs_abi != PERF_SAMPLE_REGS_ABI_NONE) {
			sample->user_regs = r.at;
			if (!skip_words(&r, l->n_user_regs))
				return false;
		}
	}
	return !(l->sample_type & PERF_SAMPLE_STACK_USER) || read_user_stack(&r, sample);
}

bool perfdata_user_stack(const struct perfdata_sample *sample, uint64_t *pc, uint64_t *sp,
			 uint64_t *fp)
{
	/* Bits by arch/ARCH/include/uapi/asm/perf_regs.h. */
	static const struct {
		uint64_t mask;
		int pc, sp, fp;
	} known[] = {
		{1ull << 6 | 1ull << 7 | 1ull << 8, 2, 1, 0},	 /* x86: BP, SP, IP */
		{1ull << 29 | 1ull << 31 | 1ull << 32, 2, 1, 0}, /* arm64: X29, SP, PC */
		{1ull << 0 | 1ull << 3 | 1ull << 22, 0, 1, 2},	 /* LoongArch: PC, R3, R22 */
	};

	if (!sample->user_stack || !sample->user_regs || !sample->event)
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (sample->event->attr.sample_regs_user != known[i].mask)
			continue;
		*pc = sample->user_regs[known[i].pc];
		*sp = sample->user_regs[known[i].sp];
		*fp = sample->user_regs[known[i].fp];
		return true;
	}
	return false;
}

bool perfdata_sample(const struct perfdata_reader *reader, const struct perf_event_header *header,
		     struct perfdata_sample *sample)
{
	const uint64_t *words = (const uint64_t *)(header + 1);
	size_t n = (header->size - sizeof(*header)) / sizeof(*words);
	long event = find_event(reader, words, n, reader->index.id_at, false);
	const struct perfdata_layout *l;

	*sample = (struct perfdata_sample){0};
	if (event < 0) {
		if (reader->index.id_at >= 0 && (size_t)reader->index.id_at < n)
			sample->id = words[reader->index.id_at];
		return reader->info.n_events != 0;
	}
	sample->event = &reader->info.events[event];
	l = &reader->index.layouts[event];
	if (n < l->fixed)
		return false;
	if (l->id >= 0)
		sample->id = words[l->id];
	if (l->ip >= 0)
		sample->ip = words[l->ip];
	if (l->tid >= 0)
		split_word(words[l->tid], &sample->pid, &sample->tid);
	if (l->time >= 0)
		sample->time = words[l->time];
	if (l->addr >= 0)
		sample->addr = words[l->addr];
	if (l->cpu >= 0) {
		uint32_t reserved;

		split_word(words[l->cpu], &sample->cpu, &reserved);
	}
	sample->period = l->period_at >= 0 ? words[l->period_at] : l->period;
	return read_variable(l,
			     (struct rest){.at = (uint64_t *)words + l->fixed,
					   .end = (uint64_t *)words + n,
					   .bytes_end = (const uint8_t *)header + header->size,
					   .swap = false},
			     sample);
}

static void swap_halves(uint64_t *word)
{
	uint32_t halves[2];

	split_word(*word, &halves[0], &halves[1]);
	halves[0] = bswap_32(halves[0]);
	halves[1] = bswap_32(halves[1]);
	memcpy(word, halves, sizeof(halves));
}

void perfdata_swap_sample(const struct perfdata_reader *reader, struct perf_event_header *header)
{
	uint64_t *words = (uint64_t *)(header + 1);
	size_t n = (header->size - sizeof(*header)) / sizeof(*words);
	int id_at = reader->index.id_at;
	long event = find_event(reader, words, n, id_at, true);
	const struct perfdata_layout *l = event < 0 ? NULL : &reader->index.layouts[event];
	struct perfdata_sample sample;

	if (!l || n < l->fixed) {
		if (id_at >= 0 && (size_t)id_at < n)
			words[id_at] = bswap_64(words[id_at]);
		return;
	}
	for (int i = 0; i < l->fixed; i++) {
		if (i == l->tid || i == l->cpu)
			swap_halves(&words[i]);
		else
			words[i] = bswap_64(words[i]);
	}
	read_variable(l,
		      (struct rest){.at = words + l->fixed,
				    .end = words + n,
				    .bytes_end = (const uint8_t *)header + header->size,
				    .swap = true},
		      &sample);
}

size_t perfdata_swap_sample_id(const struct perfdata_reader *reader,
			       struct perf_event_header *header)
{
	uint64_t *words = (uint64_t *)(header + 1);
	size_t n = (header->size - sizeof(*header)) / sizeof(*words);
	int tail_id = reader->index.tail_id_at;
	long event = find_event(reader, words, n, tail_id < 0 ? -1 : (long)n - tail_id, true);
	const struct perfdata_layout *l = event < 0 ? NULL : &reader->index.layouts[event];

	if (!l || !l->sample_id_all || n < l->tail)
		return 0;
	for (int i = 1; i <= l->tail; i++) {
		if (i == l->tail_tid || i == l->tail_cpu)
			swap_halves(&words[n - i]);
		else
			words[n - i] = bswap_64(words[n - i]);
	}
	return l->tail * sizeof(*words);
}

bool perfdata_sample_id(const struct perfdata_reader *reader,
			const struct perf_event_header *header, struct perfdata_sample *sample)
{
	const uint64_t *words = (const uint64_t *)(header + 1), *end;
	size_t n = (header->size - sizeof(*header)) / sizeof(*words);
	const struct perfdata_layout *l;
	long event;

	*sample = (struct perfdata_sample){0};
	/* Records from user space have no trailer. */
	if (header->type >= PERFDATA_HEADER_ATTR || header->type == PERF_RECORD_SAMPLE)
		return false;
	event = find_event(reader, words, n,
			   reader->index.tail_id_at < 0 ? -1 : (long)n - reader->index.tail_id_at,
			   false);
	if (event < 0)
		return false;
	l = &reader->index.layouts[event];
	if (!l->sample_id_all || n < l->tail)
		return false;
	sample->event = &reader->info.events[event];
	end = words + n;
	if (l->tail_id >= 0)
		sample->id = end[-l->tail_id];
	if (l->tail_time >= 0)
		sample->time = end[-l->tail_time];
	if (l->tail_tid >= 0)
		split_word(end[-l->tail_tid], &sample->pid, &sample->tid);
	if (l->tail_cpu >= 0) {
		uint32_t reserved;

		split_word(end[-l->tail_cpu], &sample->cpu, &reserved);
	}
	return true;
}
