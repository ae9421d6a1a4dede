#include "record/recording.h"

#include "formats/xalloc.h"
#include "record/children.h"
#include "record/output.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/*
 * The end of a file and the beginning of the next. Between them lies a moment: what happened up to
 * it is in the one, what happened later in the other, on all CPUs, so that the files one behind the
 * other hold each event once and in order.
 */

/* An event that has its time and is not in its ring yet gets there in microseconds. */
#define SETTLE_NS 5000000

/* The readings that belong to what was recorded up to here. */
static void read_all(struct recording *r)
{
	for (size_t i = 0; i < r->n_targets; i++) {
		watch_tick(r->watches[i], false);
		watch_table(r->watches[i], false);
		emit_spans(r, r->watches[i], r->targets[i].pid, true);
	}
	children_look(r->children, true, false);
}

void rotate_begin(struct recording *r, uint64_t from)
{
	r->file.began = from;
	session_restart_times(r->session);
	if (r->names)
		names_restart(r->names);
	/* In memory there is no telling yet which file it will be of. */
	if (!r->flight)
		emit_part(r, from, false, "");
	emit_clock(r);
	emit_kernel(r, from);
	emit_plans(r);
	emit_processes(r, from);
	for (size_t i = 0; i < r->n_targets; i++)
		watch_restart(r->watches[i]);
	children_restart(r->children);
	read_all(r);
}

static void remove_old(const struct recording *r)
{
	uint32_t keep = r->options->keep, oldest;
	char *path;

	if (!keep || r->file.number - r->first_number < keep)
		return;
	oldest = r->file.number - keep;
	path = output_numbered(r->options->output, oldest);
	if (unlink(path) != 0)
		log_warn(r->log, "%s: cannot be removed", path);
	free(path);
}

static void rotate(struct recording *r)
{
	struct timespec settle = {.tv_nsec = SETTLE_NS};
	struct buffer dumps = {0};
	uint64_t cut;

	read_all(r);
	cut = watch_now();
	nanosleep(&settle, NULL);
	emit_gctrace(r);
	emit_rings(r, cut);
	emit_part(r, cut, true, "the next file follows");
	emit_flush(r);
	if (r->failure)
		return;
	if (r->fetch)
		fetch_take(r->fetch, r->n_targets == 1 ? (uint32_t)r->targets[0].pid : 0, &dumps);
	files_complete_aside(r, &dumps, files_complete);
	buffer_free(&dumps);
	emit_failed(r, files_open(r));
	if (r->failure)
		return;
	remove_old(r);
	rotate_begin(r, cut);
	emit_flush(r);
}

/* ---- Snapshots ----------------------------------------------------------------------------- */

/* The file of a snapshot: what is in memory, between a beginning and an end. */
static struct error *write_snapshot(struct recording *r, const struct buffer *dumps)
{
	struct flight *flight = r->flight;
	const struct session_counts *counts = session_counts(r->session);

	r->flight = NULL;
	emit_part(r, r->file.began, false, r->file.why);
	if (!r->failure)
		emit_failed(r, flight_write(flight, r->writer));
	emit_part(r, watch_now(), true, r->file.why);
	r->flight = flight;
	if (r->failure)
		return NULL;
	perfdata_writer_times(r->writer, r->file.began, counts->last_time);
	return files_complete(r, dumps);
}

void rotate_snapshot(struct recording *r, const char *why, bool aside)
{
	struct buffer dumps = {0};
	struct error *err;

	r->file.began = flight_from(r->flight);
	r->file.why = why;
	err = files_open(r);
	if (err) {
		/* The next one may find a place. */
		log_warn(r->log, "no snapshot (%s): %s", why, error_message(err));
		error_free(err);
		r->failed_files++;
		return;
	}
	log_info(r->log, "%s: the last %.0f s, %s", r->file.path,
		 (double)(watch_now() - r->file.began) / 1e9, why);
	if (r->fetch && !aside)
		fetch_take(r->fetch, r->n_targets == 1 ? (uint32_t)r->targets[0].pid : 0, &dumps);
	if (aside)
		files_complete_aside(r, &dumps, write_snapshot);
	else
		emit_failed(r, write_snapshot(r, &dumps));
	buffer_free(&dumps);
}

static void look_at_conditions(struct recording *r)
{
	size_t n = r->options->n_conditions;
	uint64_t now = watch_now();

	for (size_t i = 0; i < r->n_targets * n; i++) {
		const struct watch *watch = r->watches[i / n];

		if (snapshot_watch_take(r->conditions[i], now, watch_rss(watch), watch_heap(watch)))
			r->asked = r->options->conditions[i % n].text;
	}
	if (!r->asked || files_busy(r, false))
		return;
	read_all(r);
	emit_rings(r, UINT64_MAX);
	rotate_snapshot(r, r->asked, true);
	r->asked = NULL;
}

static void look_at_flight(struct recording *r, uint64_t now)
{
	if (flight_is_due(r->flight, now)) {
		emit_rings(r, UINT64_MAX);
		emit_failed(r, flight_begin(r->flight, now));
		if (r->fetch)
			fetch_forget(r->fetch, flight_from(r->flight));
		rotate_begin(r, now);
	}
	look_at_conditions(r);
}

static bool rotation_is_due(const struct recording *r, uint64_t now)
{
	const struct record_options *options = r->options;

	return (options->rotate_time && now - r->file.began >= options->rotate_time) ||
	       (options->rotate_size &&
		files_bytes(r) - r->written.bytes >= options->rotate_size) ||
	       r->asked;
}

void rotate_look(struct recording *r)
{
	const struct record_options *options = r->options;
	uint64_t now = watch_now();

	if (r->failure)
		return;
	if (r->flight) {
		look_at_flight(r, now);
		return;
	}
	if (options->max_size && files_bytes(r) >= options->max_size) {
		r->why_early = "--max-size is reached";
		r->stop = true;
	} else if (!options_numbered(options)) {
		if (r->asked)
			log_warn(r->log,
				 "%s asks for a file of its own, and neither --rotate nor "
				 "--snapshot was given",
				 r->asked);
		r->asked = NULL;
	} else if (rotation_is_due(r, now) && !files_busy(r, false)) {
		/* One file at a time: where completing one takes longer, the next gets longer. */
		r->asked = NULL;
		rotate(r);
	}
}
