#include "record/recorder.h"

#include "formats/xalloc.h"
#include "record/check.h"
#include "record/children.h"
#include "record/list.h"
#include "record/output.h"
#include "record/privilege.h"
#include "record/rate.h"
#include "record/recording.h"
#include "record/synth.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_NS	 1000000000ull /* flush and cheap readings: what a crash can cost */
#define TABLE_NS 5000000000ull /* between readings of the bucket table, beside events */

/* ---- While it runs ------------------------------------------------------------------------- */

/* A list of the goroutines is of use where their beginnings and ends are recorded with their
 * numbers: by breakpoints of tracefs alone. */
static bool lists_goroutines(const struct recording *r)
{
	const struct trace_event *events;
	size_t n;

	events = probes_events(r->probes, &n);
	for (size_t i = 0; i < n && r->options->goroutines; i++)
		if (!events[i].path && !strcmp(events[i].name, "go_exit"))
			return true;
	return false;
}

static void watch_targets(struct recording *r)
{
	r->lists_goroutines = lists_goroutines(r);
	for (size_t i = 0; i < r->n_targets; i++) {
		r->watches[i] = watch_new(&r->targets[i], r->log, emit_note, r);
		watch_for_heap(r->watches[i], r->plans[i].heap);
		if (r->options->set_rate)
			watch_set_rate(r->watches[i], r->options->set_rate, r->journal);
		watch_share(r->watches[i], r->n_targets);
		if (r->lists_goroutines)
			watch_goroutines(r->watches[i]);
		target_load_bias(&r->targets[i], &r->biases[i]);
	}
}

static void read_targets(struct recording *r, bool tables, bool final)
{
	for (size_t i = 0; i < r->n_targets; i++) {
		watch_tick(r->watches[i], final);
		if (tables)
			watch_table(r->watches[i], final);
		emit_spans(r, r->watches[i], r->targets[i].pid, final);
	}
	children_look(r->children, tables, final);
}

static void reap_child(struct recording *r)
{
	if (r->options->command && !r->child_ended &&
	    waitpid(r->targets[0].pid, &r->child_status, WNOHANG) == r->targets[0].pid)
		r->child_ended = true;
}

static void check_targets(struct recording *r)
{
	if (r->options->command) {
		reap_child(r);
		r->ended = r->child_ended;
		return;
	}
	for (size_t i = 0; i < r->n_targets; i++) {
		if (!target_has_ended(r->targets[i].pid))
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
		else if (info.ssi_signo == SIGUSR2)
			r->asked = "SIGUSR2";
		else if (info.ssi_signo == SIGTERM && r->options->command && !r->child_ended)
			kill(r->targets[0].pid, SIGTERM);
		else {
			r->abandon = r->stop;
			r->stop = true;
		}
	}
}

/* A rate that is still to be set is set as soon as the program's runtime is ready. */
static bool set_pending_rates(struct recording *r)
{
	bool pending = false;

	for (size_t i = 0; i < r->n_targets; i++)
		pending |= watch_try_rate(r->watches[i]);
	return pending;
}

/* Whoever asked for the end gets the last heap dumps still: the target runs, and is recorded. */
static bool goes_on(struct recording *r)
{
	if (r->ended || r->failure || r->abandon)
		return false;
	if (!r->stop)
		return true;
	if (!r->fetch)
		return false;
	if (!r->closing)
		fetch_last(r->fetch);
	r->closing = true;
	return !fetch_idle(r->fetch);
}

/* Between readings of the bucket table. Where it is all that tells of the heap, each counts. */
static uint64_t table_period(const struct recording *r)
{
	for (size_t i = 0; i < r->n_targets; i++)
		if (r->plans[i].heap == HEAP_COUNTERS)
			return TICK_NS;
	return TABLE_NS;
}

/* How often a rate that is still to be set is tried: a program may be over after 5 ms. */
#define EAGER_FOR_NS 50000000
#define EAGER_NS     100000
#define PATIENT_NS   1000000

static void run(struct recording *r)
{
	uint64_t next_tick = r->started + TICK_NS, next_table = r->started + table_period(r);
	const int fds[] = {
		r->signal_fd,
		r->tee ? stderr_tee_fd(r->tee) : -1,
		r->fetch ? fetch_fd(r->fetch) : -1,
	};

	while (goes_on(r)) {
		uint64_t now = watch_now();
		uint64_t until = r->deadline && !r->stop && r->deadline < next_tick ? r->deadline
										    : next_tick;

		if (set_pending_rates(r))
			until = now + (now < r->started + EAGER_FOR_NS ? EAGER_NS : PATIENT_NS);
		session_wait(r->session, fds, sizeof(fds) / sizeof(*fds),
			     now < until ? until - now : 0);
		handle_signals(r);
		emit_gctrace(r);
		emit_remarks(r);
		emit_rings(r, UINT64_MAX);
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
		emit_clock_changes(r);
		read_targets(r, now >= next_table, false);
		if (now >= next_table)
			next_table = now + table_period(r);
		emit_names(r, false);
		emit_flush(r);
		rotate_look(r);
		next_tick += TICK_NS;
		if (next_tick < now)
			next_tick = now + TICK_NS;
	}
}

/*
 * A recorder that is kept waiting for a CPU loses events; it needs little, but at once. Best
 * effort: where it is not permitted, the rings have to last longer.
 */
static void hurry(void)
{
	if (setpriority(PRIO_PROCESS, 0, -15) != 0)
		errno = 0;
}

/* What comes after the recording can wait for everybody else. */
static void take_time(void)
{
	if (setpriority(PRIO_PROCESS, 0, 10) != 0)
		errno = 0;
}

/* ---- After it ------------------------------------------------------------------------------ */

/* What a command that has ended left of its standard error belongs to the recording. */
static void finish_gctrace(struct recording *r)
{
	uint64_t left_out;

	if (!r->tee)
		return;
	if (r->child_ended && !stderr_tee_ended(r->tee))
		log_warn(r->log,
			 "a process that %s started still has its standard error open; what "
			 "it writes from now on is lost",
			 r->targets[0].exe);
	emit_gctrace(r);
	left_out = stderr_tee_left_out(r->tee);
	if (left_out)
		log_warn(r->log, "%lu gctrace lines came too fast and are not in the trace",
			 left_out);
}

static const char *why_end(const struct recording *r)
{
	if (r->why_early)
		return r->why_early;
	if (r->ended)
		return r->options->command ? "the command ended" : "the processes ended";
	if (r->deadline && watch_now() >= r->deadline)
		return "the time was over";
	return "it was asked to end";
}

static void end_file(struct recording *r)
{
	struct buffer dumps = {0};
	size_t n;

	if (options_to_pipe(r->options))
		emit_names(r, true);
	if (r->why_early)
		emit_text(r, 0, xasprintf("loss: the recording ended early: %s", r->why_early));
	emit_part(r, watch_now(), true, why_end(r));
	if (r->fetch) {
		n = fetch_take(r->fetch, r->n_targets == 1 ? (uint32_t)r->targets[0].pid : 0,
			       &dumps);
		if (n)
			log_info(r->log, "%zu heap dump%s in the trace", n, n == 1 ? "" : "s");
	}
	emit_failed(r, files_complete(r, &dumps));
	buffer_free(&dumps);
}

/* The last readings come before the events stop, so that every counted change has its event. */
static void finish(struct recording *r)
{
	if (r->fetch)
		fetch_stop(r->fetch);
	emit_remarks(r);
	finish_gctrace(r);
	/* What was sampled last is read with the others. */
	if (r->spans)
		emit_rings(r, UINT64_MAX);
	read_targets(r, true, true);
	session_disable(r->session);
	for (size_t i = 0; i < r->n_targets; i++)
		summary_readings(r, i);
	emit_clock(r);
	emit_rings(r, UINT64_MAX);
	take_time();
	files_busy(r, true);
	if (r->options->snapshot)
		rotate_snapshot(r, why_end(r), false);
	else
		end_file(r);
}

static void close_watches(struct recording *r)
{
	children_free(r->children);
	r->children = NULL;
	for (size_t i = 0; i < r->n_targets; i++) {
		if (r->watches[i] && r->plans[i].heap != HEAP_SPAN &&
		    watch_sampling_off(r->watches[i]))
			log_warn(r->log,
				 "%s never sampled an allocation: heap profiling is not linked in, "
				 "or "
				 "it sets runtime.MemProfileRate to 0",
				 r->targets[i].exe);
		watch_free(r->watches[i]);
		r->watches[i] = NULL;
	}
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
	sigaddset(&set, SIGUSR2);
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
	TRY(setup_targets(r, status));
	/* First the child, which must not inherit what we do with signals. */
	if (r->options->command)
		TRY(setup_command(r));
	TRY(catch_signals(r));
	TRY(setup_events(r));
	TRY(setup_session(r));
	setup_spans(r);
	probes_unlock(r->probes);
	TRY(setup_writer(r));
	return NULL;
}

static struct error *start(struct recording *r, int *status)
{
	struct error *err;

	synth_kernel(r->session, watch_now(), &r->kernel_map);
	hurry();
	err = privilege_drop();
	if (err)
		log_debug(r->log, "privileges are kept: %s", error_message(err));
	error_free(err);
	r->started = r->id = r->file.began = watch_now();
	if (r->flight)
		TRY(flight_begin(r->flight, r->started));
	else
		emit_part(r, r->started, false, "");
	emit_clock(r);
	emit_kernel(r, r->started);
	emit_plans(r);
	if (r->options->duration_ms)
		r->deadline = r->started + r->options->duration_ms * 1000000;
	if (r->tee)
		TRY(stderr_tee_start(r->tee));
	if (r->options->command) {
		TRY(target_release(&r->targets[0], status));
	} else {
		session_enable(r->session);
		emit_processes(r, r->started);
	}
	if (r->options->n_dumps)
		TRY(fetch_start(r->options->dumps, r->options->n_dumps, &r->fetch));
	watch_targets(r);
	r->children = children_new(r);
	read_targets(r, true, false);
	emit_flush(r);
	return NULL;
}

/* What is read and not yet written may have to wait for who reads it; a signal gives up on that. */
static void close_stderr(struct recording *r)
{
	struct signalfd_siginfo info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (r->tee && r->signal_fd >= 0) {
		/* What came before is dealt with. */
		while (read(r->signal_fd, &info, sizeof(info)) == sizeof(info))
			;
		sigprocmask(SIG_UNBLOCK, &set, NULL);
	}
	stderr_tee_free(r->tee);
	if (r->gctrace_fd >= 0)
		close(r->gctrace_fd);
}

static void recording_free(struct recording *r)
{
	files_free(r);
	children_free(r->children);
	session_close(r->session);
	span_events_free(r->spans);
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
		native_free(r->natives[i]);
	}
	fetch_free(r->fetch);
	close_stderr(r);
	if (probes_close(r->probes))
		log_warn(r->log, "some events could not be removed from tracefs; the next recorder "
				 "will");
	for (size_t i = 0; i < r->n_arrays; i++)
		free(r->arrays[i].event);
	free(r->arrays);
	free(r->targets);
	free(r->plans);
	free(r->natives);
	free(r->watches);
	free(r->biases);
	free(r->journal);
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
	summary_print(r);
	/* The breakpoints go before the command is waited for. */
	files_busy(r, true);
	session_close(r->session);
	r->session = NULL;
	if (probes_close(r->probes))
		log_warn(r->log, "some events could not be removed from tracefs; the next recorder "
				 "will");
	r->probes = NULL;
	wait_for_child(r);
	err = r->failure;
	r->failure = NULL;
	if (!err && r->failed_files)
		err = error_new("%u files could not be completed", r->failed_files);
	if (!err)
		*status = command_status(r);
	return err;
}

static struct recording new_recording(const struct record_options *options, const struct log *log)
{
	return (struct recording){
		.options = options,
		.log = log,
		.file.fd = -1,
		.signal_fd = -1,
		.gctrace_fd = -1,
	};
}

struct error *recorder_run(const struct record_options *options, const struct log *log, int *status)
{
	struct recording r = new_recording(options, log);
	struct error *err;

	*status = EXIT_RECORD_FAILED;
	err = record(&r, status);
	recording_free(&r);
	return err;
}

struct error *recorder_list(const struct record_options *options, int *status)
{
	struct recording r = new_recording(options, NULL);
	struct error *err;

	*status = EXIT_RECORD_FAILED;
	err = setup_targets(&r, status);
	for (size_t i = 0; i < r.n_targets && !err; i++)
		err = list_print(stdout, r.targets[i].bin, &r.plans[i], r.natives[i]);
	for (size_t i = 0; i < options->extra.n && !err; i++)
		printf("%sand, as asked: %s\n", i ? "" : "\n", options->extra.items[i].text);
	recording_free(&r);
	if (!err)
		*status = 0;
	return err;
}

struct error *recorder_check(const struct record_options *options, int *status)
{
	struct recording r = new_recording(options, NULL);
	bool ok = check_machine(stdout);
	struct error *err = NULL;

	*status = EXIT_RECORD_FAILED;
	if (options->command || options->n_pids)
		err = setup_targets(&r, status);
	for (size_t i = 0; i < r.n_targets && !err; i++)
		ok = check_target(stdout, &r.targets[i], &r.plans[i], r.natives[i]) && ok;
	recording_free(&r);
	if (!err && ok)
		*status = 0;
	return err;
}
