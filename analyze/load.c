#include "analyze/load.h"

#include "analyze/clocks.h"
#include "analyze/decode.h"
#include "analyze/read.h"
#include "analyze/reconcile.h"
#include "analyze/track.h"
#include "common/progress.h"
#include "formats/dumps.h"
#include "formats/perfdata.h"
#include "formats/xalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct input {
	const char *path;
	struct perfdata_reader *file;
	struct foreign *foreign;
};

struct load {
	const struct load_options *options;
	struct model *model;
	struct track *track;
	bool has_window;
	uint64_t snapshot_of, until; /* of the snapshot that was read last: recording, end */
};

/* How often the clock is looked at, for the progress line. */
#define PROGRESS_RECORDS (1u << 16)

static int by_first_time(const void *a, const void *b)
{
	uint64_t left = perfdata_info(((const struct input *)a)->file)->first_time;
	uint64_t right = perfdata_info(((const struct input *)b)->file)->first_time;

	return (left > right) - (left < right);
}

static struct error *open_inputs(const char *const *paths, size_t n, struct input *inputs)
{
	for (size_t i = 0; i < n; i++) {
		inputs[i].path = paths[i];
		TRY(error_remedy(perfdata_open(paths[i], &inputs[i].file),
				 "give a file that `record -o FILE` wrote, or a perf.data"));
	}
	qsort(inputs, n, sizeof(*inputs), by_first_time);
	for (size_t i = 1; i < n; i++) {
		const struct perfdata_info *first = perfdata_info(inputs[0].file);
		const struct perfdata_info *other = perfdata_info(inputs[i].file);

		if (first->hostname && other->hostname && strcmp(first->hostname, other->hostname))
			return error_remedy(
				error_new("%s and %s are not of one recording: the one is from %s, "
					  "the other from %s",
					  inputs[0].path, inputs[i].path, first->hostname,
					  other->hostname),
				"analyze them one by one");
	}
	return NULL;
}

static void set_text(char **to, const char *text)
{
	if (!*to && text)
		*to = xstrdup(text);
}

static void join_cmdline(struct model *model, const struct perfdata_info *info)
{
	struct buffer text = {0};

	if (model->cmdline || !info->n_cmdline)
		return;
	for (size_t i = 0; i < info->n_cmdline; i++) {
		if (i)
			buffer_u8(&text, ' ');
		buffer_append(&text, info->cmdline[i], strlen(info->cmdline[i]));
	}
	buffer_u8(&text, 0);
	model->cmdline = (char *)text.data;
}

/* What the file's own header tells; in perf's pipe form some of it comes with the records. */
static void take_info(struct load *load, const struct perfdata_info *info)
{
	struct model *model = load->model;

	set_text(&model->hostname, info->hostname);
	set_text(&model->osrelease, info->osrelease);
	set_text(&model->arch, info->arch);
	join_cmdline(model, info);
	model->truncated |= info->truncated;
	if (load->options->from || load->options->to)
		return;
	if (info->first_time && (!model->first_time || info->first_time < model->first_time))
		model->first_time = info->first_time;
	if (info->last_time > model->last_time)
		model->last_time = info->last_time;
}

static void take_clock(struct model *model, const struct perfdata_info *info)
{
	if (!info->has_clock_data || info->clockid != CLOCK_MONOTONIC)
		return;
	clocks_add(model, &(struct clock_pair){
				  .monotonic = info->clock_ns,
				  .realtime = info->wall_clock_ns,
			  });
}

static struct error *take_symbols(struct model *model, const struct perfdata_info *info)
{
	struct symtab *symbols;

	if (!info->symtab)
		return NULL;
	TRY(symtab_decode(info->symtab, info->symtab_len, info->swapped, &symbols));
	if (!model->symbols) {
		model->symbols = symbols;
		return NULL;
	}
	symtab_merge(model->symbols, symbols);
	symtab_free(symbols);
	return NULL;
}

/* The build id that the trace has for a file; NULL: none. */
static char *find_build_id(const struct perfdata_info *info, const char *path)
{
	for (size_t i = 0; i < info->n_build_ids; i++) {
		const struct perfdata_build_id *id = &info->build_ids[i];
		char *hex;

		if (!id->id_len || id->id_len > sizeof(id->id) || !id->path ||
		    strcmp(id->path, path))
			continue;
		hex = xcalloc(2 * (size_t)id->id_len + 1, 1);
		for (size_t k = 0; k < id->id_len; k++)
			sprintf(hex + 2 * k, "%02x", id->id[k]);
		return hex;
	}
	return NULL;
}

static void take_build_ids(struct model *model, const struct perfdata_info *info)
{
	for (size_t i = 0; i < model->n_processes; i++) {
		struct process *process = &model->processes[i];

		if (process->exe && !process->build_id)
			process->build_id = find_build_id(info, process->exe);
	}
}

/* Times on the command line count from the start of the trace. */
static void set_window(struct load *load, const struct perfdata_info *info, uint64_t first)
{
	const struct load_options *options = load->options;
	uint64_t start = info->first_time && info->first_time < first ? info->first_time : first;

	load->has_window = true;
	if (options->from || options->to)
		track_set_window(load->track, options->from ? start + options->from : 0,
				 options->to ? start + options->to : 0);
}

static void show_progress(const struct load *load, const struct input *input, uint64_t records)
{
	struct progress *progress = load->options->log->progress;
	uint64_t done, total;

	if (!progress || !progress_due(progress))
		return;
	perfdata_progress(input->file, &done, &total);
	if (total)
		progress_show(progress, "%s: %.0f %%, %.1f million records", input->path,
			      100.0 * (double)done / (double)total, (double)records / 1e6);
	else
		progress_show(progress, "%s: %.1f million records", input->path,
			      (double)records / 1e6);
}

/* What the uprobe PMU tells of has its registers behind it: ":birth(p=0,b=1)". */
static bool is_named(const char *colon, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(colon, name, len) && (!colon[len] || colon[len] == '(');
}

/* Whether the trace would have an event of either name, had there been one. */
static bool records(const struct perfdata_info *info, const char *one, const char *other)
{
	for (size_t i = 0; i < info->n_events; i++) {
		const char *colon = info->events[i].name ? strchr(info->events[i].name, ':') : NULL;

		if (colon && (is_named(colon, one) || is_named(colon, other)))
			return true;
	}
	return false;
}

/* Whether it tells of objects of the Go heap. */
static bool records_objects(const struct perfdata_info *info)
{
	return records(info, ":birth", ":death") || records(info, ":refill", ":release");
}

/* Each snapshot holds the minutes before it: two of them may hold the same events. */
static struct error *check_overlap(struct load *load, const struct input *input,
				   const struct event *event)
{
	const struct note_part *part = &event->note.part;

	if (event->kind != EVENT_NOTE || event->note.kind != NOTE_PART ||
	    part->kind != PART_SNAPSHOT)
		return NULL;
	if (!part->ends && load->snapshot_of == part->recording && part->from < load->until)
		return error_remedy(error_new("%s: holds some of the events of the snapshot before "
					      "it once more",
					      input->path),
				    "analyze snapshots of one recording one by one");
	load->snapshot_of = part->recording;
	load->until = part->ends ? event->time : part->from;
	return NULL;
}

/*
 * Events that wait to be tracked, oldest first: births and deaths, while what they are about is
 * fetched into the cache. All others point to what is good until the next record only, and are
 * tracked at once, behind those that wait.
 */
struct waiting {
	struct event events[READ_KEPT];
	size_t first, n;
};

static struct event *nth_waiting(struct waiting *waiting, size_t n)
{
	return &waiting->events[(waiting->first + n) % READ_KEPT];
}

static void track_oldest(struct track *track, struct waiting *waiting)
{
	track_event(track, nth_waiting(waiting, 0));
	waiting->first = (waiting->first + 1) % READ_KEPT;
	waiting->n--;
}

/* Takes up the event that was decoded into the next free place. */
static void track_in_turn(struct track *track, struct waiting *waiting, bool is_swapped)
{
	const struct event *event = nth_waiting(waiting, waiting->n);
	bool waits = (event->kind == EVENT_BIRTH || event->kind == EVENT_DEATH) && event->time &&
		     !is_swapped;

	waiting->n++;
	if (waits) {
		track_expect(track, event);
		if (waiting->n > READ_KEPT / 2)
			track_expect_object(track,
					    nth_waiting(waiting, waiting->n - READ_KEPT / 2 - 1));
	}
	while (waiting->n == READ_KEPT || (waiting->n && !waits))
		track_oldest(track, waiting);
}

static struct error *read_records(struct load *load, const struct input *input,
				  struct decode *decode)
{
	bool is_swapped = perfdata_info(input->file)->swapped;
	struct read *read = read_new(input->file, READ_DEFAULT_LIMIT);
	struct waiting waiting = {.n = 0};
	struct read_record record;
	struct error *err = NULL;
	uint64_t n = 0;

	while (!err && read_next(read, &record)) {
		struct event *event = nth_waiting(&waiting, waiting.n);

		decode_record(decode, &record, event);
		err = check_overlap(load, input, event);
		if (!load->has_window && event->time)
			set_window(load, perfdata_info(input->file), event->time);
		track_in_turn(load->track, &waiting, is_swapped);
		if (++n % PROGRESS_RECORDS == 0)
			show_progress(load, input, n);
	}
	while (waiting.n)
		track_oldest(load->track, &waiting);
	load->model->out_of_order += read_out_of_order(read);
	log_debug(load->options->log, "%s: %llu records, at most %zu KiB held for sorting",
		  input->path, (unsigned long long)n, read_peak(read) >> 10);
	read_free(read);
	return err;
}

static void warn(const struct load *load, const struct input *input, const struct decode *decode)
{
	const struct decode_stats *stats = decode_stats(decode);
	const struct log *log = load->options->log;

	if (decode_problem(decode))
		log_warn(log, "%s: %s", input->path, error_message(decode_problem(decode)));
	if (stats->no_format)
		log_warn(log, "%s: %llu events are of formats that the file does not describe",
			 input->path, (unsigned long long)stats->no_format);
	if (stats->malformed)
		log_warn(log, "%s: %llu records do not fit their own size and were left out",
			 input->path, (unsigned long long)stats->malformed);
	if (stats->bad_notes)
		log_warn(log, "%s: %llu notes are damaged, or of kinds not known here", input->path,
			 (unsigned long long)stats->bad_notes);
}

static void warn_of(const struct load *load, const char *name, struct error *err)
{
	if (err)
		log_warn(load->options->log, "%s: %s", name, error_message(err));
	error_free(err);
}

/* The heap dumps that the recorder fetched. One that is none does not make the trace worthless. */
static void take_dumps(struct load *load, const struct input *input)
{
	const struct perfdata_info *info = perfdata_info(input->file);
	struct dump *dumps;
	size_t n;

	if (!info->dumps)
		return;
	warn_of(load, input->path,
		dumps_decode(info->dumps, info->dumps_len, info->swapped, &dumps, &n));
	for (size_t i = 0; i < n; i++) {
		char *name = xasprintf("%s, dump %zu of %zu", dumps[i].url, i + 1, n);

		warn_of(load, name,
			reconcile_load_data(load->model, name, dumps[i].data, dumps[i].len));
		free(name);
	}
	free(dumps);
}

static void add_text(struct model *model, char *text)
{
	xgrow(model->texts, model->cap_texts, model->n_texts + 1);
	model->texts[model->n_texts++] = text;
}

/* Go's own times, and so gctrace's, are of CLOCK_MONOTONIC; perf's own clock is another. */
static void check_clock(struct model *model, const struct perfdata_info *info)
{
	const struct perf_event_attr *attr = info->n_events ? &info->events[0].attr : NULL;

	if (!attr || (attr->use_clockid && attr->clockid == CLOCK_MONOTONIC))
		return;
	add_text(model,
		 xstrdup("loss: the events have perf's own clock and not CLOCK_MONOTONIC (perf "
			 "record -k mono): heap dumps cannot be placed by their time, and gctrace "
			 "lines only by GC events"));
}

/* What was made of probes that are not `record`'s own. */
static void take_probes(struct model *model, const struct decode *decode)
{
	const char *const *remarks;
	size_t n;

	remarks = decode_remarks(decode, &n);
	for (size_t i = 0; i < n; i++)
		add_text(model, xstrdup(remarks[i]));
	if (n && decode_knows(decode, EVENT_BIRTH) && !decode_knows(decode, EVENT_DEATH))
		add_text(model,
			 xstrdup("loss: no event tells of a death (runtime.freeSpecial): whatever "
				 "was born seems to live"));
}

/* Where no part of the trace has names, from the binaries that are at hand. */
static void take_names(struct model *model, const struct input *inputs, size_t n)
{
	bool is_foreign = !model->symbols;

	for (size_t i = 0; i < n; i++) {
		const char *const *remarks;
		size_t n_remarks;

		if (is_foreign)
			foreign_symbolize(inputs[i].foreign, model);
		remarks = foreign_remarks(inputs[i].foreign, &n_remarks);
		for (size_t k = 0; k < n_remarks; k++)
			add_text(model, xasprintf("loss: %s", remarks[k]));
	}
}

static struct error *load_one(struct load *load, struct input *input)
{
	struct decode *decode = decode_new(input->file);
	struct model *model = load->model;
	/* Whose a mapping is, its call's stack tells by name; a pipe has the names at its end. */
	bool has_symbols = perfdata_info(input->file)->symtab != NULL;
	struct error *err = NULL;

	take_clock(model, perfdata_info(input->file));
	if (has_symbols)
		err = error_context(take_symbols(model, perfdata_info(input->file)), "%s",
				    input->path);
	input->foreign = foreign_new(perfdata_info(input->file), model->symbols);
	decode_use_foreign(decode, input->foreign);
	/* What events a pipe holds is not known yet. */
	if (perfdata_info(input->file)->n_events && !records_objects(perfdata_info(input->file)))
		track_by_counters(load->track);
	if (!err)
		err = read_records(load, input, decode);
	if (err) {
		decode_free(decode);
		return err;
	}
	take_info(load, perfdata_info(input->file));
	if (!records_objects(perfdata_info(input->file)) && !model->births)
		model->heap_not_recorded = true;
	model->gc_recorded |= records(perfdata_info(input->file), ":gc_end", ":gc_mark_term") ||
			      decode_knows(decode, EVENT_GC_END) ||
			      decode_knows(decode, EVENT_GC_MARK_TERM);
	take_build_ids(model, perfdata_info(input->file));
	warn(load, input, decode);
	if (perfdata_damage(input->file) && !model->damage)
		model->damage = xasprintf("%s: %s", input->path, perfdata_damage(input->file));
	if (!has_symbols)
		err = take_symbols(model, perfdata_info(input->file));
	check_clock(model, perfdata_info(input->file));
	take_probes(model, decode);
	decode_free(decode);
	return error_context(err, "%s", input->path);
}

static struct error *load_all(struct load *load, struct input *inputs, size_t n)
{
	struct model *model = load->model;

	set_text(&model->trace_path, inputs[0].path);
	/* Before the records: what was alive at their cycles is counted as these are read. */
	for (size_t i = 0; i < n; i++)
		take_dumps(load, &inputs[i]);
	for (size_t i = 0; i < n; i++)
		TRY(load_one(load, &inputs[i]));
	track_finish(load->track);
	take_names(model, inputs, n);
	if (load->options->log->progress)
		progress_clear(load->options->log->progress);
	if (!model->events && load->options->from + load->options->to)
		return error_remedy(
			error_new("%s: no event lies between --from and --to", inputs[0].path),
			"times count from the start of the trace");
	if (model->n_processes)
		return NULL;
	if (model->damage)
		return error_remedy(error_new("%s; nothing before it is of use", model->damage),
				    "record again; if it was copied, copy it again");
	return error_remedy(error_new("%s: there are no allocations, GC cycles or mappings in it",
				      inputs[0].path),
			    "record the program with `record`; see `record --help`");
}

struct error *load_traces(const char *const *paths, size_t n, const struct load_options *options,
			  struct model *model)
{
	struct input *inputs = xcalloc(n, sizeof(*inputs));
	struct load load = {
		.options = options,
		.model = model,
		.track = track_new(model, &(struct track_options){0}),
	};
	struct error *err = open_inputs(paths, n, inputs);

	if (!err)
		err = load_all(&load, inputs, n);
	track_free(load.track);
	for (size_t i = 0; i < n; i++) {
		foreign_free(inputs[i].foreign);
		perfdata_close(inputs[i].file);
	}
	free(inputs);
	return err;
}
