#include "analyze/decode_recipe.h"

#include "formats/xalloc.h"

#include <stdio.h>
#include <stdlib.h>

bool recipe_add_load(struct recipe *recipe, const struct tracing_data *tracing, uint64_t id,
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
		if (recipe_add_load(recipe, tracing, id, fields[f].name, (uint8_t)fields[f].field))
			recipe->has |= EVENT_HAS(fields[f].field);
}

void recipe_find_probe(struct recipe *recipe, const struct tracing_data *tracing, uint64_t id,
		       const struct wanted_probe *wanted)
{
	struct tracing_field array;
	const char *name;

	if (!wanted)
		return;
	recipe->kind = wanted->kind;
	find_fields(recipe, tracing, id, wanted->fields);
	/* The elements of an array are words, whatever their count is. */
	name = wanted->kind == EVENT_BIRTH	  ? "stk"
	       : wanted->kind == EVENT_SPAN_TAKEN ? "bits"
						  : NULL;
	if (name && tracing_data_field(tracing, id, name, &array) && !array.is_dynamic) {
		recipe->array_offset = array.offset;
		recipe->array_max = array.size / (uint32_t)sizeof(uint64_t);
	}
}

static void find_own_probe(struct recipe *recipe, const struct tracing_data *tracing, uint64_t id,
			   const char *name)
{
	const struct wanted_probe *wanted = wanted_by_name(name);

	if (wanted) {
		recipe_find_probe(recipe, tracing, id, wanted);
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
	if (!is_enter && !recipe_add_load(recipe, tracing, id, "ret", 0))
		recipe->kind = EVENT_OTHER;
	for (uint8_t arg = 0; is_enter && arg < 6 && wanted->args[arg]; arg++)
		recipe_add_load(recipe, tracing, id, wanted->args[arg], arg);
}

/*
 * Events beyond those of the plan: of the user's choosing, of perf itself. The name is without the
 * group where that is the recorder's own. Of page faults the best source is used.
 */
static void find_other(const struct recipe_source *source, const struct perfdata_event *event,
		       struct recipe *recipe)
{
	const char *colon = event->name ? strchr(event->name, ':') : NULL;

	recipe->name = colon && !strncmp(event->name, "gmt_", 4) ? colon + 1 : event->name;
	recipe->fault = fault_source_of(event, source->tracing);
	if (recipe->fault.source == FAULTS_NONE ||
	    recipe->fault.source < fault_source_best(source->info, source->tracing))
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

void recipe_find(const struct recipe_source *source, const struct perfdata_event *event,
		 struct recipe *recipe)
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
	if (event->attr.type != PERF_TYPE_TRACEPOINT) {
		/* The dummy event is there for what is no sample. */
		if (event->attr.type != PERF_TYPE_SOFTWARE ||
		    event->attr.config != PERF_COUNT_SW_DUMMY)
			find_other(source, event, recipe);
		return;
	}
	if (!source->tracing ||
	    !tracing_data_event(source->tracing, event->attr.config, &system, &name)) {
		recipe->no_format = true;
		return;
	}
	if (is_plan_group(system))
		find_own_probe(recipe, source->tracing, event->attr.config, name);
	else if (!strcmp(system, "syscalls"))
		find_syscall(recipe, source->tracing, event->attr.config, name);
	if (recipe->kind == EVENT_OTHER && !is_plan_group(system))
		find_other(source, event, recipe);
	if (recipe->kind == EVENT_OTHER && strncmp(system, "gmt_", 4) && source->has_foreign &&
	    tracing_data_field(source->tracing, event->attr.config, "__probe_ip", &ip) &&
	    ip.size == sizeof(uint64_t)) {
		recipe->foreign = event;
		recipe->ip_offset = ip.offset;
	}
}
