#include "record/recording.h"

#include "formats/xalloc.h"
#include "record/children.h"
#include "record/synth.h"

#include <stdlib.h>
#include <string.h>

void emit_failed(struct recording *r, struct error *err)
{
	if (!err)
		return;
	r->stop = true;
	if (r->failure)
		error_free(err);
	else
		r->failure = error_remedy(
			r->file.path ? error_context(err, "%s", r->file.path) : err,
			"free some space or record elsewhere with -o; what was written up to the "
			"last second is complete");
}

/* A session_sink: to where the records go. */
static struct error *put(void *context, const void *bytes, size_t len)
{
	struct recording *r = context;

	return r->flight ? flight_add(r->flight, bytes, len)
			 : perfdata_write_part(r->writer, bytes, len);
}

void emit_note(void *context, uint32_t pid, uint64_t time, const struct buffer *payload)
{
	struct recording *r = context;
	struct buffer record = {0};

	session_note(r->session, pid, time, payload->data, payload->len, &record);
	if (!r->failure)
		emit_failed(r, put(r, record.data, record.len));
	buffer_free(&record);
	if (r->names)
		names_note(r->names, payload);
}

static void emit_pair(struct recording *r, const struct note_clock *pair)
{
	struct buffer payload = {0};

	note_put_clock(&payload, pair);
	emit_note(r, 0, watch_now(), &payload);
	buffer_free(&payload);
}

void emit_clock(struct recording *r)
{
	struct note_clock now = watch_clock();

	r->clocks = (struct clocks){now, now};
	emit_pair(r, &now);
}

void emit_clock_changes(struct recording *r)
{
	struct note_clock now = watch_clock(), chosen[CLOCKS_MAX];
	size_t n = clocks_choose(&r->clocks, &now, chosen);

	for (size_t i = 0; i < n; i++)
		emit_pair(r, &chosen[i]);
}

void emit_text(struct recording *r, uint32_t pid, char *text)
{
	struct buffer payload = {0};

	note_put_text(&payload, &(struct note_text){.pid = pid, .text = text});
	emit_note(r, pid, watch_now(), &payload);
	buffer_free(&payload);
	free(text);
}

void emit_part(struct recording *r, uint64_t time, bool ends, const char *text)
{
	bool rotates = options_numbered(r->options) && !r->options->snapshot;
	struct buffer payload = {0};

	note_put_part(&payload,
		      &(struct note_part){
			      .recording = r->id,
			      .from = r->file.began,
			      .kind = r->options->snapshot ? PART_SNAPSHOT
				      : rotates		   ? PART_ROTATED
							   : PART_WHOLE,
			      .number = r->file.number ? r->file.number - r->first_number + 1 : 1,
			      .ends = ends,
			      .text = text,
		      });
	emit_note(r, 0, time, &payload);
	buffer_free(&payload);
}

static void emit_probes(struct recording *r, uint32_t pid, const struct plan *plan)
{
	for (size_t k = 0; k < plan->n_probes; k++) {
		const struct probe *probe = &plan->probes[k];

		emit_text(r, pid,
			  xasprintf("probe plan: %s at %s, file offset 0x%lx, `%s`: %s",
				    probe->event, probe->symbol, probe->file_offset,
				    probe->instruction, probe->reason));
		if (probe->loss)
			emit_text(r, pid, xasprintf("loss: %s: %s", probe->event, probe->loss));
	}
	for (size_t k = 0; k < plan->n_losses; k++)
		emit_text(r, pid, xasprintf("loss: %s", plan->losses[k]));
}

static void emit_native(struct recording *r, uint32_t pid, const struct native *native)
{
	struct buffer payload = {0};

	note_put_native(&payload, &(struct note_native){
					  .pid = pid,
					  .every = (uint32_t)native->every,
					  .whole_from = native->whole_from,
					  .min_size = native->min_size,
					  .path = native->file.path,
				  });
	emit_note(r, pid, watch_now(), &payload);
	buffer_free(&payload);
	emit_probes(r, pid, &native->plan);
}

static void emit_plan(struct recording *r, size_t i)
{
	const struct plan *plan = &r->plans[i];
	uint32_t pid = (uint32_t)r->targets[i].pid;

	emit_text(r, pid, xasprintf("heap: %s", plan->heap_reason));
	emit_probes(r, pid, plan);
	if (r->natives[i])
		emit_native(r, pid, r->natives[i]);
}

void emit_plans(struct recording *r)
{
	for (size_t i = 0; i < r->n_targets; i++)
		emit_plan(r, i);
}

/* It is known since the beginning; in each file it stands with the time of that file. */
void emit_kernel(struct recording *r, uint64_t time)
{
	struct buffer *map = &r->kernel_map;

	/* The trailer ends in time, CPU and id. */
	if (map->len > 24)
		memcpy(map->data + map->len - 24, &time, sizeof(time));
	if (!r->failure)
		emit_failed(r, put(r, map->data, map->len));
}

void emit_processes(struct recording *r, uint64_t time)
{
	struct buffer records = {0};

	for (size_t i = 0; i < r->n_targets; i++)
		synth_process(r->session, r->targets[i].pid, time, &records);
	for (size_t i = 0; i < r->n_targets && time != r->started; i++)
		synth_children(r->session, r->targets[i].pid, time, &records);
	if (!r->failure)
		emit_failed(r, put(r, records.data, records.len));
	buffer_free(&records);
}

/* Resolved in one go, in the middle of a recording; each takes some microseconds. */
#define NAMES_AT_ONCE 2000

void emit_names(struct recording *r, bool all)
{
	bool more = r->names != NULL;

	while (more) {
		struct buffer payload = {0};
		uint32_t pid;

		more = names_take(r->names, NAMES_AT_ONCE, &pid, &payload);
		if (more)
			emit_note(r, pid, watch_now(), &payload);
		buffer_free(&payload);
		if (!all)
			return;
	}
}

void emit_remarks(struct recording *r)
{
	char **remarks;
	size_t n;

	if (!r->fetch)
		return;
	remarks = fetch_remarks(r->fetch, &n);
	for (size_t i = 0; i < n; i++) {
		log_warn(r->log, "%s", remarks[i]);
		emit_text(r, 0, xasprintf("loss: %s", remarks[i]));
		free(remarks[i]);
	}
	free(remarks);
}

void emit_gctrace(struct recording *r)
{
	uint32_t pid = (uint32_t)r->targets[0].pid;
	struct tee_line *lines;
	size_t n;

	if (!r->tee)
		return;
	lines = stderr_tee_take(r->tee, &n);
	for (size_t i = 0; i < n; i++) {
		struct buffer payload = {0};

		note_put_gctrace(&payload,
				 &(struct note_gctrace){.pid = pid, .text = lines[i].text});
		emit_note(r, pid, lines[i].time, &payload);
		buffer_free(&payload);
		free(lines[i].text);
	}
	free(lines);
}

void emit_rings(struct recording *r, uint64_t until)
{
	if (r->failure)
		return;
	emit_failed(r, session_drain(r->session, until, put, r));
	if (r->failure)
		return;
	if (r->flight)
		flight_round(r->flight);
	else
		emit_failed(r, perfdata_write_round(r->writer));
}

void emit_flush(struct recording *r)
{
	const struct session_counts *counts = session_counts(r->session);

	if (r->failure || !r->writer)
		return;
	/* Files are put in order by their times: one without an event yet has its own, too. */
	perfdata_writer_times(r->writer, counts->first_time ? counts->first_time : r->file.began,
			      counts->last_time ? counts->last_time : watch_now());
	emit_failed(r, perfdata_writer_flush(r->writer));
}

void emit_spans(struct recording *r, struct watch *watch, pid_t pid, bool whole)
{
	struct spans *spans = span_events_of(r->spans, (uint32_t)pid);

	if (spans)
		watch_spans(watch, spans, whole);
}

/* Once for each binary: what a target starts may be the same again. */
static void add_build_id(const struct symbols_options *options, size_t i, struct buffer *out)
{
	const struct target *target = &options->targets[i];
	struct perfdata_build_id id = {.pid = UINT32_MAX, .path = target->exe};

	for (size_t k = 0; k < i; k++) {
		if (options->targets[k].bin == target->bin)
			return;
	}
	if (target->bin)
		id.id_len = (uint8_t)gobin_gnu_build_id(target->bin, id.id);
	if (id.id_len)
		perfdata_encode_build_ids(out, &id, 1);
}

void emit_symbols(struct recording *r)
{
	struct symbols_options options = {
		.arrays = r->arrays,
		.n_arrays = r->n_arrays,
		.unwinds = r->options->native,
	};
	struct perfdata_build_id kernel = {.pid = UINT32_MAX, .path = "[kernel.kallsyms]"};
	struct buffer table = {0}, rules = {0}, build_ids = {0};
	struct target *all;
	uint64_t *biases;
	struct error *err;

	options.n_targets =
		children_append(r->children, r->targets, r->biases, r->n_targets, &all, &biases);
	options.targets = all;
	options.load_biases = biases;
	err = symbols_collect(r->file.path, &options, &table, &rules);
	if (err)
		log_warn(r->log, "the trace goes without its symbol table: %s", error_message(err));
	else
		perfdata_writer_feature(r->writer, PERFDATA_FEAT_SYMTAB, table.data, table.len);
	if (!err && rules.len)
		perfdata_writer_feature(r->writer, PERFDATA_FEAT_UNWIND, rules.data, rules.len);
	error_free(err);
	kernel.id_len = (uint8_t)synth_kernel_build_id(kernel.id);
	if (kernel.id_len)
		perfdata_encode_build_ids(&build_ids, &kernel, 1);
	for (size_t i = 0; i < options.n_targets; i++)
		add_build_id(&options, i, &build_ids);
	free(all);
	free(biases);
	if (build_ids.len)
		perfdata_writer_feature(r->writer, PERFDATA_FEAT_BUILD_ID, build_ids.data,
					build_ids.len);
	buffer_free(&table);
	buffer_free(&rules);
	buffer_free(&build_ids);
}
