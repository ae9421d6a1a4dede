#include "record/extra_events.h"

#include "common/decode.h"
#include "common/elf_file.h"
#include "common/gobin.h"
#include "formats/xalloc.h"

#include <elf.h>
#include <errno.h>
#include <fnmatch.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <tracefs/tracefs.h>

/* Each takes a descriptor for every thread and CPU. */
#define MOST_MATCHES 64

/* ---- Places in files -------------------------------------------------------------------- */

/* "SYMBOL+0x10" in its parts; the symbol is to be freed. False: what is behind it is no number. */
static bool split_place(const char *place, char **symbol, uint64_t *offset)
{
	const char *plus = strrchr(place, '+');
	char *end;

	*offset = 0;
	*symbol = plus ? xstrndup(place, (size_t)(plus - place)) : xstrdup(place);
	if (!plus)
		return true;
	errno = 0;
	*offset = strtoull(plus + 1, &end, 0);
	return end != plus + 1 && !*end && plus[1] != '-' && !errno;
}

static struct error *no_function(const struct extra_spec *spec, const char *symbol)
{
	return error_remedy(
		error_new("event '%s': %s has no function %s", spec->text, spec->path, symbol),
		"names are as in the binary (main.(*T).Method): see `nm %s`; or give "
		"a place in the file: PATH:0xOFFSET",
		spec->path);
}

/* A breakpoint inside an instruction would change it into another one. */
static struct error *check_boundary(const struct extra_spec *spec, const struct gobin *bin,
				    const struct gobin_function *fn, uint64_t address)
{
	struct code code = {0};
	struct error *err = code_decode(bin, fn, &code);

	if (!err && code_index(&code, address) < 0)
		err = error_remedy(error_new("event '%s': no instruction of %s begins there",
					     spec->text, fn->name),
				   "`go tool objdump -s '%s' %s` shows where they begin", fn->name,
				   spec->path);
	code_free(&code);
	return err;
}

static struct error *go_offset(const struct extra_spec *spec, const struct gobin *bin,
			       const char *symbol, uint64_t delta, uint64_t *offset)
{
	struct gobin_function fn;

	if (spec->is_return)
		return error_remedy(
			error_new("event '%s': a return probe changes the return address on the "
				  "stack, and Go's stack walker ends the program when it meets it",
				  spec->text),
			"probe the return instructions: uprobe:PATH:SYMBOL+OFF, with the offsets "
			"that `go tool objdump` shows");
	if (!gobin_function(bin, symbol, &fn))
		return no_function(spec, symbol);
	if (delta >= fn.size)
		return error_remedy(error_new("event '%s': %s is %lu bytes long", spec->text,
					      symbol, (unsigned long)fn.size),
				    "give a smaller offset");
	if (delta)
		TRY(check_boundary(spec, bin, &fn, fn.address + delta));
	if (!gobin_file_offset(bin, fn.address + delta, offset))
		return no_function(spec, symbol);
	return NULL;
}

static bool find_symbol(const struct elf_symbols *table, const char *name, uint64_t *address)
{
	for (size_t i = 0; i < table->count; i++) {
		struct elf_symbol symbol = elf_symbols_nth(table, i);

		if (symbol.defined && symbol.type == STT_FUNC && !strcmp(symbol.name, name)) {
			*address = symbol.address;
			return true;
		}
	}
	return false;
}

static struct error *elf_offset(const struct extra_spec *spec, const char *symbol, uint64_t delta,
				uint64_t *offset)
{
	const struct elf_segment *segment;
	struct elf_file *file;
	struct error *err = elf_file_open(spec->path, &file);
	uint64_t address = 0;

	if (err)
		return error_remedy(error_context(err, "event '%s'", spec->text),
				    "give the path of a program or library");
	if (!find_symbol(&file->symtab, symbol, &address) &&
	    !find_symbol(&file->dynsym, symbol, &address))
		err = no_function(spec, symbol);
	segment = err ? NULL : elf_file_segment(file, address);
	if (!err && !segment)
		err = no_function(spec, symbol);
	if (segment)
		*offset = address - segment->address + segment->offset + delta;
	elf_file_close(file);
	return err;
}

struct error *extra_events_file_offset(const struct extra_spec *spec, uint64_t *offset)
{
	struct gobin *bin = NULL;
	struct error *err, *not_go;
	uint64_t delta;
	char *symbol, *end;

	if (!split_place(spec->place, &symbol, &delta)) {
		free(symbol);
		return error_remedy(
			error_new("event '%s': what follows the + is no number", spec->text),
			"an offset is 16 or 0x10");
	}
	not_go = gobin_open(spec->path, &bin);
	errno = 0;
	*offset = strtoull(symbol, &end, 0) + delta;
	if (end != symbol && !*end && !errno && !(bin && spec->is_return))
		err = NULL;
	else if (not_go)
		err = elf_offset(spec, symbol, delta, offset);
	else
		err = go_offset(spec, bin, symbol, delta, offset);
	error_free(not_go);
	gobin_close(bin);
	free(symbol);
	return err;
}

/* ---- Probes ----------------------------------------------------------------------------- */

static bool name_is_taken(const struct probes *probes, const char *name)
{
	size_t n;
	const struct trace_event *events = probes_events(probes, &n);

	for (size_t i = 0; i < n; i++)
		if (events[i].system && !strcmp(events[i].system, probes_extra_group(probes)) &&
		    !strcmp(events[i].name, name))
			return true;
	return false;
}

/* Several probes may be of one function. To be freed. */
static char *free_name(const struct probes *probes, const char *wanted)
{
	char *name = xstrdup(wanted);

	for (unsigned i = 1; name_is_taken(probes, name); i++) {
		free(name);
		name = xasprintf("%s_%u", wanted, i);
	}
	return name;
}

static struct error *no_kprobes(const struct extra_spec *spec)
{
	return error_remedy(error_new("event '%s': this kernel has no kprobes "
				      "(CONFIG_KPROBE_EVENTS)",
				      spec->text),
			    "--faults records page faults without them; -e SYSTEM:NAME takes a "
			    "tracepoint; else boot a kernel that has them");
}

static struct error *allocate(const struct probes *probes, const struct extra_spec *spec,
			      const char *name, struct tracefs_dynevent **dynevent)
{
	const char *group = probes_extra_group(probes);
	uint64_t offset;

	if (spec->kind == EXTRA_KPROBE) {
		if (!tracefs_file_exists(NULL, "kprobe_events"))
			return no_kprobes(spec);
		*dynevent =
			spec->is_return
				? tracefs_kretprobe_alloc(group, name, spec->place, spec->args, 0)
				: tracefs_kprobe_alloc(group, name, spec->place, spec->args);
		return NULL;
	}
	TRY(extra_events_file_offset(spec, &offset));
	*dynevent = spec->is_return
			    ? tracefs_uretprobe_alloc(group, name, spec->path, offset, spec->args)
			    : tracefs_uprobe_alloc(group, name, spec->path, offset, spec->args);
	return NULL;
}

static struct error *install_probe(struct probes *probes, const struct extra_spec *spec)
{
	struct tracefs_dynevent *dynevent = NULL;
	char *name = free_name(probes, spec->name);
	char *what = xasprintf("event '%s'", spec->text);
	struct error *err = allocate(probes, spec, name, &dynevent);
	struct trace_event *event = NULL;

	if (!err)
		err = error_remedy(probes_create(probes, dynevent, probes_extra_group(probes), name,
						 what, &event),
				   "the function and the arguments are as in the kernel's "
				   "Documentation/trace/%s",
				   spec->kind == EXTRA_KPROBE ? "kprobetrace.rst; "
								"/proc/kallsyms has its functions"
							      : "uprobetracer.rst");
	if (event)
		event->callchain = event->is_extra = true;
	free(what);
	free(name);
	return err;
}

/* ---- Tracepoints ------------------------------------------------------------------------ */

/* Whether all of its hits are recorded already. */
static bool is_there(const struct probes *probes, uint64_t id)
{
	size_t n;
	const struct trace_event *events = probes_events(probes, &n);

	for (size_t i = 0; i < n; i++)
		if (events[i].type == PERF_TYPE_TRACEPOINT && events[i].id == id &&
		    !events[i].filter)
			return true;
	return false;
}

static struct error *add_tracepoint(struct probes *probes, const struct extra_spec *spec,
				    const char *system, const char *name, const struct log *log)
{
	struct trace_event *event;
	uint64_t id;

	if (!probes_event_id(system, name, &id))
		return NULL;
	if (is_there(probes, id)) {
		log_info(log, "%s:%s is recorded in any case", system, name);
		return NULL;
	}
	event = probes_append(probes, system, name, PERF_TYPE_TRACEPOINT, id);
	event->filter = spec->filter;
	event->callchain = event->is_extra = true;
	return NULL;
}

static struct error *add_matching(struct probes *probes, const struct extra_spec *spec,
				  const char *system, const struct log *log, size_t *n)
{
	char **names = tracefs_system_events(NULL, system);
	struct error *err = NULL;

	for (size_t i = 0; names && names[i] && !err; i++) {
		if (fnmatch(spec->name, names[i], 0) != 0)
			continue;
		if (++*n > MOST_MATCHES)
			err = error_remedy(error_new("event '%s' is more than %d tracepoints",
						     spec->text, MOST_MATCHES),
					   "give a narrower pattern");
		else
			err = add_tracepoint(probes, spec, system, names[i], log);
	}
	tracefs_list_free(names);
	return err;
}

static struct error *install_tracepoints(struct probes *probes, const struct extra_spec *spec,
					 const struct log *log)
{
	char **systems = tracefs_event_systems(NULL);
	struct error *err = NULL;
	bool found_system = false;
	size_t n = 0;

	for (size_t i = 0; systems && systems[i] && !err; i++) {
		/* What belongs to recorders, this one and others, is not to be had. */
		if (fnmatch(spec->system, systems[i], 0) != 0 ||
		    !strncmp(systems[i], PROBE_GROUP_PREFIX, strlen(PROBE_GROUP_PREFIX)))
			continue;
		found_system = true;
		err = add_matching(probes, spec, systems[i], log, &n);
	}
	tracefs_list_free(systems);
	if (!err && !n)
		err = error_remedy(
			error_new("event '%s': this kernel has no %s", spec->text,
				  found_system ? "tracepoint of that name" : "such system"),
			"%s/events/%s lists what there is", tracefs_tracing_dir(),
			found_system && !strpbrk(spec->system, "*?[") ? spec->system : "");
	return err;
}

/* ---- All -------------------------------------------------------------------------------- */

static void install_own(struct probes *probes, const struct extra_spec *spec)
{
	struct trace_event *event;
	size_t n;
	const struct trace_event *events = probes_events(probes, &n);

	for (size_t i = 0; i < n; i++)
		if (events[i].type == spec->type && events[i].id == spec->config &&
		    events[i].period == spec->period && events[i].is_freq == spec->is_freq &&
		    events[i].exclude_user == spec->exclude_user &&
		    events[i].exclude_kernel == spec->exclude_kernel)
			return;
	event = probes_append(probes, NULL, spec->name, spec->type, spec->config);
	event->period = spec->period;
	event->is_freq = spec->is_freq;
	event->has_address = spec->has_address;
	event->exclude_user = spec->exclude_user;
	event->exclude_kernel = spec->exclude_kernel;
	event->callchain = event->is_extra = true;
}

struct error *extra_events_install(struct probes *probes, const struct extra_specs *specs,
				   const struct log *log)
{
	for (size_t i = 0; i < specs->n; i++) {
		const struct extra_spec *spec = &specs->items[i];

		switch (spec->kind) {
		case EXTRA_PERF:
			install_own(probes, spec);
			break;
		case EXTRA_TRACEPOINT:
			TRY(install_tracepoints(probes, spec, log));
			break;
		case EXTRA_KPROBE:
		case EXTRA_UPROBE:
			TRY(install_probe(probes, spec));
			break;
		}
	}
	return NULL;
}
