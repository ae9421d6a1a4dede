#include "record/recorder.h"

#include "formats/note.h"
#include "formats/xalloc.h"
#include "record/check.h"
#include "record/list.h"
#include "record/output.h"
#include "record/privilege.h"
#include "record/probes.h"
#include "record/rate.h"
#include "record/session.h"
#include "record/symbols.h"
#include "record/synth.h"
#include "record/target.h"
#include "record/tracing_data.h"
#include "record/watch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_NS		1000000000ull /* flush and cheap readings: what a crash can cost */
#define TABLE_NS	5000000000ull /* between readings of the bucket table */
#define ATTACH_TRIES	5
#define FAMILY_OF_CALLS 5

/* One recording: what is recorded, through what, into what. */
struct recording {
	const struct record_options *options;
	const struct log *log;
	struct target *targets;
	struct plan *plans; /* by target */
	struct watch **watches;
	uint64_t *biases;
	size_t n_targets;
	struct probes *probes;
	struct session *session;
	struct perfdata_writer *writer;
	struct symbols_array *arrays; /* the stk fields of the births */
	size_t n_arrays;
	int out_fd, signal_fd;
	char *journal; /* of --set-rate */
	uint64_t started, deadline;
	bool stop;  /* asked for by signal, time or a full disk */
	bool ended; /* every target has ended */
	bool child_ended;
	int child_status;      /* as waitpid has it */
	struct error *failure; /* the first write that failed */
};

/* ---- Before the recording ---------------------------------------------------------------- */

/* Whoever switches the sampler on wants what it samples. */
static enum heap_mode wanted_heap(const struct record_options *options)
{
	return options->heap == HEAP_AUTO && options->set_rate ? HEAP_SAMPLED : options->heap;
}

static struct error *find_targets(struct recording *r, int *status)
{
	const struct record_options *options = r->options;

	r->n_targets = options->command ? 1 : options->n_pids;
	r->targets = xcalloc(r->n_targets, sizeof(*r->targets));
	r->plans = xcalloc(r->n_targets, sizeof(*r->plans));
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
		TRY(target_open_bin(target));
		TRY(plan_make(target->bin,
			      &(struct plan_options){
				      .heap = wanted_heap(options),
				      .min_size = options->min_size,
			      },
			      &r->plans[i]));
	}
	return NULL;
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

static void add_memory_calls(struct recording *r)
{
	static const char *const calls[FAMILY_OF_CALLS] = {"mmap", "munmap", "mremap", "brk",
							   "madvise"};
	size_t missing = 0;

	for (size_t i = 0; i < FAMILY_OF_CALLS; i++) {
		char *enter = xasprintf("sys_enter_%s", calls[i]);
		char *leave = xasprintf("sys_exit_%s", calls[i]);
		bool found_enter, found_leave;

		/* Who maps memory is worth a call chain; who advises is not. */
		probes_add_tracepoint(r->probes, "syscalls", enter, i < 3, &found_enter);
		probes_add_tracepoint(r->probes, "syscalls", leave, false, &found_leave);
		missing += !found_enter || !found_leave;
		free(enter);
		free(leave);
	}
	if (missing)
		log_warn(r->log, "this kernel has no system call tracepoints "
				 "(CONFIG_FTRACE_SYSCALLS); mappings are left out");
}

static struct error *install_events(struct recording *r)
{
	const struct trace_event *events;
	size_t removed, n;

	TRY(probes_open(&r->probes, &removed));
	if (removed)
		log_info(r->log,
			 "removed %zu events that a recorder which died had left in tracefs",
			 removed);
	for (size_t i = 0; i < r->n_targets; i++) {
		if (!probes_take_arrays())
			plan_drop_arrays(&r->plans[i]);
		if (!has_probes_already(r, i))
			TRY(probes_install(r->probes, &r->plans[i], r->targets[i].exe_ref,
					   r->options->every));
	}
	add_memory_calls(r);
	events = probes_events(r->probes, &n);
	r->arrays = xcalloc(n, sizeof(*r->arrays));
	for (size_t i = 0; i < n; i++) {
		struct symbols_array *array = &r->arrays[r->n_arrays];

		if (strcmp(events[i].system, "syscalls") != 0 &&
		    probes_array_field(&events[i], "stk", &array->offset, &array->count)) {
			array->event = xasprintf("%s:%s", events[i].system, events[i].name);
			r->n_arrays++;
		}
	}
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
static struct error *open_session(struct recording *r)
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

static struct error *open_writer(struct recording *r)
{
	struct buffer tracing_data = {0};
	struct perfdata_writer_options options = {
		.compression_level = r->options->compression_level,
		.version = GMT_VERSION,
		.cmdline = r->options->argv,
	};
	const struct trace_event *events;
	struct error *err;
	size_t n;

	events = probes_events(r->probes, &n);
	err = tracing_data_collect(events, n, &tracing_data);
	if (!err)
		err = output_create(r->options->output, &r->out_fd);
	if (!err) {
		options.fd = r->out_fd;
		options.events = session_events(r->session, &options.n_events);
		options.tracing_data = tracing_data.data;
		options.tracing_data_len = tracing_data.len;
		err = perfdata_writer_new(&options, &r->writer);
	}
	buffer_free(&tracing_data);
	return error_context(err, "%s", r->options->output);
}

/* ---- Writing ------------------------------------------------------------------------------- */

/* Keeps the first failure and asks for the end. */
static void write_failed(struct recording *r, struct error *err)
{
	if (!err)
		return;
	r->stop = true;
	if (r->failure)
		error_free(err);
	else
		r->failure = error_remedy(error_context(err, "%s", r->options->output),
					  "free some space or record elsewhere with -o; what was "
					  "written up to the last second is complete");
}

static void write_note(void *context, uint32_t pid, uint64_t time, const struct buffer *payload)
{
	struct recording *r = context;
	struct buffer record = {0};

	session_note(r->session, pid, time, payload->data, payload->len, &record);
	if (!r->failure)
		write_failed(r, perfdata_write(r->writer, record.data, record.len));
	buffer_free(&record);
}

static void write_clock(struct recording *r)
{
	struct buffer payload = {0};

	watch_clock_note(&payload);
	write_note(r, 0, watch_now(), &payload);
	buffer_free(&payload);
}

static void write_text(struct recording *r, uint32_t pid, char *text)
{
	struct buffer payload = {0};

	note_put_text(&payload, &(struct note_text){.pid = pid, .text = text});
	write_note(r, pid, watch_now(), &payload);
	buffer_free(&payload);
	free(text);
}

/* What was installed and what could not be, so that the trace explains itself. */
static void write_plan(struct recording *r, size_t i)
{
	const struct plan *plan = &r->plans[i];
	uint32_t pid = (uint32_t)r->targets[i].pid;

	write_text(r, pid, xasprintf("heap: %s", plan->heap_reason));
	for (size_t k = 0; k < plan->n_probes; k++) {
		const struct probe *probe = &plan->probes[k];

		write_text(r, pid,
			   xasprintf("probe plan: %s at %s, file offset 0x%lx, `%s`: %s",
				     probe->event, probe->symbol, probe->file_offset,
				     probe->instruction, probe->reason));
		if (probe->loss)
			write_text(r, pid, xasprintf("loss: %s: %s", probe->event, probe->loss));
	}
	for (size_t k = 0; k < plan->n_losses; k++)
		write_text(r, pid, xasprintf("loss: %s", plan->losses[k]));
}

/* Everything in the rings goes to the file, as one round. */
static void drain(struct recording *r)
{
	if (r->failure)
		return;
	write_failed(r, session_drain(r->session, r->writer));
	if (!r->failure)
		write_failed(r, perfdata_write_round(r->writer));
}

static void flush(struct recording *r)
{
	const struct session_counts *counts = session_counts(r->session);

	if (r->failure)
		return;
	perfdata_writer_times(r->writer, counts->first_time, counts->last_time);
	write_failed(r, perfdata_writer_flush(r->writer));
}

/* ---- While it runs ------------------------------------------------------------------------- */

static void watch_targets(struct recording *r)
{
	for (size_t i = 0; i < r->n_targets; i++) {
		r->watches[i] = watch_new(&r->targets[i], r->log, write_note, r);
		if (r->options->set_rate)
			watch_set_rate(r->watches[i], r->options->set_rate, r->journal);
		target_load_bias(&r->targets[i], &r->biases[i]);
	}
}

static void read_targets(struct recording *r, bool tables, bool final)
{
	for (size_t i = 0; i < r->n_targets; i++) {
		watch_tick(r->watches[i]);
		if (tables)
			watch_table(r->watches[i], final);
	}
}

static void reap_child(struct recording *r)
{
	if (r->options->command && !r->child_ended &&
	    waitpid(r->targets[0].pid, &r->child_status, WNOHANG) == r->targets[0].pid)
		r->child_ended = true;
}

/* Has the process ended? A zombie has. */
static bool has_ended(pid_t pid)
{
	char path[64], text[512], *at;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return true;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	at = strrchr(text, ')');
	return !at || strncmp(at, ") Z", 3) == 0 || strncmp(at, ") X", 3) == 0;
}

static void check_targets(struct recording *r)
{
	if (r->options->command) {
		reap_child(r);
		r->ended = r->child_ended;
		return;
	}
	for (size_t i = 0; i < r->n_targets; i++) {
		if (!has_ended(r->targets[i].pid))
			return;
	}
	r->ended = true;
}

/* SIGTERM is meant for the command where there is one, as from a container's stop. */
static void handle_signals(struct recording *r)
{
	struct signalfd_siginfo info;

	while (read(r->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap_child(r);
		else if (info.ssi_signo == SIGTERM && r->options->command && !r->child_ended)
			kill(r->targets[0].pid, SIGTERM);
		else
			r->stop = true;
	}
}

/* A rate that is still to be set is set as soon as the program's runtime is ready. */
static bool set_pending_rates(struct recording *r)
{
	bool pending = false;

	for (size_t i = 0; i < r->n_targets; i++) {
		if (watch_rate_pending(r->watches[i])) {
			watch_tick(r->watches[i]);
			pending = true;
		}
	}
	return pending;
}

static void run(struct recording *r)
{
	uint64_t next_tick = r->started + TICK_NS, next_table = r->started + TABLE_NS;

	while (!r->stop && !r->ended) {
		uint64_t now = watch_now();
		uint64_t until = r->deadline && r->deadline < next_tick ? r->deadline : next_tick;

		if (set_pending_rates(r))
			until = now + 1000000;
		session_wait(r->session, r->signal_fd,
			     now < until ? (int)((until - now) / 1000000 + 1) : 0);
		handle_signals(r);
		drain(r);
		now = watch_now();
		if (r->deadline && now >= r->deadline)
			r->stop = true;
		if (r->child_ended)
			r->ended = true;
		if (now < next_tick)
			continue;
		check_targets(r);
		if (r->ended)
			break;
		read_targets(r, now >= next_table, false);
		if (now >= next_table)
			next_table = now + TABLE_NS;
		flush(r);
		next_tick += TICK_NS;
		if (next_tick < now)
			next_tick = now + TICK_NS;
	}
}

/* ---- After it ------------------------------------------------------------------------------ */

static void write_symbols(struct recording *r)
{
	struct symbols_options options = {
		.targets = r->targets,
		.load_biases = r->biases,
		.n_targets = r->n_targets,
		.arrays = r->arrays,
		.n_arrays = r->n_arrays,
	};
	struct buffer table = {0}, build_ids = {0};
	struct error *err = symbols_collect(r->options->output, &options, &table);

	if (err)
		log_warn(r->log, "the trace goes without its symbol table: %s", error_message(err));
	else
		perfdata_writer_feature(r->writer, PERFDATA_FEAT_SYMTAB, table.data, table.len);
	error_free(err);
	for (size_t i = 0; i < r->n_targets; i++) {
		struct perfdata_build_id id = {
			.pid = UINT32_MAX,
			.path = r->targets[i].exe,
		};

		id.id_len = (uint8_t)gobin_gnu_build_id(r->targets[i].bin, id.id);
		if (id.id_len)
			perfdata_encode_build_ids(&build_ids, &id, 1);
	}
	if (build_ids.len)
		perfdata_writer_feature(r->writer, PERFDATA_FEAT_BUILD_ID, build_ids.data,
					build_ids.len);
	buffer_free(&table);
	buffer_free(&build_ids);
}

/* The last readings come before the events stop, so that every counted change has its event. */
static void finish(struct recording *r)
{
	struct error *err;

	read_targets(r, true, true);
	session_disable(r->session);
	for (size_t i = 0; i < r->n_targets; i++) {
		size_t buckets;
		uint32_t readings, stable;

		watch_stats(r->watches[i], &buckets, &readings, &stable);
		log_debug(r->log, "process %d: %zu buckets, %u readings, %u of one moment",
			  r->targets[i].pid, buckets, readings, stable);
	}
	write_clock(r);
	drain(r);
	flush(r);
	if (!r->failure)
		write_symbols(r);
	err = perfdata_writer_finish(r->writer);
	r->writer = NULL;
	write_failed(r, err);
}

static void close_watches(struct recording *r)
{
	for (size_t i = 0; i < r->n_targets; i++) {
		if (r->watches[i] && watch_sampling_off(r->watches[i]))
			log_warn(r->log,
				 "%s never sampled an allocation: heap profiling is not linked in, "
				 "or "
				 "it sets runtime.MemProfileRate to 0",
				 r->targets[i].exe);
		watch_free(r->watches[i]);
		r->watches[i] = NULL;
	}
}

static uint64_t events_named(const struct recording *r, const char *suffix)
{
	const struct trace_event *events;
	uint64_t total = 0;
	size_t n;

	events = probes_events(r->probes, &n);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(events[i].name, suffix) == 0)
			total += session_event_count(r->session, i);
	}
	return total;
}

static void print_summary(const struct recording *r)
{
	const struct session_counts *counts = session_counts(r->session);
	double seconds = (double)(watch_now() - r->started) / 1e9;
	struct stat st = {0};

	fstat(r->out_fd, &st);
	log_info(r->log,
		 "%.1f s of %s: %lu events (%lu births, %lu deaths, %lu GC cycles), %lu lost",
		 seconds, r->targets[0].exe, counts->samples, events_named(r, "birth"),
		 events_named(r, "death"), events_named(r, "gc_end"), counts->lost);
	log_info(r->log, "%s: %.1f kB for %.1f kB of events", r->options->output,
		 (double)st.st_size / 1e3, (double)counts->bytes / 1e3);
	if (!r->failure)
		log_info(r->log, "next: analyze %s", r->options->output);
}

/* Waits for a command that goes on after its recording; a second signal gives up on it. */
static void wait_for_child(struct recording *r)
{
	sigset_t set;

	if (!r->options->command || r->child_ended)
		return;
	log_info(r->log,
		 "the recording is complete; %s (process %d) goes on, and record waits for "
		 "it",
		 r->targets[0].exe, r->targets[0].pid);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	while (!r->child_ended) {
		int signo = sigwaitinfo(&set, NULL);

		if (signo == SIGTERM)
			kill(r->targets[0].pid, SIGTERM);
		else if (signo == SIGINT || signo == SIGHUP)
			return;
		reap_child(r);
	}
}

static int command_status(const struct recording *r)
{
	if (!r->options->command || !r->child_ended)
		return 0;
	if (WIFSIGNALED(r->child_status))
		return 128 + WTERMSIG(r->child_status);
	return WEXITSTATUS(r->child_status);
}

/* ---- The whole ----------------------------------------------------------------------------- */

static struct error *catch_signals(struct recording *r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* A write beyond `ulimit -f` is an error to report, not a reason to die. */
	signal(SIGXFSZ, SIG_IGN);
	r->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return r->signal_fd < 0 ? error_errno(errno, "signalfd") : NULL;
}

static struct error *prepare(struct recording *r, int *status)
{
	size_t restored;

	r->journal = rate_journal_path();
	restored = rate_recover(r->journal);
	if (restored)
		log_info(r->log,
			 "put back the sampling rate of %zu processes that a recorder which "
			 "died had changed",
			 restored);
	TRY(output_check(r->options->output));
	TRY(find_targets(r, status));
	/* First the child, which must not inherit what we do with signals. */
	if (r->options->command)
		TRY(target_fork(&r->targets[0], r->options->command));
	TRY(catch_signals(r));
	TRY(install_events(r));
	TRY(open_session(r));
	probes_unlock(r->probes);
	TRY(open_writer(r));
	return NULL;
}

static struct error *start(struct recording *r, int *status)
{
	struct buffer records = {0};
	struct error *err;

	err = privilege_drop();
	if (err)
		log_debug(r->log, "privileges are kept: %s", error_message(err));
	error_free(err);
	write_clock(r);
	for (size_t i = 0; i < r->n_targets; i++)
		write_plan(r, i);
	r->started = watch_now();
	if (r->options->duration_ms)
		r->deadline = r->started + r->options->duration_ms * 1000000;
	if (r->options->command) {
		TRY(target_release(&r->targets[0], status));
	} else {
		session_enable(r->session);
		for (size_t i = 0; i < r->n_targets; i++)
			synth_process(r->session, r->targets[i].pid, r->started, &records);
		write_failed(r, perfdata_write(r->writer, records.data, records.len));
		buffer_free(&records);
	}
	watch_targets(r);
	read_targets(r, true, false);
	flush(r);
	return NULL;
}

static void recording_free(struct recording *r)
{
	if (r->writer)
		error_free(perfdata_writer_finish(r->writer));
	session_close(r->session);
	for (size_t i = 0; i < r->n_targets; i++) {
		watch_free(r->watches[i]);
		/* A child that was never released ends when its pipe closes. */
		if (r->targets[i].release_fd >= 0) {
			close(r->targets[i].release_fd);
			r->targets[i].release_fd = -1;
			waitpid(r->targets[i].pid, NULL, 0);
		}
		target_close(&r->targets[i]);
		plan_free(&r->plans[i]);
	}
	if (probes_close(r->probes))
		log_warn(r->log, "some events could not be removed from tracefs; the next recorder "
				 "will");
	for (size_t i = 0; i < r->n_arrays; i++)
		free(r->arrays[i].event);
	free(r->arrays);
	free(r->targets);
	free(r->plans);
	free(r->watches);
	free(r->biases);
	free(r->journal);
	if (r->out_fd >= 0)
		close(r->out_fd);
	if (r->signal_fd >= 0)
		close(r->signal_fd);
	error_free(r->failure);
}

static struct error *record(struct recording *r, int *status)
{
	struct error *err;

	TRY(prepare(r, status));
	TRY(start(r, status));
	log_info(r->log, "recording %s (process %d): %s; SIGINT ends it", r->targets[0].exe,
		 r->targets[0].pid, r->plans[0].heap_reason);
	run(r);
	finish(r);
	close_watches(r);
	print_summary(r);
	/* The breakpoints go before the command is waited for. */
	session_close(r->session);
	r->session = NULL;
	if (probes_close(r->probes))
		log_warn(r->log, "some events could not be removed from tracefs; the next recorder "
				 "will");
	r->probes = NULL;
	wait_for_child(r);
	err = r->failure;
	r->failure = NULL;
	if (!err)
		*status = command_status(r);
	return err;
}

struct error *recorder_run(const struct record_options *options, const struct log *log, int *status)
{
	struct recording r = {.options = options, .log = log, .out_fd = -1, .signal_fd = -1};
	struct error *err;

	*status = EXIT_RECORD_FAILED;
	err = record(&r, status);
	recording_free(&r);
	return err;
}

struct error *recorder_list(const struct record_options *options, int *status)
{
	struct recording r = {.options = options, .out_fd = -1, .signal_fd = -1};
	struct error *err;

	*status = EXIT_RECORD_FAILED;
	err = find_targets(&r, status);
	for (size_t i = 0; i < r.n_targets && !err; i++)
		err = list_print(stdout, r.targets[i].bin, &r.plans[i]);
	recording_free(&r);
	if (!err)
		*status = 0;
	return err;
}

struct error *recorder_check(const struct record_options *options, int *status)
{
	struct recording r = {.options = options, .out_fd = -1, .signal_fd = -1};
	bool ok = check_machine(stdout);
	struct error *err = NULL;

	*status = EXIT_RECORD_FAILED;
	if (options->command || options->n_pids)
		err = find_targets(&r, status);
	for (size_t i = 0; i < r.n_targets && !err; i++)
		ok = check_target(stdout, &r.targets[i], &r.plans[i]) && ok;
	recording_free(&r);
	if (!err && ok)
		*status = 0;
	return err;
}
