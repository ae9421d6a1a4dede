#include "record/symbols.h"

#include "common/map.h"
#include "formats/note.h"
#include "formats/perfdata.h"
#include "formats/symtab.h"
#include "formats/xalloc.h"
#include "record/mappings.h"

#include <stdlib.h>
#include <string.h>

#define MAX_FRAMES 64

/* What one pass over the trace knows. */
struct collector {
	const struct symbols_options *options;
	struct symtab *table;
	struct map *seen; /* by target: addresses that are settled */
	struct mappings *mappings;
};

/* A return address belongs to the call before it; the first word of a function to itself. */
static size_t lookup(struct gobin *bin, uint64_t address, struct symtab_frame *frames)
{
	struct gobin_function fn;

	if (gobin_function_at(bin, address, &fn) && fn.address == address)
		return gobin_frames(bin, address, frames, MAX_FRAMES);
	return gobin_frames(bin, address - 1, frames, MAX_FRAMES);
}

static void collect(struct collector *c, size_t target, uint64_t address)
{
	const struct target *t = &c->options->targets[target];
	struct symtab_frame frames[MAX_FRAMES];
	bool fresh;
	size_t n;

	map_put(&c->seen[target], address, &fresh);
	if (!address || !fresh)
		return;
	n = lookup(t->bin, address - c->options->load_biases[target], frames);
	if (!n) {
		frames[0] = (struct symtab_frame){.file = ""};
		frames[0].function =
			mappings_name(c->mappings, (uint32_t)t->pid, address - 1, &frames[0].file);
		n = frames[0].function != NULL;
	}
	if (n)
		symtab_add(c->table, (uint32_t)t->pid, address, frames, n);
}

/* The target with this pid; SIZE_MAX where it is none of them. */
static size_t target_of(const struct collector *c, uint32_t pid)
{
	for (size_t i = 0; i < c->options->n_targets; i++) {
		if ((uint32_t)c->options->targets[i].pid == pid)
			return i;
	}
	return SIZE_MAX;
}

static void collect_array(struct collector *c, size_t target, const struct symbols_array *array,
			  const struct perfdata_sample *sample)
{
	for (unsigned i = 0; i < array->count; i++) {
		size_t at = array->offset + i * sizeof(uint64_t);
		uint64_t address;

		if (at + sizeof(address) > sample->raw_len)
			return;
		memcpy(&address, sample->raw + at, sizeof(address));
		collect(c, target, address);
	}
}

static void collect_note(struct collector *c, size_t target, const struct perfdata_sample *sample)
{
	struct note note;

	if (!note_decode(sample->raw, sample->raw_len, false, &note))
		return;
	if (note.kind == NOTE_BUCKET) {
		for (size_t i = 0; i < note.bucket.n_stack; i++)
			collect(c, target, note.bucket.stack[i]);
	}
	note_free(&note);
}

static void collect_sample(struct collector *c, const struct perfdata_sample *sample)
{
	const struct symbols_options *options = c->options;
	size_t target = target_of(c, sample->pid);

	if (target == SIZE_MAX || !sample->event || !sample->event->name)
		return;
	for (size_t i = 0; i < sample->n_callchain; i++) {
		if (sample->callchain[i] < PERF_CONTEXT_MAX)
			collect(c, target, sample->callchain[i]);
	}
	for (size_t i = 0; i < options->n_arrays; i++) {
		if (strcmp(options->arrays[i].event, sample->event->name) == 0)
			collect_array(c, target, &options->arrays[i], sample);
	}
	if (strcmp(sample->event->name, NOTE_EVENT_NAME) == 0)
		collect_note(c, target, sample);
}

struct error *symbols_collect(const char *trace_path, const struct symbols_options *options,
			      struct buffer *out)
{
	struct collector c = {.options = options};
	struct perfdata_reader *reader;
	struct perfdata_record record;
	struct perfdata_sample sample;
	struct error *err = perfdata_open(trace_path, &reader);

	if (err)
		return err;
	c.table = symtab_new();
	c.mappings = mappings_new();
	c.seen = xcalloc(options->n_targets, sizeof(*c.seen));
	for (perfdata_next(reader, &record); record.header; perfdata_next(reader, &record)) {
		mappings_add(c.mappings, record.header);
		if (record.header->type == PERF_RECORD_SAMPLE &&
		    perfdata_sample(reader, record.header, &sample))
			collect_sample(&c, &sample);
	}
	perfdata_close(reader);
	symtab_encode(c.table, out);
	symtab_free(c.table);
	for (size_t i = 0; i < options->n_targets; i++)
		map_free(&c.seen[i]);
	free(c.seen);
	mappings_free(c.mappings);
	return NULL;
}
