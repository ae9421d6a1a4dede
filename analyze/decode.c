#include "analyze/decode.h"

#include "analyze/native_stack.h"
#include "formats/tracing_data.h"
#include "formats/xalloc.h"

#include <byteswap.h>
#include <stdlib.h>
#include <string.h>

/* ---- What is wanted --------------------------------------------------------------------- */

struct wanted_field {
	const char *name;
	enum event_field field;
};

#define MAX_FIELDS 24

/* The probes by the name of their event, with the fields they may have. */
static const struct wanted_probe {
	const char *name;
	enum event_kind kind;
	struct wanted_field fields[MAX_FIELDS];
} wanted_probes[] = {
	{
		"birth",
		EVENT_BIRTH,
		{
			{"p", FIELD_P},
			{"b", FIELD_B},
			{"size", FIELD_SIZE},
			{"nstk", FIELD_NSTK},
			{"goid", FIELD_GOID},
			{"cycle", FIELD_CYCLE},
		},
	},
	{
		"death",
		EVENT_DEATH,
		{
			{"p", FIELD_P},
			{"b", FIELD_B},
			{"size", FIELD_SIZE},
			{"kind", FIELD_KIND},
			{"cycle", FIELD_CYCLE},
		},
	},
	{
		"go_create",
		EVENT_GO_CREATE,
		{
			{"goid", FIELD_GOID},
			{"fn", FIELD_FN},
			{"callerpc", FIELD_CALLERPC},
			{"creator", FIELD_CREATOR},
			{"lo", FIELD_LO},
			{"hi", FIELD_HI},
		},
	},
	{
		"go_create_coro",
		EVENT_GO_CREATE,
		{
			{"goid", FIELD_GOID},
			{"fn", FIELD_FN},
			{"callerpc", FIELD_CALLERPC},
			{"creator", FIELD_CREATOR},
			{"lo", FIELD_LO},
			{"hi", FIELD_HI},
		},
	},
	{
		"go_exit",
		EVENT_GO_EXIT,
		{
			{"goid", FIELD_GOID},
			{"fn", FIELD_FN},
			{"callerpc", FIELD_CALLERPC},
		},
	},
	{
		"gc_start",
		EVENT_GC_START,
		{
			{"cycles", FIELD_CYCLES},
			{"live", FIELD_LIVE},
			{"goal", FIELD_GOAL},
			{"cycle", FIELD_CYCLE},
		},
	},
	{
		"gc_mark_term",
		EVENT_GC_MARK_TERM,
		{
			{"live", FIELD_LIVE},
			{"cycle", FIELD_CYCLE},
		},
	},
	{
		"gc_end",
		EVENT_GC_END,
		{
			{"numgc", FIELD_NUMGC},
			{"cycle", FIELD_CYCLE},
			{"sweep_term", FIELD_SWEEP_TERM},
			{"mark", FIELD_MARK},
			{"mark_term", FIELD_MARK_TERM},
			{"end", FIELD_END},
			{"heap0", FIELD_HEAP0},
			{"heap1", FIELD_HEAP1},
			{"heap2", FIELD_HEAP2},
			{"goal", FIELD_GOAL},
			{"next_goal", FIELD_NEXT_GOAL},
			{"forced", FIELD_FORCED},
			{"procs", FIELD_PROCS},
			{"live", FIELD_LIVE},
			{"rate", FIELD_RATE},
			{"assist", FIELD_ASSIST},
			{"dedicated", FIELD_DEDICATED},
			{"fractional", FIELD_FRACTIONAL},
			{"idle", FIELD_IDLE},
			{"stacks", FIELD_STACKS},
			{"pause_total", FIELD_PAUSE_TOTAL},
			{"cpu_fraction", FIELD_CPU_FRACTION},
			{"numforced", FIELD_NUMFORCED},
		},
	},
};

/* What events of the malloc family, and Go's calls of C, may have. */
static const struct wanted_field native_fields[MAX_FIELDS] = {
	{"p", FIELD_P},	  {"size", FIELD_SIZE}, {"count", FIELD_NMEMB}, {"chunk", FIELD_CHUNK},
	{"sp", FIELD_SP}, {"fp", FIELD_FP},	{"ret", FIELD_RET},
};

/* The system calls, with their arguments as the syscalls tracepoints name them. */
static const struct wanted_syscall {
	const char *name;
	enum event_syscall call;
	const char *args[6];
} wanted_syscalls[] = {
	{"mmap", SYSCALL_MMAP, {"addr", "len", "prot", "flags", "fd", "off"}},
	{"munmap", SYSCALL_MUNMAP, {"addr", "len"}},
	{"mremap", SYSCALL_MREMAP, {"addr", "old_len", "new_len", "flags", "new_addr"}},
	{"brk", SYSCALL_BRK, {"brk"}},
	{"clone", SYSCALL_CLONE, {NULL}},
	{"clone3", SYSCALL_CLONE, {NULL}},
	{"madvise", SYSCALL_MADVISE, {"start", "len_in", "behavior"}},
};

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
	enum event_syscall call;
	bool no_format, is_note;
	uint64_t has;
	uint32_t n_loads;
	struct load loads[MAX_FIELDS];
	uint32_t min_len; /* of the raw data, for all loads */
	uint32_t stack_offset, stack_max;
};

struct decode {
	const struct perfdata_reader *file;
	struct decode_stats stats;
	struct tracing_data *tracing;
	const uint8_t *tracing_from; /* the section that was parsed */
	struct error *problem;
	struct recipe *recipes; /* by the index of the event in the file's list */
	size_t n_recipes, cap_recipes;
	struct native_stack *native_stack; /* NULL: not needed yet */
	struct note note;		   /* given out with the last event */
	uint64_t *swapped; /* the stack of the last birth, put into this machine's byte order */
	size_t cap_swapped;
};

struct decode *decode_new(const struct perfdata_reader *file)
{
	struct decode *decode = xcalloc(1, sizeof(*decode));

	decode->file = file;
	return decode;
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
		       const char *name)
{
	struct tracing_field stack;

	for (size_t i = 0; i < sizeof(wanted_probes) / sizeof(*wanted_probes); i++) {
		const struct wanted_probe *wanted = &wanted_probes[i];

		if (strcmp(name, wanted->name))
			continue;
		recipe->kind = wanted->kind;
		find_fields(recipe, tracing, id, wanted->fields);
		/* An array of addresses: its elements are words, whatever their count is. */
		if (wanted->kind == EVENT_BIRTH && tracing_data_field(tracing, id, "stk", &stack) &&
		    !stack.is_dynamic) {
			recipe->stack_offset = stack.offset;
			recipe->stack_max = stack.size / (uint32_t)sizeof(uint64_t);
		}
		return;
	}
	recipe->kind = native_kind(name);
	if (recipe->kind != EVENT_OTHER)
		find_fields(recipe, tracing, id, native_fields);
}

static void find_syscall(struct recipe *recipe, const struct tracing_data *tracing, uint64_t id,
			 const char *name)
{
	static const char enter[] = "sys_enter_", leave[] = "sys_exit_";
	bool is_enter = !strncmp(name, enter, strlen(enter));

	if (!is_enter && strncmp(name, leave, strlen(leave)))
		return;
	name += is_enter ? strlen(enter) : strlen(leave);
	for (size_t i = 0; i < sizeof(wanted_syscalls) / sizeof(*wanted_syscalls); i++) {
		const struct wanted_syscall *wanted = &wanted_syscalls[i];

		if (strcmp(name, wanted->name))
			continue;
		recipe->call = wanted->call;
		recipe->kind = is_enter ? EVENT_SYSCALL_ENTER : EVENT_SYSCALL_EXIT;
		if (!is_enter && !add_load(recipe, tracing, id, "ret", 0))
			recipe->kind = EVENT_OTHER;
		for (uint8_t arg = 0; is_enter && arg < 6 && wanted->args[arg]; arg++)
			add_load(recipe, tracing, id, wanted->args[arg], arg);
		return;
	}
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

static void find_recipe(struct decode *decode, const struct perfdata_info *info,
			const struct perfdata_event *event, struct recipe *recipe)
{
	const char *system, *name;

	*recipe = (struct recipe){.kind = EVENT_OTHER};
	if (event->attr.type == PERF_TYPE_SOFTWARE &&
	    event->attr.config == PERF_COUNT_SW_BPF_OUTPUT) {
		/* Others may write such events too: where there is a name it must be ours. */
		recipe->is_note = !event->name || !strcmp(event->name, NOTE_EVENT_NAME);
		return;
	}
	if (event->attr.type != PERF_TYPE_TRACEPOINT)
		return;
	parse_tracing_data(decode, info);
	if (!decode->tracing ||
	    !tracing_data_event(decode->tracing, event->attr.config, &system, &name)) {
		recipe->no_format = true;
		return;
	}
	if (!strncmp(system, "gmt_", 4))
		find_probe(recipe, decode->tracing, event->attr.config, name);
	else if (!strcmp(system, "syscalls"))
		find_syscall(recipe, decode->tracing, event->attr.config, name);
}

/* perf's pipe form tells its events one by one, in between the records. */
static const struct recipe *recipe_of(struct decode *decode, const struct perfdata_event *event)
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

static void swap_stack(struct decode *decode, struct event *event)
{
	xgrow(decode->swapped, decode->cap_swapped, event->n_stack);
	memcpy(decode->swapped, event->stack, event->n_stack * sizeof(uint64_t));
	for (uint32_t i = 0; i < event->n_stack; i++)
		decode->swapped[i] = bswap_64(decode->swapped[i]);
	event->stack = decode->swapped;
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
	event->n_stack = (uint32_t)(n - first);
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

static void decode_sample(struct decode *decode, const struct perf_event_header *header,
			  struct event *event)
{
	bool swap = perfdata_info(decode->file)->swapped;
	struct perfdata_sample sample;
	const struct recipe *recipe;

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
	if (recipe->no_format)
		decode->stats.no_format++;
	if (recipe->kind == EVENT_OTHER)
		return;
	if (!sample.raw || sample.raw_len < recipe->min_len) {
		decode->stats.malformed++;
		return;
	}
	event->kind = recipe->kind;
	event->has = recipe->has;
	if (recipe->kind == EVENT_SYSCALL_ENTER || recipe->kind == EVENT_SYSCALL_EXIT) {
		event->syscall.call = recipe->call;
		for (uint32_t i = 0; i < recipe->n_loads; i++)
			event->syscall.args[recipe->loads[i].to] =
				load_value(&recipe->loads[i], sample.raw, swap);
		event->syscall.result = (int64_t)event->syscall.args[0];
		if (recipe->kind == EVENT_SYSCALL_ENTER)
			use_callchain(&sample, event);
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

/* ---- The kernel's other records --------------------------------------------------------- */

/* The text from offset to the end of a record; NULL where no NUL ends it. */
static const char *record_text(const struct perf_event_header *header, size_t offset)
{
	const char *text = (const char *)header + offset;

	if (header->size <= offset || !memchr(text, '\0', header->size - offset))
		return NULL;
	return text;
}

/* The n words of 32 bits behind the header; false where the record is shorter. */
static bool record_words(const struct perf_event_header *header, uint32_t *words, size_t n)
{
	if (header->size < sizeof(*header) + n * sizeof(*words))
		return false;
	memcpy(words, header + 1, n * sizeof(*words));
	return true;
}

static bool record_u64(const struct perf_event_header *header, size_t offset, uint64_t *value)
{
	if (header->size < offset + sizeof(*value))
		return false;
	memcpy(value, (const uint8_t *)header + offset, sizeof(*value));
	return true;
}

static bool decode_comm(const struct perf_event_header *header, struct event *event)
{
	uint32_t ids[2];

	event->comm.comm = record_text(header, sizeof(*header) + sizeof(ids));
	if (!record_words(header, ids, 2) || !event->comm.comm)
		return false;
	event->kind = header->misc & PERF_RECORD_MISC_COMM_EXEC ? EVENT_EXEC : EVENT_COMM;
	event->pid = ids[0];
	event->tid = ids[1];
	return true;
}

static bool decode_fork(const struct perf_event_header *header, struct event *event)
{
	uint32_t ids[4]; /* pid, ppid, tid, ptid */

	if (!record_words(header, ids, 4))
		return false;
	event->kind = header->type == PERF_RECORD_FORK ? EVENT_FORK : EVENT_EXIT;
	event->pid = ids[0];
	event->tid = ids[2];
	event->fork.parent_pid = ids[1];
	event->fork.parent_tid = ids[3];
	return true;
}

/* pid, tid, addr, len, pgoff; MMAP2 then has 24 bytes of inode or build id, prot and flags. */
static bool decode_mmap(const struct perf_event_header *header, struct event *event)
{
	const size_t base = sizeof(*header);
	bool is_2 = header->type == PERF_RECORD_MMAP2;
	uint32_t ids[2], prot = 0;

	if (!record_words(header, ids, 2) || !record_u64(header, base + 8, &event->mmap.start) ||
	    !record_u64(header, base + 16, &event->mmap.len) ||
	    !record_u64(header, base + 24, &event->mmap.offset))
		return false;
	event->mmap.path = record_text(header, is_2 ? base + 64 : base + 32);
	if (!event->mmap.path)
		return false;
	if (is_2)
		memcpy(&prot, (const uint8_t *)header + base + 56, sizeof(prot));
	event->kind = EVENT_MMAP;
	event->pid = ids[0];
	event->tid = ids[1];
	event->mmap.prot = prot;
	return true;
}

static bool decode_lost(const struct perf_event_header *header, struct event *event)
{
	/* LOST: id, lost; LOST_SAMPLES: lost. */
	size_t offset = sizeof(*header) + (header->type == PERF_RECORD_LOST ? 8 : 0);

	if (!record_u64(header, offset, &event->lost.count))
		return false;
	event->kind = EVENT_LOST;
	return true;
}

static bool decode_other(const struct perf_event_header *header, struct event *event)
{
	switch (header->type) {
	case PERF_RECORD_COMM:
		return decode_comm(header, event);
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		return decode_fork(header, event);
	case PERF_RECORD_MMAP:
	case PERF_RECORD_MMAP2:
		return decode_mmap(header, event);
	case PERF_RECORD_LOST:
	case PERF_RECORD_LOST_SAMPLES:
		return decode_lost(header, event);
	case PERF_RECORD_THROTTLE:
		event->kind = EVENT_THROTTLE;
		return true;
	default:
		return true;
	}
}

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
	if (!decode_other(record->header, event)) {
		event->kind = EVENT_OTHER;
		decode->stats.malformed++;
	}
}

void decode_free(struct decode *decode)
{
	if (!decode)
		return;
	note_free(&decode->note);
	tracing_data_free(decode->tracing);
	error_free(decode->problem);
	free(decode->recipes);
	free(decode->swapped);
	native_stack_free(decode->native_stack);
	free(decode);
}
