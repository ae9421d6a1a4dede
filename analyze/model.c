#include "analyze/model.h"

#include "analyze/clocks.h"
#include "analyze/program.h"
#include "analyze/snapshots.h"
#include "formats/goroutineprofile.h"
#include "formats/gotrace.h"
#include "formats/heapprofile.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

static const struct symtab_frame unknown_frame = {.function = "[unknown]", .file = ""};

void model_init(struct model *model)
{
	memset(model, 0, sizeof(*model));
}

static void free_sites(struct model *model)
{
	for (size_t i = 0; i < model->n_sites; i++) {
		free(model->sites[i].born);
		free(model->sites[i].died);
		free(model->sites[i].died_unseen);
		free(model->sites[i].alive);
		free(model->sites[i].generations);
		free(model->sites[i].waits_for);
	}
	free(model->sites);
	for (size_t i = 0; i < model->n_stacks; i++)
		free(model->stacks[i].pcs);
	free(model->stacks);
}

static void free_dumps(struct model *model)
{
	for (size_t i = 0; i < model->n_dumps; i++) {
		struct heap_dump *dump = &model->dumps[i];

		for (size_t row = 0; row < dump->n_rows; row++)
			free(dump->rows[row].name);
		free(dump->rows);
		heap_profile_free(dump->profile);
		free(dump->path);
		free(dump->problem);
	}
	free(model->dumps);
}

static void free_goroutine_dumps(struct model *model)
{
	for (size_t i = 0; i < model->n_goroutine_dumps; i++) {
		goroutine_profile_free(model->goroutine_dumps[i].profile);
		free(model->goroutine_dumps[i].path);
	}
	free(model->goroutine_dumps);
}

static void free_executions(struct model *model)
{
	for (size_t i = 0; i < model->n_executions; i++) {
		struct execution *execution = &model->executions[i];

		if (execution->content)
			gotrace_free(execution->content);
		free(execution->content);
		free(execution->path);
		free(execution->note);
		free(execution->problem);
	}
	free(model->executions);
}

static void free_alignments(struct model *model)
{
	for (size_t i = 0; i < model->n_alignments; i++) {
		free(model->alignments[i].path);
		free(model->alignments[i].method);
		free(model->alignments[i].problem);
		free(model->alignments[i].note);
	}
	free(model->alignments);
	free(model->gctrace);
}

void model_free(struct model *model)
{
	free(model->trace_path);
	free(model->hostname);
	free(model->osrelease);
	free(model->arch);
	free(model->cmdline);
	free(model->damage);
	free(model->clocks);
	for (size_t i = 0; i < model->n_processes; i++) {
		free(model->processes[i].exe);
		free(model->processes[i].go_version);
		free(model->processes[i].build_id);
		free(model->processes[i].limits.control);
		free(model->processes[i].epochs);
		free(model->processes[i].slices);
	}
	free(model->processes);
	free_sites(model);
	free(model->cycles);
	free(model->rss);
	free(model->shares);
	for (size_t i = 0; i < model->n_faults; i++)
		free(model->faults[i].slots);
	free(model->faults);
	free(model->fault_sites);
	for (size_t i = 0; i < model->n_others; i++)
		free(model->others[i].name);
	free(model->others);
	free(model->maps);
	free(model->checks);
	for (size_t i = 0; i < model->n_texts; i++)
		free(model->texts[i]);
	free(model->texts);
	for (size_t i = 0; i < model->n_gctrace_texts; i++)
		buffer_free(&model->gctrace_texts[i].text);
	free(model->gctrace_texts);
	symtab_free(model->symbols);
	snapshots_free(model->snapshots);
	free_alignments(model);
	free_dumps(model);
	free_executions(model);
	free_goroutine_dumps(model);
	for (size_t i = 0; i < model->n_candidates; i++) {
		free(model->candidates[i].evidence);
		free(model->candidates[i].advice);
	}
	free(model->candidates);
	model_init(model);
}

static const struct stack *site_stack(const struct model *model, const struct site *site)
{
	return site->stack < model->n_stacks ? &model->stacks[site->stack] : NULL;
}

uint32_t model_stack_length(const struct model *model, const struct site *site)
{
	return site->stack < model->n_stacks ? model->stacks[site->stack].n : 0;
}

const struct symtab_frame *model_frame(const struct model *model, const struct site *site,
				       uint32_t i)
{
	const struct stack *stack = site_stack(model, site);
	const struct symtab_frame *frames;
	size_t n = 0;

	if (!stack || i >= stack->n || site->process >= model->n_processes || !model->symbols)
		return &unknown_frame;
	frames =
		symtab_find(model->symbols, model->processes[site->process].pid, stack->pcs[i], &n);
	return frames && n ? &frames[0] : &unknown_frame;
}

const struct symtab_frame *model_frames(const struct model *model, const struct site *site,
					uint32_t i, size_t *n)
{
	const struct symtab_frame *first = model_frame(model, site, i);

	*n = 1;
	if ((site->kind != SITE_HEAP || site->call_chain) && first != &unknown_frame)
		symtab_find(model->symbols, model->processes[site->process].pid,
			    site_stack(model, site)->pcs[i], n);
	return first;
}

const struct symtab_frame *model_started(const struct model *model, const struct site *site)
{
	const struct symtab_frame *frames;
	size_t n = 0;

	if (!site->starts || !model->symbols || site->process >= model->n_processes)
		return NULL;
	frames = symtab_find(model->symbols, model->processes[site->process].pid, site->starts, &n);
	return n ? frames : NULL;
}

/* The prefixes that pprof hides at a stack's inner end (runtime/pprof/protomem.go). */
static bool is_runtime(const char *function)
{
	return !strncmp(function, "runtime.", strlen("runtime.")) ||
	       !strncmp(function, "internal/runtime/", strlen("internal/runtime/")) ||
	       !strncmp(function, "runtime/internal/", strlen("runtime/internal/"));
}

/* Functions of the runtime may have the names of other packages (internal/bytealg.MakeNoZero,
 * reflect.unsafe_New), by //go:linkname; their files are the runtime's. */
static bool is_of_runtime(const struct symtab_frame *frame)
{
	static const char directory[] = "runtime/";
	const char *base = strrchr(frame->file, '/');
	size_t length = strlen(directory), before;

	if (is_runtime(frame->function))
		return true;
	before = base ? (size_t)(base + 1 - frame->file) : 0;
	return before >= length && !memcmp(base + 1 - length, directory, length) &&
	       (before == length || base[-(ptrdiff_t)length] == '/') &&
	       !is_of_program(frame->function);
}

/* Who maps memory is not the package that has the system call. */
static bool is_system_call(const struct site *site, const char *function)
{
	static const char *const prefixes[] = {"syscall.", "golang.org/x/sys/unix.", "mmap",
					       "__mmap"};

	for (size_t i = 0; site->kind == SITE_MAPPING && i < 4; i++)
		if (!strncmp(function, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

static bool begins_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/*
 * What stands between malloc and whoever wanted the memory: the C library's own functions (strdup),
 * C++'s operator new, and what cgo puts between Go and C.
 */
static bool is_native_go_between(const struct symtab_frame *frame)
{
	static const char *const libraries[] = {"libc.so", "libc-", "libc.musl", "ld-linux",
						"ld-musl", "ld-2",  "libstdc++", "libc++"};
	static const char *const functions[] = {"_Znw", "_Zna", "operator new", "_cgo_"};
	const char *base = strrchr(frame->file, '/');

	base = base ? base + 1 : frame->file;
	for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++)
		if (begins_with(base, libraries[i]))
			return true;
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		if (begins_with(frame->function, functions[i]))
			return true;
	return strstr(frame->function, "._Cfunc_") || strstr(frame->function, "._cgo_");
}

const struct symtab_frame *model_site_frame(const struct model *model, const struct site *site)
{
	const struct stack *stack = site_stack(model, site);
	const struct symtab_frame *nameless = NULL;

	for (uint32_t i = 0; stack && i < stack->n; i++) {
		size_t n;
		const struct symtab_frame *frames = model_frames(model, site, i, &n);

		for (size_t k = 0; k < n; k++) {
			if (is_of_runtime(&frames[k]) || is_system_call(site, frames[k].function) ||
			    (site->kind == SITE_NATIVE && is_native_go_between(&frames[k])))
				continue;
			/* A frame with a name says more than an inner one without. */
			if (frames != &unknown_frame)
				return &frames[k];
			nameless = frames;
		}
	}
	return nameless ? nameless : model_frame(model, site, 0);
}

const struct symtab_frame *model_fault_frame(const struct model *model,
					     const struct fault_site *site)
{
	return model_site_frame(model,
				&(struct site){.process = site->process, .stack = site->stack});
}

const char *verdict_name(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_LEAK:
		return "leak";
	case VERDICT_LIKELY_LEAK:
		return "likely leak";
	case VERDICT_GROWING:
		return "growing";
	case VERDICT_CACHE:
		return "cache";
	case VERDICT_RAMP_UP:
		return "ramp-up";
	case VERDICT_BURST:
		return "burst";
	case VERDICT_STEADY:
		return "steady";
	case VERDICT_TOO_LITTLE:
		return "too little evidence";
	}
	return "unknown";
}

const char *site_kind_name(enum site_kind kind)
{
	static const char *const names[SITE_KINDS] = {
		[SITE_HEAP] = "go-heap",  [SITE_GOROUTINE] = "goroutine",
		[SITE_NATIVE] = "native", [SITE_MAPPING] = "mapping",
		[SITE_THREAD] = "thread",
	};

	return kind < SITE_KINDS ? names[kind] : "unknown";
}

const char *site_kind_unit(enum site_kind kind)
{
	static const char *const units[SITE_KINDS] = {
		[SITE_HEAP] = "objects",       [SITE_GOROUTINE] = "goroutines",
		[SITE_NATIVE] = "allocations", [SITE_MAPPING] = "mappings",
		[SITE_THREAD] = "threads",
	};

	return kind < SITE_KINDS ? units[kind] : "unknown";
}

const struct epoch *model_site_epochs(const struct model *model, const struct site *site, size_t *n)
{
	const struct process *process = &model->processes[site->process];

	*n = site->kind == SITE_HEAP ? process->n_epochs : process->n_slices;
	return site->kind == SITE_HEAP ? process->epochs : process->slices;
}

const char *verdict_id(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_LIKELY_LEAK:
		return "likely-leak";
	case VERDICT_TOO_LITTLE:
		return "too-little-evidence";
	default:
		return verdict_name(verdict);
	}
}

bool verdict_is_leak(enum verdict verdict)
{
	return verdict == VERDICT_LEAK || verdict == VERDICT_LIKELY_LEAK;
}

bool model_was_recorded(const struct model *model, uint32_t process, enum site_kind kind)
{
	for (size_t i = 0; i < model->n_sites; i++) {
		const struct site *site = &model->sites[i];

		if (site->process == process && site->kind == kind &&
		    (site->births || site->unmatched_deaths || site->older_live))
			return true;
	}
	return false;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* base + (to - from), 0 where that leaves the range of a time. */
static uint64_t shifted(uint64_t base, uint64_t from, uint64_t to)
{
	uint64_t result;

	if (to < from)
		return from - to < base ? base - (from - to) : 0;
	return __builtin_add_overflow(base, to - from, &result) ? 0 : result;
}

uint64_t model_wall_time(const struct model *model, uint64_t time)
{
	const struct clock_pair *best = NULL;

	for (size_t i = 0; i < model->n_clocks; i++) {
		const struct clock_pair *pair = &model->clocks[i];

		if (!best || distance(pair->monotonic, time) < distance(best->monotonic, time))
			best = pair;
	}
	return best ? shifted(best->realtime, best->monotonic, time) : 0;
}

uint64_t model_trace_time(const struct model *model, uint64_t wall)
{
	uint64_t times[CLOCKS_MAX_TIMES];

	return clocks_trace_times(model, wall, times) ? times[0] : 0;
}
