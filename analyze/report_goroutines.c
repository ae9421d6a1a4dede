/* Goroutines in the reports: how many there were before and are there now, by go statement. */

#include "analyze/goroutines.h"
#include "analyze/report_json_parts.h"
#include "analyze/report_text_parts.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MOST_STATEMENTS 8 /* unless verbose */

static uint64_t now_of(const struct go_statement *statement)
{
	return statement->before_now + statement->started - statement->ended;
}

/* ---- Text ------------------------------------------------------------------------------- */

static void print_numbers(const struct report *report, const struct goroutine_summary *summary)
{
	uint64_t runtime = summary->before_of_runtime;

	if (summary->before_known)
		report_wrap(report, 2, 4,
			    "%s%s were there when the %s began: %s of the program, %s of the Go "
			    "runtime. %s of these have ended.",
			    summary->left_out ? "At least " : "", units_count(summary->before).text,
			    report->model->from ? "time that is looked at" : "recording",
			    units_count(summary->before - runtime).text, units_count(runtime).text,
			    units_count(summary->before_ended).text);
	report_wrap(report, 2, 4,
		    "%s have started since, %s of these ended; %s%s were there at its end, %s "
		    "at most at a time.",
		    units_count(summary->started).text, units_count(summary->ended).text,
		    summary->before_known ? "" : "of what started, ",
		    units_count(summary->now).text, units_count(summary->most).text);
}

/* "900 waited at the beginning: chan receive, the longest for 2h05m" */
static char *waiting_text(const struct go_statement *statement, uint64_t listed)
{
	char *since = xstrdup(""), *text;

	if (!statement->waiting || !statement->waits_for) {
		free(since);
		return NULL;
	}
	if (statement->waits_since && statement->waits_since < listed) {
		free(since);
		since = xasprintf(", the longest for %s",
				  units_duration(listed - statement->waits_since).text);
	}
	text = xasprintf("%s waited at the beginning: %s%s", units_count(statement->waiting).text,
			 statement->waits_for, since);
	free(since);
	return text;
}

static void print_statement(const struct report *report, const struct go_statement *statement,
			    bool before_known, uint64_t listed)
{
	const struct site *site = &report->model->sites[statement->site];
	const struct symtab_frame *starts = model_started(report->model, site);
	/* The first one is made by assembly code that says nothing. */
	bool is_main = starts && !strcmp(starts->function, "runtime.main");
	char *waiting = waiting_text(statement, listed);

	if (before_known)
		fprintf(report->out, "  %10s", units_count(statement->before).text);
	fprintf(report->out, "  %10s  %10s  ", units_count(statement->started).text,
		units_count(now_of(statement)).text);
	report_frame_on(report, is_main ? starts : model_site_frame(report->model, site),
			report->options.width - (before_known ? 38 : 26), 0);
	if (starts && !is_main && report->options.verbose) {
		fputs("      starts ", report->out);
		report_frame_on(report, starts, report->options.width - strlen("      starts "), 0);
	}
	if (waiting)
		report_wrap(report, 6, 8, "%s", waiting);
	free(waiting);
}

static void print_process(const struct report *report, uint32_t process,
			  const struct goroutine_summary *summary)
{
	const struct process *p = &report->model->processes[process];
	size_t most = report->options.verbose ? summary->n_statements : MOST_STATEMENTS;
	char *heading = report->model->n_processes > 1
				? xasprintf("Goroutines of process %" PRIu32, p->pid)
				: xstrdup("Goroutines");

	report_heading(report, heading);
	free(heading);
	print_numbers(report, summary);
	if (summary->before_known)
		fprintf(report->out, "  %10s", "before");
	fprintf(report->out, "  %10s  %10s  %s\n", "started", "at the end", "go statement");
	for (size_t i = 0; i < summary->n_statements && i < most; i++)
		print_statement(report, &summary->statements[i], summary->before_known,
				p->goroutines_listed);
	if (summary->n_statements > most)
		fprintf(report->out, "  and %zu more (-v shows them)\n",
			summary->n_statements - most);
}

void report_goroutines(const struct report *report)
{
	for (size_t i = 0; i < report->model->n_processes; i++) {
		struct goroutine_summary summary;

		if (!report_shows_process(report, i))
			continue;
		goroutines_summarise(report->model, report->order[i], &summary);
		if (summary.recorded)
			print_process(report, report->order[i], &summary);
		goroutines_free_summary(&summary);
	}
}

/* ---- JSON ------------------------------------------------------------------------------- */

static void put_statement(struct json_report *report, const struct go_statement *statement)
{
	const struct site *site = &report->model->sites[statement->site];
	const struct symtab_frame *starts = model_started(report->model, site);
	struct json *json = &report->json;

	json_object(json, NULL);
	report_json_frame(report, model_site_frame(report->model, site));
	if (starts) {
		json_object(json, "starts");
		report_json_frame(report, starts);
		json_end(json);
	} else {
		json_null(json, "starts");
	}
	json_bool(json, "of_runtime", statement->of_runtime);
	json_u64(json, "before", statement->before);
	json_u64(json, "before_ended", statement->before - statement->before_now);
	json_u64(json, "started", statement->started);
	json_u64(json, "ended", statement->ended);
	json_u64(json, "now", now_of(statement));
	if (statement->waits_for)
		json_string(json, "waits_for", statement->waits_for);
	else
		json_null(json, "waits_for");
	json_u64(json, "waiting", statement->waits_for ? statement->waiting : 0);
	report_json_known(report, "waits_since_ns", statement->waits_since);
	json_end(json);
}

void report_json_goroutines(struct json_report *report)
{
	struct json *json = &report->json;

	json_array(json, "goroutines");
	for (uint32_t i = 0; i < report->model->n_processes; i++) {
		struct goroutine_summary summary;

		goroutines_summarise(report->model, i, &summary);
		if (!summary.recorded) {
			goroutines_free_summary(&summary);
			continue;
		}
		json_object(json, NULL);
		json_u64(json, "process", i);
		json_bool(json, "before_known", summary.before_known);
		report_json_known(report, "listed_ns",
				  report->model->processes[i].goroutines_listed);
		json_u64(json, "left_out", summary.left_out);
		json_u64(json, "before", summary.before);
		json_u64(json, "before_of_runtime", summary.before_of_runtime);
		json_u64(json, "before_ended", summary.before_ended);
		json_u64(json, "started", summary.started);
		json_u64(json, "ended", summary.ended);
		json_u64(json, "now", summary.now);
		json_u64(json, "most", summary.most);
		json_array(json, "statements");
		for (size_t k = 0; k < summary.n_statements; k++)
			put_statement(report, &summary.statements[k]);
		json_end(json);
		json_end(json);
		goroutines_free_summary(&summary);
	}
	json_end(json);
}
