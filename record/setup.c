#include "record/recording.h"

#include "formats/xalloc.h"
#include "record/extra_events.h"
#include "record/output.h"
#include "record/probes_pmu.h"
#include "record/tracing_data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTACH_TRIES 5

/*
 * The system calls that change what is mapped. Who maps memory is worth a call chain. Of madvise
 * only the advice counts that gives memory back, and its failure: Go's scavenger gives each piece
 * two advices, which makes it most of the events of many programs. DONTNEED, FREE, REMOVE, PAGEOUT,
 * DONTNEED_LOCKED: include/uapi/asm-generic/mman-common.h (linux 6.1).
 */
static const struct memory_call {
	const char *name;
	bool callchain;
	const char *enter_filter, *exit_filter;
} memory_calls[] = {
	{"mmap", true, NULL, NULL},
	{"munmap", true, NULL, NULL},
	{"mremap", true, NULL, NULL},
	{"clone", true, NULL, "ret < 0"},
	{"clone3", true, NULL, "ret < 0"},
	{"brk", false, NULL, NULL},
	{"madvise", false,
	 "behavior == 4 || behavior == 8 || behavior == 9 || behavior == 21 || behavior == 24",
	 "ret < 0"},
};

/* Fields of events, on top of call chains, that hold addresses of code. */
static const char *const address_fields[] = {"stk", "fn", "callerpc"};
#define N_ADDRESS_FIELDS (sizeof(address_fields) / sizeof(address_fields[0]))

/* Whoever switches the sampler on wants what it samples. */
static enum heap_mode wanted_heap(const struct record_options *options)
{
	return options->heap == HEAP_AUTO && options->set_rate ? HEAP_SAMPLED : options->heap;
}

/*
 * What is not Go has no heap to sample, and is recorded for its C allocations, or the events that
 * the user asked for, and nothing else; a Go program without C code for its heap alone.
 */
static struct error *setup_plan(struct recording *r, size_t i)
{
	const struct record_options *options = r->options;
	const struct native_options native_options = {
		.every = options->native_every,
		.min_size = options->min_size,
	};
	struct target *target = &r->targets[i];
	struct plan *plan = &r->plans[i];
	struct error *err = target_open_bin(target), *native_err = NULL;

	if (err && !options->native && !options->extra.n)
		return err;
	if (options->native)
		native_err = native_plan(target, &native_options, &r->natives[i]);
	if (err) {
		plan->heap = HEAP_OFF;
		plan->heap_reason = xstrdup(error_message(err));
		error_free(err);
		return native_err ? native_err : target_open_plain(target);
	}
	err = plan_make(target->bin,
			&(struct plan_options){
				.heap = wanted_heap(options),
				.goroutines = options->goroutines,
				.min_size = options->min_size,
				.native = r->natives[i] != NULL,
			},
			plan);
	if (native_err) {
		plan_add_loss(plan, xasprintf("--native: %s", error_message(native_err)));
		if (r->log)
			log_warn(r->log, "--native: %s", error_message(native_err));
		error_free(native_err);
	}
	return err;
}

struct error *setup_targets(struct recording *r, int *status)
{
	const struct record_options *options = r->options;

	r->n_targets = options->command ? 1 : options->n_pids;
	r->targets = xcalloc(r->n_targets, sizeof(*r->targets));
	r->plans = xcalloc(r->n_targets, sizeof(*r->plans));
	r->natives = xcalloc(r->n_targets, sizeof(struct native *));
	r->watches = xcalloc(r->n_targets, sizeof(struct watch *));
	r->biases = xcalloc(r->n_targets, sizeof(*r->biases));
	for (size_t i = 0; i < r->n_targets; i++)
		r->targets[i] = (struct target){.exe_fd = -1, .release_fd = -1, .exec_fd = -1};
	for (size_t i = 0; i < r->n_targets; i++) {
		struct target *target = &r->targets[i];

		if (options->command)
			TRY(target_find_command(options->command, target, status));
		else
			TRY(target_attach(options->pids[i], target));
		TRY(setup_plan(r, i));
	}
	return NULL;
}

struct error *setup_command(struct recording *r)
{
	struct target_surroundings surroundings = {.stdout_fd = -1, .stderr_fd = -1};
	char *godebug = NULL;
	struct error *err;

	/* What the command prints is no part of the trace: it goes where perf record sends it. */
	if (options_to_pipe(r->options))
		surroundings.stdout_fd = STDERR_FILENO;
	if (r->options->gctrace_file)
		TRY(output_append(r->options->gctrace_file, &r->gctrace_fd));
	if (r->options->gctrace) {
		TRY(stderr_tee_new(STDERR_FILENO, r->gctrace_fd, &r->tee));
		surroundings.stderr_fd = stderr_tee_child_fd(r->tee);
		surroundings.godebug = godebug = godebug_with_gctrace(getenv("GODEBUG"));
	}
	err = target_fork(&r->targets[0], r->options->command, &surroundings);
	free(godebug);
	return err;
}

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

/* One set of probes serves all processes that run the same file. */
static bool has_probes_already(const struct recording *r, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (same_file(r->targets[j].exe_fd, r->targets[i].exe_fd))
			return true;
	}
	return false;
}

/* The same for a library that several of them map. */
static bool has_native_probes_already(const struct recording *r, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (r->natives[j] && same_file(r->natives[j]->file.fd, r->natives[i]->file.fd))
			return true;
	}
	return false;
}

static void add_memory_calls(struct recording *r)
{
	size_t missing = 0;

	for (size_t i = 0; i < sizeof(memory_calls) / sizeof(memory_calls[0]); i++) {
		const struct memory_call *call = &memory_calls[i];
		char *enter = xasprintf("sys_enter_%s", call->name);
		char *leave = xasprintf("sys_exit_%s", call->name);
		bool found_enter, found_leave;

		probes_add_tracepoint(r->probes, "syscalls", enter, call->enter_filter,
				      call->callchain, &found_enter);
		/* Of C code the kernel's chain tells little. */
		if (found_enter && call->callchain && r->options->native)
			probes_want_user_stack(r->probes);
		probes_add_tracepoint(r->probes, "syscalls", leave, call->exit_filter, false,
				      &found_leave);
		missing += !found_enter || !found_leave;
		free(enter);
		free(leave);
	}
	if (missing)
		log_warn(r->log, "this kernel has no system call tracepoints "
				 "(CONFIG_FTRACE_SYSCALLS); mappings are left out");
}

/* The fields of an event that hold addresses of code, which the trace is to name. */
static void add_address_fields(struct recording *r, const struct trace_event *event)
{
	for (size_t i = 0; i < N_ADDRESS_FIELDS; i++) {
		struct symbols_array *array = &r->arrays[r->n_arrays];
		unsigned one;

		if (!probes_array_field(event, address_fields[i], &array->offset, &array->count))
			continue;
		if (i || !probes_array_field(event, "nstk", &array->used_at, &one))
			array->used_at = 0;
		array->event = xasprintf("%s:%s", event->system, event->name);
		r->n_arrays++;
	}
}

/* Whether anything that was asked for is nothing without a breakpoint. */
static bool needs_breakpoints(const struct recording *r)
{
	for (size_t i = 0; i < r->n_targets; i++) {
		if (r->natives[i] ||
		    (r->plans[i].heap != HEAP_COUNTERS && r->plans[i].heap != HEAP_OFF))
			return true;
	}
	return extra_specs_need_tracefs(&r->options->extra);
}

static struct error *install_probes(struct recording *r)
{
	for (size_t i = 0; i < r->n_targets; i++) {
		if (!probes_take_arrays())
			plan_drop_arrays(&r->plans[i]);
		if (!has_probes_already(r, i))
			TRY(probes_install(r->probes, &r->plans[i], r->targets[i].exe_ref,
					   r->options->every));
		if (r->natives[i] && !has_native_probes_already(r, i))
			TRY(probes_install(r->probes, &r->natives[i]->plan, r->natives[i]->ref, 1));
	}
	add_memory_calls(r);
	return extra_events_install(r->probes, &r->options->extra, r->log);
}

static void find_arrays(struct recording *r)
{
	const struct trace_event *events;
	size_t n;

	events = probes_events(r->probes, &n);
	r->arrays = xcalloc(n * N_ADDRESS_FIELDS, sizeof(*r->arrays));
	for (size_t i = 0; i < n; i++) {
		if (events[i].system && strcmp(events[i].system, "syscalls") != 0 &&
		    !events[i].is_extra)
			add_address_fields(r, &events[i]);
	}
}

/* What can be had where tracefs cannot: err says why. */
static struct error *do_without_tracefs(struct recording *r, struct error *err)
{
	uint32_t pmu;
	bool plain = !extra_specs_need_tracefs(&r->options->extra);

	for (size_t i = 0; i < r->n_targets; i++)
		plain = plain && !r->natives[i];
	if (!plain || (needs_breakpoints(r) && !probes_pmu_type(&pmu)))
		return err;
	/* Whoever may not write there may not have the other kind either. */
	if (needs_breakpoints(r) && (error_errnum(err) == EACCES || error_errnum(err) == EPERM))
		return err;
	r->probes = probes_none();
	if (!needs_breakpoints(r)) {
		log_warn(r->log, "%s: GC cycles and mappings are left out", error_message(err));
		error_free(err);
		return extra_events_install(r->probes, &r->options->extra, r->log);
	}
	log_warn(r->log,
		 "%s: breakpoints by perf's own means instead, which tell less (system calls, "
		 "goroutines and the collector's figures are left out) and are hit by every "
		 "process that runs the same file",
		 error_message(err));
	error_free(err);
	for (size_t i = 0; i < r->n_targets; i++) {
		const struct gobin *bin = r->targets[i].bin;

		if (bin && !has_probes_already(r, i))
			probes_pmu_install(r->probes, pmu, &r->plans[i], arch_get(gobin_arch(bin)),
					   r->targets[i].exe_ref, r->options->every);
	}
	return extra_events_install(r->probes, &r->options->extra, r->log);
}

struct error *setup_events(struct recording *r)
{
	size_t removed = 0;
	struct error *err = probes_open(&r->probes, &removed);

	if (err)
		return do_without_tracefs(r, err);
	if (removed)
		log_info(r->log,
			 "removed %zu events that a recorder which died had left in tracefs",
			 removed);
	TRY(install_probes(r));
	find_arrays(r);
	return NULL;
}

static pid_t *all_threads(const struct recording *r, size_t *n)
{
	pid_t *all = NULL;
	size_t cap = 0;

	*n = 0;
	for (size_t i = 0; i < r->n_targets; i++) {
		size_t count;
		pid_t *tids = target_threads(r->targets[i].pid, &count);

		xgrow(all, cap, *n + count);
		if (count)
			memcpy(all + *n, tids, count * sizeof(*tids));
		*n += count;
		free(tids);
	}
	return all;
}

static bool same_threads(const pid_t *a, size_t n_a, const pid_t *b, size_t n_b)
{
	return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a * sizeof(*a)) == 0);
}

/*
 * Opens the events on all threads. A thread that one not yet opened created in the meantime would
 * be missed, so the list must be the same before and after; a thread that ended makes it start
 * over.
 */
struct error *setup_session(struct recording *r)
{
	struct session_options options = {
		.enable_on_exec = r->options->command != NULL,
		.ring_pages = r->options->ring_pages,
	};
	struct error *err = NULL;

	options.events = probes_events(r->probes, &options.n_events);
	for (int i = 0; i < ATTACH_TRIES; i++) {
		size_t n_before, n_after;
		pid_t *before = all_threads(r, &n_before), *after;
		bool gone = false, settled;

		if (!n_before) {
			free(before);
			return error_remedy(
				error_new("the process ended before it could be recorded"),
				"start it through record: `record -- COMMAND`");
		}
		options.threads = before;
		options.n_threads = n_before;
		err = session_open(&options, &r->session, &gone);
		after = all_threads(r, &n_after);
		settled = !err && same_threads(before, n_before, after, n_after);
		free(before);
		free(after);
		if (settled || (err && !gone))
			return err;
		if (i == ATTACH_TRIES - 1)
			break;
		error_free(err);
		err = NULL;
		session_close(r->session);
		r->session = NULL;
	}
	if (!err)
		log_warn(r->log,
			 "threads come and go faster than they can be opened; some that were "
			 "born during the attach may be missing");
	return err;
}

void setup_spans(struct recording *r)
{
	const struct trace_event *events;
	bool wanted = false;
	size_t n;

	for (size_t i = 0; i < r->n_targets; i++)
		wanted |= r->plans[i].heap == HEAP_SPAN;
	events = probes_events(r->probes, &n);
	if (wanted)
		r->spans = span_events_new(events, n);
	if (r->spans)
		span_events_attach(r->spans, r->session);
}

/* One of each condition for each target. */
static void watch_conditions(struct recording *r)
{
	size_t n = r->options->n_conditions;

	r->conditions = xcalloc(r->n_targets * n + 1, sizeof(struct snapshot_watch *));
	for (size_t i = 0; i < r->n_targets * n; i++)
		r->conditions[i] = snapshot_watch_new(&r->options->conditions[i % n]);
}

static bool has_tracefs_events(const struct trace_event *events, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (events[i].system)
			return true;
	}
	return false;
}

struct error *setup_writer(struct recording *r)
{
	const struct record_options *options = r->options;
	const struct trace_event *events;
	size_t n;

	events = probes_events(r->probes, &n);
	if (has_tracefs_events(events, n))
		TRY(error_context(tracing_data_collect(events, n, &r->tracing_data), "%s",
				  options->output));
	if (options_numbered(options)) {
		r->first_number = output_next_number(options->output);
		r->written.number = r->first_number - 1;
	}
	if (!options->snapshot) {
		r->names = names_new(r->targets, r->biases, r->n_targets);
		return files_open(r);
	}
	watch_conditions(r);
	return flight_new(
		&(struct flight_options){
			.window = options->snapshot_window,
			.bytes = options->snapshot_memory,
			.compression_level = options->compression_level,
		},
		&r->flight);
}
