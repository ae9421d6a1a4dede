#include "analyze/decode.h"

#include "analyze/decode_kernel.h"
#include "analyze/decode_recipe.h"
#include "analyze/native_stack.h"
#include "formats/xalloc.h"

#include <byteswap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_WEIGHT ((uint64_t)1 << 32) /* of a fault: no sampling is as coarse */

/* ---- What was found --------------------------------------------------------------------- */

struct decode {
	const struct perfdata_reader *file;
	struct foreign *foreign; /* NULL: probes of others are passed over */
	char **remarks;
	size_t n_remarks, cap_remarks;
	struct decode_stats stats;
	struct tracing_data *tracing;
	const uint8_t *tracing_from; /* the section that was parsed */
	struct error *problem;
	struct recipe *recipes; /* by the index of the event in the file's list */
	size_t n_recipes, cap_recipes;
	struct native_stack *native_stack; /* NULL: not needed yet */
	struct note note;		   /* given out with the last event */
	uint64_t place;			   /* given out as the stack of the last fault */
	uint64_t *words; /* the array of the last event, in this machine's byte order */
	size_t cap_words;
};

struct decode *decode_new(const struct perfdata_reader *file)
{
	struct decode *decode = xcalloc(1, sizeof(*decode));

	decode->file = file;
	return decode;
}

void decode_use_foreign(struct decode *decode, struct foreign *foreign)
{
	decode->foreign = foreign;
}

const char *const *decode_remarks(const struct decode *decode, size_t *n)
{
	*n = decode->n_remarks;
	return (const char *const *)decode->remarks;
}

bool decode_knows(const struct decode *decode, enum event_kind kind)
{
	for (size_t i = 0; i < decode->n_recipes; i++)
		if (decode->recipes[i].kind == kind)
			return true;
	return false;
}

const struct decode_stats *decode_stats(const struct decode *decode)
{
	return &decode->stats;
}

const struct error *decode_problem(const struct decode *decode)
{
	return decode->problem;
}

/* ---- Looking up ------------------------------------------------------------------------- */

static void parse_tracing_data(struct decode *decode, const struct perfdata_info *info)
{
	if (!info->tracing_data || info->tracing_data == decode->tracing_from)
		return;
	tracing_data_free(decode->tracing);
	error_free(decode->problem);
	decode->tracing_from = info->tracing_data;
	decode->problem =
		tracing_data_parse(info->tracing_data, info->tracing_data_len, &decode->tracing);
}

/* perf's pipe form tells its events one by one, in between the records. */
static struct recipe *recipe_of(struct decode *decode, const struct perfdata_event *event)
{
	const struct perfdata_info *info = perfdata_info(decode->file);
	size_t index = (size_t)(event - info->events);

	while (decode->n_recipes <= index) {
		xgrow(decode->recipes, decode->cap_recipes, decode->n_recipes + 1);
		parse_tracing_data(decode, info);
		recipe_find(&(struct recipe_source){info, decode->tracing, decode->foreign != NULL},
			    &info->events[decode->n_recipes], &decode->recipes[decode->n_recipes]);
		decode->n_recipes++;
	}
	return &decode->recipes[index];
}

/* ---- Probes of others -------------------------------------------------------------------- */

/* What is said of the fields that a probe's event has: "p is its field ax"; "goid is not told". */
static void describe_fields(FILE *out, const struct wanted_probe *wanted,
			    const struct foreign_probe *probe, uint64_t has)
{
	const char *separator = "; not told: ";

	for (size_t i = 0; i < probe->n_args; i++)
		for (size_t f = 0; f < MAX_FIELDS && wanted->fields[f].name; f++)
			if (wanted->fields[f].field == probe->args[i].to && probe->args[i].field)
				fprintf(out, "; %s is its field %s", wanted->fields[f].name,
					probe->args[i].field);
	for (size_t f = 0; f < MAX_FIELDS && wanted->fields[f].name; f++) {
		if (has & EVENT_HAS(wanted->fields[f].field))
			continue;
		fprintf(out, "%s%s", separator, wanted->fields[f].name);
		separator = ", ";
	}
}

/*
 * The first sample of a probe that somebody set by hand: from its address follows what it is. Where
 * that is not to be had, a name that `record` gives is taken for what it says.
 */
static void identify(struct decode *decode, struct recipe *recipe,
		     const struct perfdata_sample *sample)
{
	const struct load ip = {.offset = recipe->ip_offset, .size = sizeof(uint64_t)};
	uint64_t id = recipe->foreign->attr.config;
	const char *system, *name, *trouble = "";
	const struct wanted_probe *wanted;
	char *text;
	size_t len;
	FILE *out;
	struct foreign_probe probe;

	if (!sample->raw || sample->raw_len < ip.offset + ip.size)
		return;
	recipe->foreign = NULL;
	tracing_data_event(decode->tracing, id, &system, &name);
	foreign_identify(decode->foreign, decode->tracing, id, sample->pid,
			 recipe_load(&ip, sample->raw, perfdata_info(decode->file)->swapped),
			 &probe);
	wanted = probe.symbol ? wanted_by_kind(probe.kind) : wanted_by_name(name);
	recipe_find_probe(recipe, decode->tracing, id, wanted);
	for (size_t i = 0; i < probe.n_args && recipe->n_loads < MAX_FIELDS; i++)
		if (probe.args[i].field && !(recipe->has & EVENT_HAS(probe.args[i].to)) &&
		    recipe_add_load(recipe, decode->tracing, id, probe.args[i].field,
				    (uint8_t)probe.args[i].to))
			recipe->has |= EVENT_HAS(probe.args[i].to);
	/* An object without its address is none. */
	if ((recipe->kind == EVENT_BIRTH || recipe->kind == EVENT_DEATH) &&
	    !(recipe->has & EVENT_HAS(FIELD_P))) {
		recipe->kind = EVENT_OTHER;
		trouble = ": of no use without the object's address, p";
	}
	out = open_memstream(&text, &len);
	if (!out)
		return;
	fprintf(out, "%s: the event %s:%s ", recipe->kind == EVENT_OTHER ? "loss" : "probe", system,
		name);
	if (probe.symbol)
		fprintf(out, "sits in %s", probe.symbol);
	else
		fprintf(out, "sits where neither the trace nor a binary names a function");
	if (wanted) {
		fprintf(out, "%s%s%s", probe.symbol ? ", so it is a " : "; by its name it is a ",
			wanted->name, trouble);
		describe_fields(out, wanted, &probe, recipe->has);
	} else {
		fprintf(out, ", which tells nothing of memory");
	}
	fclose(out);
	xgrow(decode->remarks, decode->cap_remarks, decode->n_remarks + 1);
	decode->remarks[decode->n_remarks++] = text;
}

/* ---- Samples ---------------------------------------------------------------------------- */

/* A copy of an array of the raw data, good until the next event. */
static const uint64_t *take_words(struct decode *decode, const void *from, uint32_t n)
{
	xgrow(decode->words, decode->cap_words, n + 1);
	memcpy(decode->words, from, n * sizeof(uint64_t));
	for (uint32_t i = 0; i < n && perfdata_info(decode->file)->swapped; i++)
		decode->words[i] = bswap_64(decode->words[i]);
	return decode->words;
}

/*
 * Where C code keeps something else in the frame pointer, the kernel may follow a pointer that
 * leads to itself, and writes the same address until the chain is full. That tells nothing; of a
 * deep recursion, which ends in the same way, it tells what the first frame of it has told already.
 */
#define LOOP 16

static uint32_t without_loop(const uint64_t *chain, uint32_t n)
{
	uint32_t end = n;

	while (end > 1 && chain[end - 2] == chain[n - 1])
		end--;
	if (n - end < LOOP)
		return n;
	return end > 1 ? end - 1 : 1;
}

/* The user part of a call chain the kernel took, without its markers. */
static void use_callchain(const struct perfdata_sample *sample, struct event *event)
{
	size_t first = 0, n;

	for (size_t i = 0; i < sample->n_callchain; i++)
		if (sample->callchain[i] == PERF_CONTEXT_USER)
			first = i + 1;
	if (!first)
		return;
	for (n = first; n < sample->n_callchain; n++)
		if (sample->callchain[n] >= PERF_CONTEXT_MAX)
			break;
	event->stack = &sample->callchain[first];
	event->n_stack = without_loop(&sample->callchain[first], (uint32_t)(n - first));
}

static void find_stack(struct decode *decode, const struct recipe *recipe,
		       const struct perfdata_sample *sample, struct event *event)
{
	uint64_t end = recipe->array_offset + recipe->array_max * (uint64_t)sizeof(uint64_t);
	uint64_t n = event->v[FIELD_NSTK];

	if (!recipe->array_max || !(event->has & EVENT_HAS(FIELD_NSTK)) || end > sample->raw_len) {
		use_callchain(sample, event);
		return;
	}
	event->stack = sample->raw + recipe->array_offset;
	event->n_stack = n < recipe->array_max ? (uint32_t)n : recipe->array_max;
	event->stack_from_bucket = true;
	if (perfdata_info(decode->file)->swapped)
		event->stack = take_words(decode, event->stack, event->n_stack);
}

static void find_bits(struct decode *decode, const struct recipe *recipe,
		      const struct perfdata_sample *sample, struct event *event)
{
	uint64_t end = recipe->array_offset + recipe->array_max * (uint64_t)sizeof(uint64_t);

	use_callchain(sample, event);
	if (!recipe->array_max || end > sample->raw_len)
		return;
	event->words = take_words(decode, sample->raw + recipe->array_offset, recipe->array_max);
	event->n_words = recipe->array_max;
}

static void find_native_stack(struct decode *decode, const struct perfdata_sample *sample,
			      struct event *event)
{
	use_callchain(sample, event);
	if (!decode->native_stack)
		decode->native_stack = native_stack_new(perfdata_info(decode->file));
	native_stack_find(decode->native_stack, sample, event);
}

static void decode_note(struct decode *decode, const struct perfdata_sample *sample,
			struct event *event)
{
	if (!note_decode(sample->raw, sample->raw_len, perfdata_info(decode->file)->swapped,
			 &decode->note)) {
		decode->stats.bad_notes++;
		return;
	}
	event->kind = EVENT_NOTE;
	event->note = decode->note;
}

static void decode_fault(struct decode *decode, const struct recipe *recipe,
			 const struct perfdata_sample *sample, struct event *event)
{
	const struct load load = {.offset = recipe->fault.field.offset, .size = 8};

	event->fault.address =
		recipe->fault.in_sample
			? sample->addr
			: recipe_load(&load, sample->raw, perfdata_info(decode->file)->swapped);
	event->fault.weight = sample->period ? sample->period : 1;
	if (event->fault.weight > MAX_WEIGHT)
		event->fault.weight = MAX_WEIGHT;
	event->fault.is_major = recipe->fault.is_major;
	event->fault.page_size = decode->tracing ? tracing_data_page_size(decode->tracing) : 0;
	use_callchain(sample, event);
	/* Without a call chain the place itself, where it is the program's. */
	if (!event->n_stack && sample->ip && sample->ip >> 63 == 0) {
		decode->place = sample->ip;
		event->stack = &decode->place;
		event->n_stack = 1;
	}
}

/* Registers that the kernel could not tell make an object without an address, which is none. */
static void take_registers(const struct recipe *recipe, const struct perfdata_sample *sample,
			   struct event *event)
{
	event->kind = recipe->kind;
	memset(event->v, 0, sizeof(event->v));
	if (!sample->user_regs)
		return;
	event->has = recipe->has;
	for (uint32_t i = 0; i < recipe->n_loads; i++)
		event->v[recipe->loads[i].to] = sample->user_regs[recipe->loads[i].offset];
	if (recipe->kind == EVENT_BIRTH || recipe->kind == EVENT_GO_CREATE)
		use_callchain(sample, event);
}

static void decode_sample(struct decode *decode, const struct perf_event_header *header,
			  struct event *event)
{
	bool swap = perfdata_info(decode->file)->swapped;
	struct perfdata_sample sample;
	struct recipe *recipe;

	if (!perfdata_sample(decode->file, header, &sample) || !sample.event) {
		decode->stats.malformed++;
		return;
	}
	event->time = sample.time;
	event->pid = sample.pid;
	event->tid = sample.tid;
	event->cpu = sample.cpu;
	recipe = recipe_of(decode, sample.event);
	if (recipe->is_note) {
		decode_note(decode, &sample, event);
		return;
	}
	if (recipe->foreign)
		identify(decode, recipe, &sample);
	if (recipe->no_format)
		decode->stats.no_format++;
	if (recipe->kind == EVENT_OTHER || recipe->kind == EVENT_FAULT)
		event->name = recipe->name;
	if (recipe->kind == EVENT_OTHER)
		return;
	if (recipe->by_registers) {
		take_registers(recipe, &sample, event);
		return;
	}
	if (!(recipe->kind == EVENT_FAULT && recipe->fault.in_sample) &&
	    (!sample.raw || sample.raw_len < recipe->min_len)) {
		decode->stats.malformed++;
		return;
	}
	event->kind = recipe->kind;
	event->has = recipe->has;
	if (recipe->kind == EVENT_FAULT) {
		decode_fault(decode, recipe, &sample, event);
		return;
	}
	if (recipe->kind == EVENT_SYSCALL_ENTER || recipe->kind == EVENT_SYSCALL_EXIT) {
		event->syscall.call = recipe->call;
		for (uint32_t i = 0; i < recipe->n_loads; i++)
			event->syscall.args[recipe->loads[i].to] =
				recipe_load(&recipe->loads[i], sample.raw, swap);
		event->syscall.result = (int64_t)event->syscall.args[0];
		if (recipe->kind == EVENT_SYSCALL_ENTER)
			find_native_stack(decode, &sample, event);
		return;
	}
	for (uint32_t i = 0; i < recipe->n_loads; i++)
		event->v[recipe->loads[i].to] = recipe_load(&recipe->loads[i], sample.raw, swap);
	if (recipe->kind == EVENT_BIRTH || recipe->kind == EVENT_GO_CREATE)
		find_stack(decode, recipe, &sample, event);
	else if (recipe->kind == EVENT_SPAN_TAKEN)
		find_bits(decode, recipe, &sample, event);
	else if (recipe->kind == EVENT_CGO_CALL || recipe->kind == EVENT_SPAN_LARGE)
		use_callchain(&sample, event);
	else if (recipe->kind == EVENT_NATIVE_RETURN)
		find_native_stack(decode, &sample, event);
}

/* ---- Everything ------------------------------------------------------------------------- */

void decode_record(struct decode *decode, const struct read_record *record, struct event *event)
{
	struct perfdata_sample id;

	if (decode->note.kind)
		note_free(&decode->note);
	decode->stats.records++;
	event->kind = EVENT_OTHER;
	event->has = 0;
	event->time = record->time;
	event->pid = event->tid = event->cpu = 0;
	event->name = NULL;
	event->stack = NULL;
	event->n_stack = 0;
	event->stack_from_bucket = false;
	event->words = NULL;
	event->n_words = 0;
	if (record->header->type == PERF_RECORD_SAMPLE) {
		decode_sample(decode, record->header, event);
		return;
	}
	if (perfdata_sample_id(decode->file, record->header, &id)) {
		event->pid = id.pid;
		event->tid = id.tid;
		event->cpu = id.cpu;
	}
	if (!decode_kernel_record(record->header, event)) {
		event->kind = EVENT_OTHER;
		decode->stats.malformed++;
	}
	/* Old mapping records have no protection: they are of code. */
	if (decode->foreign && event->kind == EVENT_MMAP &&
	    (event->mmap.prot & PROT_EXEC || record->header->type == PERF_RECORD_MMAP))
		foreign_mapping(decode->foreign, event->pid, event->mmap.start, event->mmap.len,
				event->mmap.offset, event->mmap.path);
}

void decode_free(struct decode *decode)
{
	if (!decode)
		return;
	note_free(&decode->note);
	tracing_data_free(decode->tracing);
	error_free(decode->problem);
	for (size_t i = 0; i < decode->n_remarks; i++)
		free(decode->remarks[i]);
	free(decode->remarks);
	free(decode->recipes);
	free(decode->words);
	native_stack_free(decode->native_stack);
	free(decode);
}
