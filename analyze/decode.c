#include "analyze/decode.h"

#include "analyze/decode_kernel.h"
#include "analyze/decode_wanted.h"
#include "analyze/fault_source.h"
#include "analyze/native_stack.h"
#include "formats/tracing_data.h"
#include "formats/xalloc.h"

#include <byteswap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_WEIGHT ((uint64_t)1 << 32) /* of a fault: no sampling is as coarse */

/* ---- What was found --------------------------------------------------------------------- */

/* Where a value lies in the raw data; size 0: nowhere, the value is 0. */
struct load {
	uint32_t offset;
	uint8_t size, to; /* to: index into event.v or syscall.args */
	bool is_signed;
};

/* How samples of one event are decoded. */
struct recipe {
	enum event_kind kind;
	const struct perfdata_event *foreign; /* a probe not identified yet; else NULL */
	uint32_t ip_offset;		      /* of a foreign probe: its own address */
	enum event_syscall call;
	bool no_format, is_note;
	const char *name; /* to count it under; NULL: it is not */
	struct fault_event fault;
	uint64_t has;
	uint32_t n_loads;
	struct load loads[MAX_FIELDS];
	uint32_t min_len;  /* of the raw data, for all loads */
	bool by_registers; /* loads are of the sample's registers: offset counts these */
	uint32_t stack_offset, stack_max;
};

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
	uint64_t *swapped; /* the stack of the last birth, put into this machine's byte order */
	size_t cap_swapped;
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

static bool add_load(struct recipe *recipe, const struct tracing_data *tracing, uint64_t id,
		     const char *name, uint8_t to)
{
	struct load *load = &recipe->loads[recipe->n_loads++];
	struct tracing_field field;

	*load = (struct load){.to = to};
	if (!tracing_data_field(tracing, id, name, &field) || field.is_dynamic ||
	    !(field.size == 1 || field.size == 2 || field.size == 4 || field.size == 8))
		return false;
	load->offset = field.offset;
	load->size = (uint8_t)field.size;
	load->is_signed = field.is_signed;
	if (field.offset + field.size > recipe->min_len)
		recipe->min_len = field.offset + field.size;
	return true;
}

/* Functions of the malloc family are many, and their events are alike (record/native.c). */
static enum event_kind native_kind(const char *name)
{
	static const char prefix[] = "native_", release[] = "native_free", enter[] = "_enter";
	size_t len = strlen(name);

	if (!strcmp(name, "cgo_call"))
		return EVENT_CGO_CALL;
	if (strncmp(name, prefix, strlen(prefix)) != 0)
		return EVENT_OTHER;
	if (!strncmp(name, release, strlen(release)))
		return EVENT_NATIVE_FREE;
	if (len > strlen(enter) && !strcmp(name + len - strlen(enter), enter))
		return EVENT_NATIVE_ENTER;
	return EVENT_NATIVE_RETURN;
}

static void find_fields(struct recipe *recipe, const struct tracing_data *tracing, uint64_t id,
			const struct wanted_field *fields)
{
	for (size_t f = 0; f < MAX_FIELDS && fields[f].name; f++)
		if (add_load(recipe, tracing, id, fields[f].name, (uint8_t)fields[f].field))
			recipe->has |= EVENT_HAS(fields[f].field);
}

static void find_probe(struct recipe *recipe, const struct tracing_data *tracing, uint64_t id,
		       const struct wanted_probe *wanted)
{
	struct tracing_field stack;

	if (!wanted)
		return;
	recipe->kind = wanted->kind;
	find_fields(recipe, tracing, id, wanted->fields);
	/* An array of addresses: its elements are words, whatever their count is. */
	if (wanted->kind == EVENT_BIRTH && tracing_data_field(tracing, id, "stk", &stack) &&
	    !stack.is_dynamic) {
		recipe->stack_offset = stack.offset;
		recipe->stack_max = stack.size / (uint32_t)sizeof(uint64_t);
	}
}

static void find_own_probe(struct recipe *recipe, const struct tracing_data *tracing, uint64_t id,
			   const char *name)
{
	const struct wanted_probe *wanted = wanted_by_name(name);

	if (wanted) {
		find_probe(recipe, tracing, id, wanted);
		return;
	}
	recipe->kind = native_kind(name);
	if (recipe->kind != EVENT_OTHER)
		find_fields(recipe, tracing, id, wanted_native_fields);
}

/*
 * A probe that was set through the uprobe PMU: its name tells which register holds what, as in
 * "gmt_4711_0:birth(p=0,b=1)" (record/probes_pmu.h).
 */
static void find_pmu_probe(struct recipe *recipe, const struct perfdata_event *event)
{
	const char *at = strchr(event->name, ':'), *open = at ? strchr(at, '(') : NULL;
	uint64_t mask = event->attr.sample_regs_user;
	const struct wanted_probe *wanted;
	char *name;

	if (!open)
		return;
	name = xstrndup(at + 1, (size_t)(open - at - 1));
	wanted = wanted_by_name(name);
	free(name);
	if (!wanted)
		return;
	recipe->kind = wanted->kind;
	recipe->by_registers = true;
	for (size_t f = 0; f < MAX_FIELDS && wanted->fields[f].name; f++) {
		size_t len = strlen(wanted->fields[f].name);

		for (at = open; at; at = strchr(at + 1, ',')) {
			unsigned reg;

			if (strncmp(at + 1, wanted->fields[f].name, len) != 0 ||
			    sscanf(at + 1 + len, "=%u", &reg) != 1 || reg > 63 ||
			    !(mask >> reg & 1) || recipe->n_loads >= MAX_FIELDS)
				continue;
			recipe->loads[recipe->n_loads++] = (struct load){
				.offset =
					(uint32_t)__builtin_popcountll(mask & ((1ull << reg) - 1)),
				.to = (uint8_t)wanted->fields[f].field,
			};
			recipe->has |= EVENT_HAS(wanted->fields[f].field);
		}
	}
}

static void find_syscall(struct recipe *recipe, const struct tracing_data *tracing, uint64_t id,
			 const char *name)
{
	static const char enter[] = "sys_enter_", leave[] = "sys_exit_";
	bool is_enter = !strncmp(name, enter, strlen(enter));
	const struct wanted_syscall *wanted;

	if (!is_enter && strncmp(name, leave, strlen(leave)))
		return;
	wanted = wanted_syscall(name + (is_enter ? strlen(enter) : strlen(leave)));
	if (!wanted)
		return;
	recipe->call = wanted->call;
	recipe->kind = is_enter ? EVENT_SYSCALL_ENTER : EVENT_SYSCALL_EXIT;
	if (!is_enter && !add_load(recipe, tracing, id, "ret", 0))
		recipe->kind = EVENT_OTHER;
	for (uint8_t arg = 0; is_enter && arg < 6 && wanted->args[arg]; arg++)
		add_load(recipe, tracing, id, wanted->args[arg], arg);
}

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

/*
 * Events beyond those of the plan: of the user's choosing, of perf itself. The name is without the
 * group where that is the recorder's own. Of page faults the best source is used.
 */
static void find_other(struct decode *decode, const struct perfdata_info *info,
		       const struct perfdata_event *event, struct recipe *recipe)
{
	const char *colon = event->name ? strchr(event->name, ':') : NULL;

	recipe->name = colon && !strncmp(event->name, "gmt_", 4) ? colon + 1 : event->name;
	recipe->fault = fault_source_of(event, decode->tracing);
	if (recipe->fault.source == FAULTS_NONE ||
	    recipe->fault.source < fault_source_best(info, decode->tracing))
		return;
	recipe->kind = EVENT_FAULT;
	if (!recipe->fault.in_sample)
		recipe->min_len = recipe->fault.field.offset + recipe->fault.field.size;
}

/* The recorder's own probes; what a user asked for lies in groups that end in "_x". */
static bool is_plan_group(const char *system)
{
	size_t len = strlen(system);

	return !strncmp(system, "gmt_", 4) && (len < 6 || strcmp(system + len - 2, "_x"));
}

static void find_recipe(struct decode *decode, const struct perfdata_info *info,
			const struct perfdata_event *event, struct recipe *recipe)
{
	const char *system, *name;
	struct tracing_field ip;

	*recipe = (struct recipe){.kind = EVENT_OTHER};
	if (event->attr.type == PERF_TYPE_SOFTWARE &&
	    event->attr.config == PERF_COUNT_SW_BPF_OUTPUT) {
		/* Others may write such events too: where there is a name it must be ours. */
		recipe->is_note = !event->name || !strcmp(event->name, NOTE_EVENT_NAME);
		return;
	}
	if (event->attr.type != PERF_TYPE_TRACEPOINT && event->name &&
	    !strncmp(event->name, "gmt_", 4)) {
		find_pmu_probe(recipe, event);
		return;
	}
	parse_tracing_data(decode, info);
	if (event->attr.type != PERF_TYPE_TRACEPOINT) {
		/* The dummy event is there for what is no sample. */
		if (event->attr.type != PERF_TYPE_SOFTWARE ||
		    event->attr.config != PERF_COUNT_SW_DUMMY)
			find_other(decode, info, event, recipe);
		return;
	}
	if (!decode->tracing ||
	    !tracing_data_event(decode->tracing, event->attr.config, &system, &name)) {
		recipe->no_format = true;
		return;
	}
	if (is_plan_group(system))
		find_own_probe(recipe, decode->tracing, event->attr.config, name);
	else if (!strcmp(system, "syscalls"))
		find_syscall(recipe, decode->tracing, event->attr.config, name);
	if (recipe->kind == EVENT_OTHER && !is_plan_group(system))
		find_other(decode, info, event, recipe);
	if (recipe->kind == EVENT_OTHER && strncmp(system, "gmt_", 4) && decode->foreign &&
	    tracing_data_field(decode->tracing, event->attr.config, "__probe_ip", &ip) &&
	    ip.size == sizeof(uint64_t)) {
		recipe->foreign = event;
		recipe->ip_offset = ip.offset;
	}
}

/* perf's pipe form tells its events one by one, in between the records. */
static struct recipe *recipe_of(struct decode *decode, const struct perfdata_event *event)
{
	const struct perfdata_info *info = perfdata_info(decode->file);
	size_t index = (size_t)(event - info->events);

	while (decode->n_recipes <= index) {
		xgrow(decode->recipes, decode->cap_recipes, decode->n_recipes + 1);
		find_recipe(decode, info, &info->events[decode->n_recipes],
			    &decode->recipes[decode->n_recipes]);
		decode->n_recipes++;
	}
	return &decode->recipes[index];
}

/* ---- Samples ---------------------------------------------------------------------------- */

static uint64_t load_value(const struct load *load, const uint8_t *raw, bool swap)
{
	uint64_t v8;
	uint32_t v4;
	uint16_t v2;

	raw += load->offset;
	switch (load->size) {
	case 8:
		memcpy(&v8, raw, sizeof(v8));
		return swap ? bswap_64(v8) : v8;
	case 4:
		memcpy(&v4, raw, sizeof(v4));
		v4 = swap ? bswap_32(v4) : v4;
		return load->is_signed ? (uint64_t)(int64_t)(int32_t)v4 : v4;
	case 2:
		memcpy(&v2, raw, sizeof(v2));
		v2 = swap ? bswap_16(v2) : v2;
		return load->is_signed ? (uint64_t)(int64_t)(int16_t)v2 : v2;
	case 1:
		return load->is_signed ? (uint64_t)(int64_t)(int8_t)*raw : *raw;
	}
	return 0;
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
			 load_value(&ip, sample->raw, perfdata_info(decode->file)->swapped),
			 &probe);
	wanted = probe.symbol ? wanted_by_kind(probe.kind) : wanted_by_name(name);
	find_probe(recipe, decode->tracing, id, wanted);
	for (size_t i = 0; i < probe.n_args && recipe->n_loads < MAX_FIELDS; i++)
		if (probe.args[i].field && !(recipe->has & EVENT_HAS(probe.args[i].to)) &&
		    add_load(recipe, decode->tracing, id, probe.args[i].field,
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

static void swap_stack(struct decode *decode, struct event *event)
{
	xgrow(decode->swapped, decode->cap_swapped, event->n_stack);
	memcpy(decode->swapped, event->stack, event->n_stack * sizeof(uint64_t));
	for (uint32_t i = 0; i < event->n_stack; i++)
		decode->swapped[i] = bswap_64(decode->swapped[i]);
	event->stack = decode->swapped;
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
	uint64_t end = recipe->stack_offset + recipe->stack_max * (uint64_t)sizeof(uint64_t);
	uint64_t n = event->v[FIELD_NSTK];

	if (!recipe->stack_max || !(event->has & EVENT_HAS(FIELD_NSTK)) || end > sample->raw_len) {
		use_callchain(sample, event);
		return;
	}
	event->stack = sample->raw + recipe->stack_offset;
	event->n_stack = n < recipe->stack_max ? (uint32_t)n : recipe->stack_max;
	event->stack_from_bucket = true;
	if (perfdata_info(decode->file)->swapped)
		swap_stack(decode, event);
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
			: load_value(&load, sample->raw, perfdata_info(decode->file)->swapped);
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
				load_value(&recipe->loads[i], sample.raw, swap);
		event->syscall.result = (int64_t)event->syscall.args[0];
		if (recipe->kind == EVENT_SYSCALL_ENTER)
			find_native_stack(decode, &sample, event);
		return;
	}
	for (uint32_t i = 0; i < recipe->n_loads; i++)
		event->v[recipe->loads[i].to] = load_value(&recipe->loads[i], sample.raw, swap);
	if (recipe->kind == EVENT_BIRTH || recipe->kind == EVENT_GO_CREATE)
		find_stack(decode, recipe, &sample, event);
	else if (recipe->kind == EVENT_CGO_CALL)
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
	free(decode->swapped);
	native_stack_free(decode->native_stack);
	free(decode);
}
