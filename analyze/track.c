#include "analyze/track.h"

#include "analyze/clocks.h"
#include "analyze/track_native.h"
#include "analyze/track_state.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TEXTS 4096u

struct track *track_new(struct model *model, const struct track_options *options)
{
	struct track *track = xcalloc(1, sizeof(*track));

	track->model = model;
	track_set_window(track, options->from, options->to);
	track->check = tablecheck_new();
	track->last_life = NONE;
	return track;
}

void track_set_window(struct track *track, uint64_t from, uint64_t to)
{
	track->options = (struct track_options){from, to};
	track->model->from = from;
	track->model->to = to;
}

/* Each file of a recording says again what holds for all of it. */
void track_text(struct track *track, const char *text)
{
	struct model *model = track->model;

	if (model->n_texts >= MAX_TEXTS)
		return;
	for (size_t i = 0; i < model->n_texts; i++)
		if (strcmp(model->texts[i], text) == 0)
			return;
	xgrow(model->texts, model->cap_texts, model->n_texts + 1);
	model->texts[model->n_texts++] = xstrdup(text);
}

static struct gctrace_text *gctrace_text(struct model *model, struct life *life)
{
	if (life->gctrace_text == NONE) {
		life->gctrace_text = (uint32_t)model->n_gctrace_texts++;
		xgrow(model->gctrace_texts, model->cap_gctrace_texts, model->n_gctrace_texts);
		model->gctrace_texts[life->gctrace_text] = (struct gctrace_text){
			.process = life->process,
		};
	}
	return &model->gctrace_texts[life->gctrace_text];
}

static void add_gctrace(struct track *track, uint64_t time, const struct note_gctrace *note)
{
	struct life *life = track_life_of_note(track, note->pid, time);
	struct gctrace_text *text = gctrace_text(track->model, life);
	size_t len = strlen(note->text);

	if (len >= MODEL_MAX_GCTRACE - track->gctrace_bytes) {
		text->left_out++;
		return;
	}
	buffer_append(&text->text, note->text, len);
	buffer_u8(&text->text, '\n');
	track->gctrace_bytes += len + 1;
}

static bool within(const struct track *track, uint64_t time)
{
	return time >= track->options.from && (!track->options.to || time <= track->options.to);
}

/* Where there are no events at all, the notes tell how long it was looked. */
static void note_time(struct track *track, uint64_t time)
{
	if (!time || !within(track, time))
		return;
	if (!track->first_note)
		track->first_note = time;
	track->last_note = time;
}

static void track_note(struct track *track, uint64_t time, const struct note *note)
{
	note_time(track, time);
	switch (note->kind) {
	case NOTE_CLOCK:
		clocks_add(track->model, &(struct clock_pair){
						 .monotonic = note->clock.monotonic,
						 .realtime = note->clock.realtime,
						 .boottime = note->clock.boottime,
					 });
		break;
	case NOTE_PROCESS:
		track_process_note(track, time, &note->process);
		break;
	case NOTE_BUCKET:
		track_bucket_note(track, time, &note->bucket);
		break;
	case NOTE_TABLE:
		track_table_note(track, time, &note->table,
				 within(track, note->table.begin) &&
					 within(track, note->table.end));
		break;
	case NOTE_RSS:
		if (within(track, time))
			track_rss_note(track, time, &note->rss);
		break;
	case NOTE_TEXT:
		track_text(track, note->text.text);
		break;
	case NOTE_GCTRACE:
		add_gctrace(track, time, &note->gctrace);
		break;
	case NOTE_OWNERS:
		track_owners_note(track, time, &note->owners, within(track, time));
		break;
	case NOTE_LIMITS:
		track_limits_note(track, time, &note->limits);
		break;
	case NOTE_GOROUTINES:
		if (!track->options.to || time <= track->options.to)
			track_goroutines_note(track, time, &note->goroutines);
		break;
	case NOTE_NATIVE:
		track_native_note(track, &note->native);
		break;
	case NOTE_SPANS:
		track_spans_note(track, time, &note->spans);
		break;
	case NOTE_PART:
		track_part_note(track, &note->part);
		break;
	case NOTE_SYMBOLS:
		track_symbols_note(track, &note->symbols);
		break;
	}
}

/* What lies outside of the time looked at still tells what a bucket holds, and which goroutines are
 * there when it begins. */
static void learn_only(struct track *track, const struct event *event)
{
	if (event->kind == EVENT_BIRTH)
		track_bucket_at_birth(track, track_life(track, event->pid, event->time), event);
	else if ((event->kind == EVENT_GO_CREATE || event->kind == EVENT_GO_EXIT) &&
		 event->time < track->options.from)
		track_go_before(track, event);
}

/* A process does something: it has not ended, and nor have its threads all. */
static void track_sign(struct track *track, const struct event *event)
{
	track_life(track, event->pid, event->time)->last_sign = event->time;
}

static void track_counted(struct track *track, const struct event *event)
{
	switch (event->kind) {
	case EVENT_BIRTH:
		track_sign(track, event);
		track_birth(track, event);
		break;
	case EVENT_DEATH:
		track_sign(track, event);
		track_death(track, event);
		break;
	case EVENT_SPAN_TAKEN:
		track_sign(track, event);
		track_span_taken(track, event);
		break;
	case EVENT_SPAN_LARGE:
		track_sign(track, event);
		track_span_large(track, event);
		break;
	case EVENT_SPAN_RELEASED:
		track_sign(track, event);
		track_span_released(track, event);
		break;
	case EVENT_GO_CREATE:
		track_go_create(track, event);
		break;
	case EVENT_GO_EXIT:
		track_go_exit(track, event);
		break;
	case EVENT_LOCK_THREAD:
	case EVENT_UNLOCK_THREAD:
		track_lock_thread(track, event);
		break;
	case EVENT_GC_START:
		track_gc_start(track, event);
		break;
	case EVENT_GC_MARK_TERM:
		track_gc_mark_term(track, event);
		break;
	case EVENT_GC_END:
		track_gc_end(track, event);
		break;
	case EVENT_NATIVE_ENTER:
		track_native_enter(track, event);
		break;
	case EVENT_NATIVE_RETURN:
		track_native_return(track, event);
		break;
	case EVENT_NATIVE_FREE:
		track_native_free(track, event);
		break;
	case EVENT_CGO_CALL:
		track_cgo_call(track, event);
		break;
	case EVENT_SYSCALL_ENTER:
		track_syscall_enter(track, event);
		break;
	case EVENT_SYSCALL_EXIT:
		track_syscall_exit(track, event);
		break;
	case EVENT_FAULT:
		track_fault(track, event);
		break;
	case EVENT_LOST:
		track->model->lost_events += event->lost.count;
		track->model->lost_records++;
		track_native_lost(track);
		break;
	case EVENT_THROTTLE:
		track->model->throttles++;
		break;
	default:
		break;
	}
}

void track_event(struct track *track, const struct event *event)
{
	struct model *model = track->model;

	switch (event->kind) {
	case EVENT_COMM:
		track_comm(track, event);
		return;
	case EVENT_EXEC:
		track_exec(track, event);
		return;
	case EVENT_FORK:
		track_fork(track, event);
		return;
	case EVENT_EXIT:
		track_exit(track, event);
		return;
	case EVENT_MMAP:
		track_mmap_record(track, event);
		return;
	case EVENT_NOTE:
		track_note(track, event->time, &event->note);
		return;
	default:
		break;
	}
	if (event->time && !within(track, event->time)) {
		learn_only(track, event);
		return;
	}
	if (event->time) {
		if (!model->first_time || event->time < model->first_time)
			model->first_time = event->time;
		if (event->time > model->last_time)
			model->last_time = event->time;
	}
	model->events++;
	if (event->name)
		track_other(track, event);
	track_counted(track, event);
}

void track_by_counters(struct track *track)
{
	track->tables_alone = true;
}

/* Sites that were merged into others, or never had an event, go; their ids close up. */
static void drop_empty_sites(struct track *track)
{
	struct model *model = track->model;
	uint32_t *new_index = xcalloc(model->n_sites, sizeof(*new_index)), kept = 0;

	for (size_t i = 0; i < model->n_sites; i++) {
		struct site *site = &model->sites[i];

		if (site->births || site->deaths || site->unmatched_deaths || site->older ||
		    track->site_states[i].seeded) {
			new_index[i] = kept;
			model->sites[kept++] = *site;
			continue;
		}
		new_index[i] = UINT32_MAX;
		free(site->born);
		free(site->died);
		free(site->died_unseen);
		free(site->alive);
		free(site->generations);
		free(site->waits_for);
	}
	for (uint32_t i = 0; i < kept; i++)
		if (model->sites[i].live_of_goroutines)
			model->sites[i].by_goroutines = new_index[model->sites[i].by_goroutines];
	if (model->snapshots)
		snapshots_renumber(model->snapshots, new_index, model->n_sites);
	model->n_sites = kept;
	free(new_index);
}

static void give_stacks(struct track *track)
{
	struct model *model = track->model;

	model->n_stacks = stackset_count(&track->stacks);
	model->cap_stacks = model->n_stacks;
	model->stacks = xcalloc(model->n_stacks, sizeof(*model->stacks));
	for (uint32_t i = 0; i < model->n_stacks; i++) {
		const uint64_t *pcs = stackset_pcs(&track->stacks, i, &model->stacks[i].n);

		model->stacks[i].pcs = xmalloc((model->stacks[i].n + 1) * sizeof(*pcs));
		memcpy(model->stacks[i].pcs, pcs, model->stacks[i].n * sizeof(*pcs));
	}
}

void track_finish(struct track *track)
{
	if (track->finished)
		return;
	track->finished = true;
	if (!track->model->first_time) {
		track->model->first_time = track->first_note;
		track->model->last_time = track->last_note;
	}
	track_finish_parts(track);
	for (size_t i = 0; i < track->n_lives; i++)
		track_finish_life(track, &track->lives[i]);
	track_native_finish(track);
	if (!track->by_counters)
		tablecheck_finish(track->check, track->model);
	/* An empty table has told nothing. */
	if (!track->model->births)
		track->model->counted_readings = 0;
	if (track->model->snapshots)
		snapshots_finish(track->model->snapshots, track->model->last_time);
	track_finish_owners(track);
	drop_empty_sites(track);
	track_order_faults(track);
	give_stacks(track);
}

void track_free(struct track *track)
{
	if (!track)
		return;
	track_finish(track);
	for (size_t i = 0; i < track->n_pids; i++)
		free(track->pids[i].exe);
	free(track->pids);
	free(track->free_pids);
	map_free(&track->pid_of);
	free(track->pending);
	free(track->free_pending);
	map_free(&track->pending_of);
	free(track->lives);
	free(track->site_states);
	for (int kind = 0; kind < SITE_KINDS; kind++) {
		map_free(&track->site_of[kind]);
		map_free(&track->site_from[kind]);
	}
	map_free(&track->fault_site_of);
	map_free(&track->share_of);
	map_free(&track->runtime_made);
	stackset_free(&track->stacks);
	tablecheck_free(track->check);
	track_native_state_free(track->native);
	free(track);
}
