#include "record/symbols.h"

#include "common/demangle.h"
#include "common/map.h"
#include "formats/note.h"
#include "formats/perfdata.h"
#include "formats/xalloc.h"
#include "record/mappings.h"

#include <stdlib.h>
#include <string.h>

#define MAX_UNWOUND 128

/* A process whose addresses are asked for. */
struct process {
	uint32_t pid;
	struct gobin *bin; /* NULL: not known before the end of the pass */
	uint64_t load_bias;
	struct map seen; /* addresses that were met */
};

/* What the raw data of an event hold. */
struct content {
	const struct symbols_array *array; /* its first one; the others follow it */
	size_t n_arrays;
	bool is_note;
};

/* What one pass over the trace knows. */
struct collector {
	const struct symbols_options *options;
	const struct perfdata_info *info;
	struct content *contents; /* by the index of the event in info */
	struct symtab *table;
	struct unwind_table *rules;
	struct process *processes; /* the targets, then what they started */
	size_t n, cap;
	struct map by_pid; /* index + 1 */
	struct mappings *mappings;
};

/* The first word of a function belongs to itself. */
size_t symbols_frames(struct gobin *bin, uint64_t address, struct symtab_frame *frames)
{
	struct gobin_function fn;

	if (gobin_function_at(bin, address, &fn) && fn.address == address)
		return gobin_frames(bin, address, frames, SYMBOLS_MAX_FRAMES);
	return gobin_frames(bin, address - 1, frames, SYMBOLS_MAX_FRAMES);
}

static void add_frames(struct collector *c, uint32_t pid, uint64_t address,
		       struct symtab_frame *frames, size_t n)
{
	char *names[SYMBOLS_MAX_FRAMES];

	for (size_t i = 0; i < n; i++) {
		names[i] = demangle(frames[i].function);
		if (names[i])
			frames[i].function = names[i];
	}
	symtab_add(c->table, pid, address, frames, n);
	for (size_t i = 0; i < n; i++)
		free(names[i]);
}

/* False where nothing that is known to be mapped has it. */
static bool resolve(struct collector *c, const struct process *process, uint64_t address)
{
	struct symtab_frame frames[SYMBOLS_MAX_FRAMES];
	size_t n = process->bin ? symbols_frames(process->bin, address - process->load_bias, frames)
				: 0;

	if (!n)
		n = mappings_frames(c->mappings, process->pid, address - 1, frames,
				    SYMBOLS_MAX_FRAMES);
	if (n)
		add_frames(c, process->pid, address, frames, n);
	return n != 0;
}

/*
 * Records of several CPUs lie one behind the other in the trace, so that an address may come before
 * the mapping it is in: what is not found at once is looked for again at the end.
 */
static void collect(struct collector *c, struct process *process, uint64_t address)
{
	uint64_t *resolved;
	bool fresh;

	if (!address)
		return;
	resolved = map_put(&process->seen, address, &fresh);
	if (fresh && process->bin)
		*resolved = resolve(c, process, address);
}

static struct process *process_of(struct collector *c, uint32_t pid)
{
	bool fresh;
	uint64_t *at = map_put(&c->by_pid, pid, &fresh);

	if (fresh) {
		xgrow(c->processes, c->cap, c->n + 1);
		c->processes[c->n++] = (struct process){.pid = pid};
		*at = c->n;
	}
	return &c->processes[*at - 1];
}

/*
 * What was not found yet. What a target starts may be the same program again, or one that is not
 * Go: that its file is mapped is known at the end only.
 */
static void resolve_rest(struct collector *c, struct process *process)
{
	const struct symbols_options *options = c->options;
	uint64_t address, resolved;
	size_t position = 0;

	for (size_t i = 0; i < options->n_targets && !process->bin; i++) {
		const struct target *t = &options->targets[i];

		if (t->bin && mappings_same_program(c->mappings, t->bin, (uint32_t)t->pid,
						    options->load_biases[i], process->pid,
						    &process->load_bias))
			process->bin = t->bin;
	}
	while (map_next(&process->seen, &position, &address, &resolved)) {
		if (!resolved)
			resolve(c, process, address);
	}
}

static void collect_array(struct collector *c, struct process *process,
			  const struct symbols_array *array, const struct perfdata_sample *sample)
{
	uint64_t used = array->count;

	if (array->used_at && array->used_at + sizeof(used) <= sample->raw_len)
		memcpy(&used, sample->raw + array->used_at, sizeof(used));
	for (unsigned i = 0; i < array->count && i < used; i++) {
		size_t at = array->offset + i * sizeof(uint64_t);
		uint64_t address;

		if (at + sizeof(address) > sample->raw_len)
			return;
		memcpy(&address, sample->raw + at, sizeof(address));
		collect(c, process, address);
	}
}

static void collect_note(struct collector *c, struct process *process,
			 const struct perfdata_sample *sample)
{
	struct note note;

	if (!note_decode(sample->raw, sample->raw_len, false, &note))
		return;
	if (note.kind == NOTE_BUCKET) {
		for (size_t i = 0; i < note.bucket.n_stack; i++)
			collect(c, process, note.bucket.stack[i]);
	}
	for (size_t i = 0; note.kind == NOTE_GOROUTINES && i < note.goroutines.n_entries; i++) {
		collect(c, process, note.goroutines.entries[i].gopc);
		collect(c, process, note.goroutines.entries[i].startpc);
	}
	note_free(&note);
}

static void collect_sample(struct collector *c, const struct perfdata_sample *sample)
{
	const struct content *content;
	struct process *process;

	if (!sample->event)
		return;
	content = &c->contents[sample->event - c->info->events];
	if (!sample->n_callchain && !content->array && !content->is_note)
		return;
	process = process_of(c, sample->pid);
	for (size_t i = 0; i < sample->n_callchain; i++) {
		if (sample->callchain[i] < PERF_CONTEXT_MAX)
			collect(c, process, sample->callchain[i]);
	}
	for (size_t i = 0; i < content->n_arrays; i++)
		collect_array(c, process, &content->array[i], sample);
	if (content->is_note)
		collect_note(c, process, sample);
}

static void find_contents(struct collector *c)
{
	c->contents = xcalloc(c->info->n_events, sizeof(*c->contents));
	for (size_t i = 0; i < c->info->n_events; i++) {
		const char *name = c->info->events[i].name;

		if (!name)
			continue;
		c->contents[i].is_note = strcmp(name, NOTE_EVENT_NAME) == 0;
		for (size_t k = 0; k < c->options->n_arrays; k++)
			if (strcmp(c->options->arrays[k].event, name) == 0 &&
			    !c->contents[i].n_arrays++)
				c->contents[i].array = &c->options->arrays[k];
	}
}

static bool is_go(struct collector *c, uint32_t pid, uint64_t pc)
{
	const struct process *process = process_of(c, pid);
	struct gobin_function fn;

	return process->bin && gobin_function_at(process->bin, pc - 1 - process->load_bias, &fn);
}

/* The rule of a return address; made when it is first met. */
static const struct unwind_rule *find_rule(void *collector, uint32_t pid, uint64_t pc)
{
	struct collector *c = collector;
	const struct unwind_rule *known = unwind_table_find(c->rules, pid, pc);
	struct unwind_rule rule = {.kind = UNWIND_GO};

	if (known)
		return known;
	if (!is_go(c, pid, pc))
		rule = mappings_rule(c->mappings, pid, pc - 1);
	unwind_table_add(c->rules, pid, pc, &rule);
	return unwind_table_find(c->rules, pid, pc);
}

/* Where nothing can be unwound, the kernel's chain is all there is: the code in it has rules. */
static void mark_code(struct collector *c, const struct perfdata_sample *sample)
{
	for (size_t i = 0; i < sample->n_callchain; i++) {
		uint64_t pc = sample->callchain[i];

		if (pc < PERF_CONTEXT_MAX &&
		    (is_go(c, sample->pid, pc) || mappings_hold(c->mappings, sample->pid, pc - 1)))
			find_rule(c, sample->pid, pc);
	}
}

static void collect_unwound(struct collector *c, const struct perfdata_sample *sample)
{
	struct unwind_start start = {.pid = sample->pid};
	uint64_t pcs[MAX_UNWOUND];
	struct unwind_end end;
	size_t n;

	if (!perfdata_user_stack(sample, &start.pc, &start.sp, &start.fp))
		return;
	start.stack = sample->user_stack;
	start.stack_len = sample->user_stack_len;
	n = unwind(&start, find_rule, c, pcs, MAX_UNWOUND, &end);
	for (size_t i = 0; i < n; i++)
		collect(c, process_of(c, sample->pid), pcs[i]);
	if (n == 1)
		mark_code(c, sample);
}

typedef void visit_record(struct collector *c, const struct perfdata_reader *reader,
			  const struct perf_event_header *header);

static void visit_mapping(struct collector *c, const struct perfdata_reader *reader,
			  const struct perf_event_header *header)
{
	(void)reader;
	mappings_add(c->mappings, header);
}

static void visit_sample(struct collector *c, const struct perfdata_reader *reader,
			 const struct perf_event_header *header)
{
	struct perfdata_sample sample;

	if (header->type != PERF_RECORD_SAMPLE || !perfdata_sample(reader, header, &sample))
		return;
	collect_sample(c, &sample);
	if (sample.user_stack)
		collect_unwound(c, &sample);
}

static void visit_any(struct collector *c, const struct perfdata_reader *reader,
		      const struct perf_event_header *header)
{
	visit_mapping(c, reader, header);
	visit_sample(c, reader, header);
}

static struct error *visit(struct collector *c, const char *path, visit_record *visitor)
{
	struct perfdata_reader *reader;
	struct perfdata_record record;

	TRY(perfdata_open(path, &reader));
	c->info = perfdata_info(reader);
	if (!c->contents)
		find_contents(c);
	for (perfdata_next(reader, &record); record.header; perfdata_next(reader, &record))
		visitor(c, reader, record.header);
	perfdata_close(reader);
	return NULL;
}

/* Where stacks are to be unwound, all mappings must be known before the first of them. */
static struct error *visit_all(struct collector *c, const char *path)
{
	if (!c->options->unwinds)
		return visit(c, path, visit_any);
	TRY(visit(c, path, visit_mapping));
	return visit(c, path, visit_sample);
}

struct error *symbols_collect(const char *trace_path, const struct symbols_options *options,
			      struct buffer *out, struct buffer *rules)
{
	struct collector c = {.options = options};
	struct error *err;

	c.table = symtab_new();
	c.rules = unwind_table_new();
	c.mappings = mappings_new();
	for (size_t i = 0; i < options->n_targets; i++) {
		struct process *process = process_of(&c, (uint32_t)options->targets[i].pid);

		process->bin = options->targets[i].bin;
		process->load_bias = options->load_biases[i];
	}
	err = visit_all(&c, trace_path);
	for (size_t i = 0; i < c.n; i++)
		resolve_rest(&c, &c.processes[i]);
	symtab_encode(c.table, out);
	symtab_free(c.table);
	if (unwind_table_count(c.rules))
		unwind_table_encode(c.rules, rules);
	unwind_table_free(c.rules);
	for (size_t i = 0; i < c.n; i++)
		map_free(&c.processes[i].seen);
	free(c.processes);
	free(c.contents);
	map_free(&c.by_pid);
	mappings_free(c.mappings);
	return err;
}
