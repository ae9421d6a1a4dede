#include "formats/gotrace.h"

#include "formats/gotrace_state.h"
#include "formats/textfile.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_LEN	16
#define MAX_BATCH	(64 << 10) /* tracev2.MaxBatchSize */
#define MAX_GENERATIONS 100000
#define MAX_FILE	((size_t)4 << 30)
#define MAX_TIME	(INT64_MAX / 4)

/* ---- The header ------------------------------------------------------------------------ */

/* "go 1.22 trace\0\0\0", padded to 16 bytes; 0: not one. */
static int header_version(const void *data, size_t len)
{
	char text[HEADER_LEN + 1] = {0};
	int minor = 0, used = 0;

	if (len < HEADER_LEN)
		return 0;
	memcpy(text, data, HEADER_LEN);
	if (sscanf(text, "go 1.%2d trace%n", &minor, &used) != 1 || !used || text[used])
		return 0;
	return minor > 0 ? minor : 0;
}

bool gotrace_is(const void *data, size_t len)
{
	return header_version(data, len) != 0;
}

static struct error *check_header(const void *data, size_t len, struct gotrace *trace)
{
	int minor = header_version(data, len);

	if (!minor)
		return error_remedy(error_new("it is not a Go execution trace"),
				    "it must be what runtime/trace or /debug/pprof/trace writes");
	if (minor < 22)
		return error_remedy(
			error_new("it is an execution trace of the format of Go 1.%d, which has no "
				  "times that can be laid beside those of others",
				  minor),
			"only those that Go 1.22 and later write are read");
	trace->version = minor;
	return NULL;
}

/* ---- Batches --------------------------------------------------------------------------- */

/* Reads one batch; false at the end of what can be read. One without a body ends a generation. */
static bool next_batch(struct cursor *c, struct gotrace_batch *batch, char **damage)
{
	size_t start = cursor_offset(c);
	const uint8_t *body;
	uint64_t size;
	uint8_t type;

	*batch = (struct gotrace_batch){0};
	if (!cursor_left(c))
		return false;
	type = cursor_u8(c);
	if (type == EV_END_OF_GENERATION)
		return true;
	if (type != EV_EVENT_BATCH && type != EV_EXPERIMENTAL_BATCH) {
		*damage = xasprintf("byte %zu: no batch of events begins there", start);
		return false;
	}
	batch->experimental = type == EV_EXPERIMENTAL_BATCH;
	if (batch->experimental)
		cursor_u8(c);
	batch->generation = cursor_uvarint(c);
	batch->thread = cursor_uvarint(c);
	batch->time = cursor_uvarint(c);
	size = cursor_uvarint(c);
	if (!c->failed && size > MAX_BATCH) {
		*damage = xasprintf("byte %zu: a batch of %" PRIu64 " bytes", start, size);
		return false;
	}
	body = cursor_take(c, (size_t)size);
	if (c->failed) {
		*damage = xasprintf("byte %zu: the batch that begins there is cut", start);
		return false;
	}
	batch->body = cursor_make(body, (size_t)size);
	return true;
}

static uint8_t batch_type(const struct gotrace_batch *batch)
{
	return batch->experimental || !cursor_left(&batch->body) ? 0 : *batch->body.pos;
}

/* ---- What is needed before the events -------------------------------------------------- */

static bool is_text(const uint8_t *text, uint64_t len, const char *wanted)
{
	return len == strlen(wanted) && memcmp(text, wanted, len) == 0;
}

static struct gotrace_reasons *reasons_of(struct gotrace_state *s, uint64_t generation)
{
	if (s->n_reasons && s->reasons[s->n_reasons - 1].generation == generation)
		return &s->reasons[s->n_reasons - 1];
	if (s->n_reasons >= MAX_GENERATIONS)
		return NULL;
	xgrow(s->reasons, s->cap_reasons, s->n_reasons + 1);
	s->reasons[s->n_reasons] = (struct gotrace_reasons){.generation = generation};
	return &s->reasons[s->n_reasons++];
}

/* Of the strings, only those are kept that say that the world is stopped for the collector. */
static void read_strings(struct gotrace_state *s, struct gotrace_batch *batch)
{
	struct cursor c = batch->body;

	cursor_u8(&c);
	while (cursor_left(&c) && cursor_u8(&c) == EV_STRING) {
		uint64_t id = cursor_uvarint(&c), len = cursor_uvarint(&c);
		const uint8_t *text = cursor_take(&c, len <= MAX_BATCH ? (size_t)len : SIZE_MAX);
		struct gotrace_reasons *reasons;
		bool sweep, mark;

		if (c.failed)
			return;
		sweep = is_text(text, len, "GC sweep termination");
		mark = is_text(text, len, "GC mark termination");
		reasons = sweep || mark ? reasons_of(s, batch->generation) : NULL;
		if (reasons && sweep)
			reasons->sweep_term = id;
		else if (reasons)
			reasons->mark_term = id;
	}
}

/* Up to 1.24 a lone frequency; then it stands in a batch with a reading of the clocks. */
static void read_sync(struct gotrace *trace, struct gotrace_batch *batch)
{
	struct cursor c = batch->body;
	uint64_t ticks = batch->time, monotonic, seconds, frequency, ns;

	while (cursor_left(&c)) {
		switch (cursor_u8(&c)) {
		case EV_SYNC:
			break;
		case EV_FREQUENCY:
			frequency = cursor_uvarint(&c);
			if (!c.failed && !trace->frequency)
				trace->frequency = frequency;
			break;
		case EV_CLOCK_SNAPSHOT:
			ticks += cursor_uvarint(&c);
			monotonic = cursor_uvarint(&c);
			seconds = cursor_uvarint(&c);
			ns = cursor_uvarint(&c);
			if (c.failed || trace->n_clocks >= MAX_GENERATIONS ||
			    monotonic > MAX_TIME || seconds > MAX_TIME / 1000000000 ||
			    ns >= 1000000000)
				return;
			xgrow(trace->clocks, trace->cap_clocks, trace->n_clocks + 1);
			/* In ticks, until the frequency is known for sure. */
			trace->clocks[trace->n_clocks++] =
				(struct gotrace_clock){ticks, monotonic, seconds * 1000000000 + ns};
			break;
		default:
			return;
		}
	}
}

/* The first pass: the clock, the strings, and where the trace begins. */
static void survey(struct gotrace_state *s, struct cursor c)
{
	struct gotrace *trace = s->trace;
	uint64_t generation = 0, least = UINT64_MAX;
	struct gotrace_batch batch;

	while (next_batch(&c, &batch, &trace->damage)) {
		uint8_t type = batch_type(&batch);

		if (!batch.generation)
			continue;
		trace->batches++;
		if (!s->first_generation)
			s->first_generation = batch.generation;
		trace->generations += batch.generation != generation;
		generation = batch.generation;
		if (type == EV_STRINGS)
			read_strings(s, &batch);
		else if (type == EV_FREQUENCY || type == EV_SYNC)
			read_sync(trace, &batch);
		if (batch.time && batch.time < least)
			least = batch.time;
	}
	s->base = least == UINT64_MAX ? 0 : least;
}

static struct error *settle_clock(struct gotrace_state *s)
{
	struct gotrace *trace = s->trace;

	if (!trace->batches)
		return error_new("the execution trace holds nothing%s%s", trace->damage ? ": " : "",
				 trace->damage ? trace->damage : "");
	/* A trace that was cut before the end of its first generation, which has it last. */
	if (!trace->frequency)
		trace->frequency = GOTRACE_NANOTIME_TICKS;
	/* A tick between a day and a picosecond. */
	if (trace->frequency > 1000000000000 || s->base > MAX_TIME / 64)
		return error_new("the execution trace's clock is not one: %" PRIu64
				 " ticks a second",
				 trace->frequency);
	s->base = gotrace_ns(trace, s->base);
	trace->first = trace->last = s->base;
	for (size_t i = 0; i < trace->n_clocks; i++)
		trace->clocks[i].time = gotrace_ns(trace, trace->clocks[i].time);
	return NULL;
}

/* The second pass. */
static void read_events(struct gotrace_state *s, struct cursor c)
{
	struct gotrace_batch batch;
	char *end = NULL;

	while (next_batch(&c, &batch, &end)) {
		uint8_t type = batch_type(&batch);

		if (!batch.generation || !type || type == EV_STRINGS || type == EV_STACKS ||
		    type == EV_CPU_SAMPLES || type == EV_FREQUENCY || type == EV_SYNC)
			continue;
		if (!gotrace_batch_events(s, &batch)) {
			if (!s->trace->damage)
				s->trace->damage = xasprintf(
					"byte %zu: an event of the batch that ends there is none "
					"of this format",
					cursor_offset(&c));
			break;
		}
	}
	free(end);
}

struct error *gotrace_parse(const void *data, size_t len, struct gotrace *trace)
{
	struct gotrace_state s = {.trace = trace};
	struct cursor c = cursor_make(data, len);
	struct error *err;

	*trace = (struct gotrace){0};
	TRY(check_header(data, len, trace));
	cursor_skip(&c, HEADER_LEN);
	survey(&s, c);
	err = settle_clock(&s);
	if (!err) {
		read_events(&s, c);
		gotrace_pair(&s);
		if (!trace->events)
			err = error_new("the execution trace holds no event%s%s",
					trace->damage ? ": " : "",
					trace->damage ? trace->damage : "");
	}
	free(s.bins);
	free(s.threads);
	free(s.reasons);
	free(s.gcs.items);
	free(s.stops.items);
	free(s.assists.items);
	return err;
}

static struct error *slurp(const char *path, struct buffer *data)
{
	struct textfile *file;
	struct error *err;
	size_t len = 1;

	TRY(textfile_open(path, &file));
	do {
		uint8_t *room = buffer_extend(data, 1 << 16);

		err = textfile_read(file, room, 1 << 16, &len);
		data->len -= (1u << 16) - (err ? 0 : len);
		if (!err && data->len > MAX_FILE)
			err = error_new("it is larger than %zu GiB", MAX_FILE >> 30);
	} while (!err && len);
	textfile_close(file);
	return err;
}

struct error *gotrace_read(const char *path, struct gotrace *trace)
{
	struct error *err, *cut;
	struct buffer data = {0};

	*trace = (struct gotrace){0};
	cut = slurp(path, &data);
	if (cut && !data.len)
		return cut;
	err = error_context(gotrace_parse(data.data, data.len, trace), "%s", path);
	buffer_free(&data);
	if (!err && cut) {
		free(trace->damage);
		trace->damage = xstrdup(error_message(cut));
	}
	error_free(cut);
	return err;
}

void gotrace_free(struct gotrace *trace)
{
	free(trace->clocks);
	free(trace->gcs);
	free(trace->stops);
	free(trace->points);
	free(trace->damage);
	*trace = (struct gotrace){0};
}
