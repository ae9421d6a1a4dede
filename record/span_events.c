#include "record/span_events.h"

#include "formats/xalloc.h"
#include "record/target.h"

#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PROCESSES 1024u /* with spans at the same time */

/* The fields that are taken; of a large object's event the first ones. */
enum field { SPAN, BASE, SWEEPGEN, SPANCLASS, SIZE, NELEMS, FREEINDEX, CACHE, BITS, FIELDS };
enum { LARGE_FIELDS = SIZE + 1 };

/* The names that they have in the events (record/roles.c). */
static const char *const of_refill[FIELDS] = {
	[SPAN] = "s",
	[BASE] = "base",
	[SWEEPGEN] = "sweepgen",
	[SPANCLASS] = "spanclass",
	[SIZE] = "elemsize",
	[NELEMS] = "nelems",
	[FREEINDEX] = "freeindex",
	[CACHE] = "allocCache",
	[BITS] = "bits",
};
static const char *const of_large[LARGE_FIELDS] = {
	[SPAN] = "s",	 [BASE] = "base", [SWEEPGEN] = "sweepgen", [SPANCLASS] = "spanclass",
	[SIZE] = "size",
};

struct format {
	bool tells;	/* of a span */
	bool callchain; /* in front of the fields */
	struct probes_place fields[FIELDS];
};

struct process {
	uint32_t pid;
	struct spans *spans;
};

struct span_events {
	struct format *formats; /* by event */
	size_t n_formats;
	struct process processes[MOST_PROCESSES];
	size_t n_processes, last; /* last: of the last event */
};

static bool read_format(const struct trace_event *event, struct format *format)
{
	bool refill = strcmp(event->name, "refill") == 0;
	size_t needed = refill ? BITS : LARGE_FIELDS;

	*format = (struct format){.callchain = event->callchain};
	/* Of tracefs, and one of the plan's. */
	if (!event->system || event->is_extra || (!refill && strcmp(event->name, "large") != 0))
		return false;
	probes_places(event, refill ? of_refill : of_large, refill ? FIELDS : LARGE_FIELDS,
		      format->fields);
	for (size_t i = 0; i < needed; i++) {
		if (!format->fields[i].size || format->fields[i].size > sizeof(uint64_t))
			return false;
	}
	return true;
}

struct span_events *span_events_new(const struct trace_event *events, size_t n)
{
	struct span_events *s = xcalloc(1, sizeof(*s));
	bool any = false;

	s->formats = xcalloc(n + 1, sizeof(*s->formats));
	s->n_formats = n;
	for (size_t i = 0; i < n; i++) {
		s->formats[i].tells = read_format(&events[i], &s->formats[i]);
		any |= s->formats[i].tells;
	}
	if (any)
		return s;
	span_events_free(s);
	return NULL;
}

void span_events_attach(struct span_events *events, struct session *session)
{
	bool *wanted = xcalloc(events->n_formats + 1, sizeof(*wanted));

	for (size_t i = 0; i < events->n_formats; i++)
		wanted[i] = events->formats[i].tells;
	session_look_at(session, wanted, span_events_look, events);
	free(wanted);
}

/* ---- Samples ------------------------------------------------------------------------------- */

/* What stands in front of the call chain, or of the raw data where there is none. */
struct sample {
	struct perf_event_header header;
	uint64_t id, ip;
	uint32_t pid, tid;
	uint64_t time, cpu;
};

/* The raw data of a sample; NULL where it is not there. */
static const uint8_t *raw_data(const void *record, bool callchain, uint32_t *len)
{
	const struct sample *sample = record;
	size_t at = sizeof(*sample), size = sample->header.size;
	const uint8_t *bytes = record;
	uint64_t frames;

	if (callchain) {
		if (size < at + sizeof(frames))
			return NULL;
		memcpy(&frames, bytes + at, sizeof(frames));
		at += sizeof(frames);
		if (frames > (size - at) / sizeof(uint64_t))
			return NULL;
		at += frames * sizeof(uint64_t);
	}
	if (size < at + sizeof(*len))
		return NULL;
	memcpy(len, bytes + at, sizeof(*len));
	at += sizeof(*len);
	return *len <= size - at ? bytes + at : NULL;
}

/* A number of 1 to 8 bytes; 0 where the data end before it. */
static uint64_t number(const uint8_t *raw, uint32_t len, const struct probes_place *place)
{
	uint64_t value = 0;
	uint8_t byte;
	uint16_t half;
	uint32_t word;

	if (place->offset > len || place->size > len - place->offset)
		return 0;
	raw += place->offset;
	switch (place->size) {
	case sizeof(byte):
		return *raw;
	case sizeof(half):
		memcpy(&half, raw, sizeof(half));
		return half;
	case sizeof(word):
		memcpy(&word, raw, sizeof(word));
		return word;
	case sizeof(value):
		memcpy(&value, raw, sizeof(value));
	}
	return value;
}

static bool read_take(const struct format *format, const void *record, struct span_take *take)
{
	const struct probes_place *fields = format->fields;
	const struct sample *sample = record;
	const uint8_t *raw;
	uint32_t len;

	if (sample->header.size < sizeof(*sample))
		return false;
	raw = raw_data(record, format->callchain, &len);
	if (!raw)
		return false;
	*take = (struct span_take){
		.time = sample->time,
		.span = number(raw, len, &fields[SPAN]),
		.base = number(raw, len, &fields[BASE]),
		.sweepgen = (uint32_t)number(raw, len, &fields[SWEEPGEN]),
		.spanclass = (uint8_t)number(raw, len, &fields[SPANCLASS]),
		.elemsize = number(raw, len, &fields[SIZE]),
		.nelems = number(raw, len, &fields[NELEMS]),
		.freeindex = number(raw, len, &fields[FREEINDEX]),
		.alloc_cache = number(raw, len, &fields[CACHE]),
	};
	if (fields[BITS].size <= sizeof(take->bits) && fields[BITS].offset <= len &&
	    fields[BITS].size <= len - fields[BITS].offset) {
		memcpy(take->bits, raw + fields[BITS].offset, fields[BITS].size);
		take->n_bits = fields[BITS].size / sizeof(take->bits[0]);
	}
	return true;
}

/* ---- Processes ----------------------------------------------------------------------------- */

/* Where a process is; n_processes where it is not. */
static size_t find_process(const struct span_events *s, uint32_t pid)
{
	size_t i = 0;

	while (i < s->n_processes && s->processes[i].pid != pid)
		i++;
	return i;
}

/* Its spans, which may be its first; NULL where there are too many processes. */
static struct spans *spans_for(struct span_events *s, uint32_t pid)
{
	if (s->last < s->n_processes && s->processes[s->last].pid == pid)
		return s->processes[s->last].spans;
	s->last = find_process(s, pid);
	if (s->last == s->n_processes) {
		if (s->n_processes == MOST_PROCESSES)
			return NULL;
		s->processes[s->n_processes++] =
			(struct process){.pid = pid, .spans = spans_new(pid)};
	}
	return s->processes[s->last].spans;
}

/* An exec: a COMM record, whose trailer begins with process and thread, then the time. */
static void look_at_exec(struct span_events *s, const void *record)
{
	const struct perf_event_header *header = record;
	struct spans *spans;
	uint64_t time;
	uint32_t pid;

	if (header->size < sizeof(*header) + 32)
		return;
	memcpy(&pid, (const uint8_t *)record + sizeof(*header), sizeof(pid));
	memcpy(&time, (const uint8_t *)record + header->size - 24, sizeof(time));
	spans = span_events_of(s, pid);
	if (spans)
		spans_forget(spans, time);
}

void span_events_look(void *events, size_t i, const void *record)
{
	const struct sample *sample = record;
	struct span_events *s = events;
	struct span_take take;
	struct spans *spans;

	if (i == SESSION_EXEC) {
		look_at_exec(s, record);
	} else if (i < s->n_formats && s->formats[i].tells &&
		   read_take(&s->formats[i], record, &take)) {
		spans = spans_for(s, sample->pid);
		if (spans)
			spans_take(spans, &take);
	}
}

struct spans *span_events_of(const struct span_events *events, uint32_t pid)
{
	size_t i = events ? find_process(events, pid) : 0;

	return events && i < events->n_processes ? events->processes[i].spans : NULL;
}

void span_events_tidy(struct span_events *events, const void *context,
		      bool is_watched(const void *context, uint32_t pid))
{
	for (size_t i = events ? events->n_processes : 0; i-- > 0;) {
		uint32_t pid = events->processes[i].pid;

		if (is_watched(context, pid) || !target_has_ended((pid_t)pid))
			continue;
		spans_free(events->processes[i].spans);
		events->processes[i] = events->processes[--events->n_processes];
	}
}

void span_events_free(struct span_events *events)
{
	if (!events)
		return;
	for (size_t i = 0; i < events->n_processes; i++)
		spans_free(events->processes[i].spans);
	free(events->formats);
	free(events);
}
