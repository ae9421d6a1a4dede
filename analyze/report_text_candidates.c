#include "analyze/report_text_parts.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_FRAMES 12 /* of a stack, unless verbose */

/* Worth its evidence and stack: what leaks or may come to. */
static bool is_suspect(const struct candidate *candidate)
{
	return verdict_is_leak(candidate->verdict) || candidate->verdict == VERDICT_GROWING;
}

static const char *verdict_style(const struct report *report, enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_LEAK:
		return report_style(report, STYLE_BAD);
	case VERDICT_LIKELY_LEAK:
	case VERDICT_GROWING:
		return report_style(report, STYLE_WARN);
	case VERDICT_TOO_LITTLE:
		return report_style(report, STYLE_FAINT);
	default:
		return "";
	}
}

/* Function, then file and line, in `width` columns: what is too wide is shortened, the line never.
 * The function takes `column` columns where it can. */
static void put_frame(const struct report *report, const struct symtab_frame *frame, size_t width,
		      size_t column)
{
	char *place = report_place(frame, width * 2 / 5), *name;
	size_t taken = units_columns(place) ? units_columns(place) + 2 : 0;
	size_t names = width > taken + 5 ? width - taken : 5, used;

	name = units_shorten(frame->function, names);
	used = units_columns(name);
	column = column > names ? names : column;
	fputs(name, report->out);
	if (place[0])
		fprintf(report->out, "%*s  %s%s%s", used < column ? (int)(column - used) : 0, "",
			report_style(report, STYLE_FAINT), place, report_plain(report));
	fputc('\n', report->out);
	free(name);
	free(place);
}

void report_frame(const struct report *report, const struct symtab_frame *frame, size_t indent,
		  size_t column)
{
	fprintf(report->out, "%*s", (int)indent, "");
	put_frame(report, frame, report->options.width - indent, column);
}

static bool is_runtime(const struct symtab_frame *frame)
{
	return !strncmp(frame->function, "runtime.", 8) ||
	       !strncmp(frame->function, "internal/runtime/", 17);
}

/* The stack from the site outwards. Runs of the runtime's own frames are one line. */
static void print_stack(const struct report *report, const struct site *site)
{
	const struct model *model = report->model;
	uint32_t n = site->stack < model->n_stacks ? model->stacks[site->stack].n : 0, shown = 0;
	size_t widest = 0;

	for (uint32_t i = 0; i < n; i++) {
		size_t width = units_columns(model_frame(model, site, i)->function);

		widest = width > widest && width < 60 ? width : widest;
	}
	for (uint32_t i = 0, end; i < n; i = end) {
		if (shown >= MOST_FRAMES && !report->options.verbose) {
			fprintf(report->out, "        (%" PRIu32 " more frames)\n", n - i);
			return;
		}
		for (end = i; end < n && is_runtime(model_frame(model, site, end)); end++)
			;
		if (end > i + 1) {
			fprintf(report->out, "        %s(%" PRIu32 " frames of the runtime)%s\n",
				report_style(report, STYLE_FAINT), end - i, report_plain(report));
		} else {
			end = i + 1;
			report_frame(report, model_frame(model, site, i), 8, widest);
		}
		shown++;
	}
}

/* The first line of a suspect, its verdict in colour: rank, verdict, growth, what is live. */
static void print_verdict(const struct report *report, size_t rank,
			  const struct candidate *candidate)
{
	const struct model *model = report->model;
	char *error = xstrdup(""), *process = xstrdup("");

	if (candidate->live_bytes_error > 0) {
		free(error);
		error = xasprintf(" +- %s", units_bytes(candidate->live_bytes_error).text);
	}
	if (model->n_processes > 1) {
		free(process);
		process = xasprintf(", process %" PRIu32,
				    model->processes[model->sites[candidate->site].process].pid);
	}
	fprintf(report->out, "\n%3zu. %s", rank, verdict_style(report, candidate->verdict));
	fprintf(report->out, "%s%s", verdict_name(candidate->verdict), report_plain(report));
	report_wrap_on(
		report, 5 + strlen(verdict_name(candidate->verdict)), 5,
		", %s sure: %s, live %s%s%s", units_percent(candidate->confidence).text,
		units_growth_range(candidate->growth, candidate->growth_low, candidate->growth_high)
			.text,
		units_bytes(candidate->live_bytes).text, error, process);
	free(error);
	free(process);
}

static void print_suspect(const struct report *report, size_t rank,
			  const struct candidate *candidate)
{
	const struct site *site = &report->model->sites[candidate->site];

	print_verdict(report, rank, candidate);
	fputs(report_style(report, STYLE_HEADING), report->out);
	report_frame(report, model_site_frame(report->model, site), 5, 0);
	fputs(report_plain(report), report->out);
	if (candidate->evidence)
		report_wrap(report, 5, 7, "%s", candidate->evidence);
	if (candidate->advice)
		report_wrap(report, 5, 7, "-> %s", candidate->advice);
	print_stack(report, site);
}

/* One line, or two on a narrow terminal: verdict, confidence, live bytes; the site. The growth of
 * what is no suspect is over, and so is not shown. */
static void print_brief(const struct report *report, size_t rank, const struct candidate *candidate)
{
	const struct site *site = &report->model->sites[candidate->site];
	const struct symtab_frame *frame = model_site_frame(report->model, site);
	const size_t used = 49, least = 45;
	size_t width = report->options.width;

	struct units_text live = units_bytes(candidate->live_bytes);

	fprintf(report->out, "%3zu. %s%-19s%s %5s  live %s", rank,
		verdict_style(report, candidate->verdict), verdict_name(candidate->verdict),
		report_plain(report),
		candidate->verdict == VERDICT_TOO_LITTLE
			? ""
			: units_percent(candidate->confidence).text,
		live.text);
	if (width >= used + least) {
		fprintf(report->out, "%*s", (int)(10 - strlen(live.text)), "");
		put_frame(report, frame, width - used, 0);
	} else {
		fputc('\n', report->out);
		report_frame(report, frame, 5, 0);
	}
	if (report->options.verbose && candidate->evidence)
		report_wrap(report, 5, 7, "%s", candidate->evidence);
	if (report->options.verbose && candidate->advice)
		report_wrap(report, 5, 7, "-> %s", candidate->advice);
}

static void print_summary(const struct report *report)
{
	const struct model *model = report->model;
	size_t counts[VERDICT_TOO_LITTLE + 1] = {0};
	double growth = 0;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	for (size_t i = 0; i < model->n_candidates; i++) {
		counts[model->candidates[i].verdict]++;
		growth += verdict_is_leak(model->candidates[i].verdict)
				  ? model->candidates[i].growth
				  : 0;
	}
	for (int v = 0; v <= VERDICT_TOO_LITTLE; v++)
		if (counts[v])
			fprintf(out, "%s%s: %zu", ftell(out) > 0 ? ", " : "",
				verdict_name((enum verdict)v), counts[v]);
	fclose(out);
	if (counts[VERDICT_LEAK] + counts[VERDICT_LIKELY_LEAK])
		report_wrap(report, 2, 2, "%s of %s sites leak, together %s. (%s)",
			    units_count(counts[VERDICT_LEAK] + counts[VERDICT_LIKELY_LEAK]).text,
			    units_count(model->n_candidates).text, units_growth(growth).text, text);
	else if (counts[VERDICT_TOO_LITTLE] == model->n_candidates)
		report_wrap(report, 2, 2, "There is too little evidence to judge any of %s sites.",
			    units_count(model->n_candidates).text);
	else
		report_wrap(report, 2, 2, "None of %s sites is called a leak. (%s)",
			    units_count(model->n_candidates).text, text);
	free(text);
}

/* Why there is nothing to judge, and what to do about it. */
static void explain_absence(const struct report *report)
{
	const struct model *model = report->model;
	const struct process *process =
		model->n_processes ? &model->processes[report->order[0]] : NULL;

	if (!process) {
		report_wrap(report, 2, 2,
			    "No Go process was recorded, so there is no heap to "
			    "judge: record one with `record -p PID` or `record -- "
			    "COMMAND`.");
		return;
	}
	if (model->heap_not_recorded)
		report_wrap(
			report, 2, 2,
			"Births and deaths of objects were not recorded (--heap=counters or off), "
			"so there is nothing to judge sites by: record with --heap=sampled.");
	else if (!process->mem_profile_rate && !process->runtime_init)
		report_wrap(
			report, 2, 2,
			"No birth of an object was seen, and nothing of how this process samples "
			"its heap: the trace holds its start at most. Record it for longer.");
	else if (!process->mem_profile_rate)
		report_wrap(
			report, 2, 2,
			"No birth of an object was sampled: heap sampling is off in this "
			"process (runtime.MemProfileRate is 0). Go 1.17 and later link it out of "
			"programs that use no heap profile. Switch it on from outside with "
			"`record --set-rate=524288`, or import runtime/pprof's heap profile or "
			"net/http/pprof.");
	else
		report_wrap(report, 2, 2,
			    "No birth of an object was sampled, though one is due for every %s "
			    "allocated: the recording is too short, the process allocated next to "
			    "nothing, or the heap was not recorded (--heap=off, or a probe that "
			    "could not be placed: -v shows the recorder's remarks).",
			    units_bytes((double)process->mem_profile_rate).text);
	for (size_t i = 0; i < model->n_texts; i++)
		if (!strncmp(model->texts[i], "heap: ", 6))
			report_wrap(report, 2, 4, "The recorder said: %s", model->texts[i] + 6);
}

struct holder {
	size_t rank;
	double bytes;
};

static int compare_holders(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

/* The candidates that are not shown in full: further suspects, then what holds most, whatever it
 * is; all of them where verbose. Says of how many nothing is shown. */
static void print_others(const struct report *report, size_t shown)
{
	const struct model *model = report->model;
	struct holder *holders = xcalloc(model->n_candidates + 1, sizeof(*holders));
	size_t n = 0, brief = 0;
	bool advised = false;

	for (size_t i = shown; i < model->n_candidates; i++) {
		const struct candidate *candidate = &model->candidates[i];

		if (is_suspect(candidate) || report->options.verbose)
			holders[n++] = (struct holder){i, INFINITY};
		else if (candidate->live_bytes > 0)
			holders[n++] = (struct holder){i, candidate->live_bytes};
	}
	qsort(holders, n, sizeof(*holders), compare_holders);
	for (; brief < n && (isinf(holders[brief].bytes) || brief < report->options.top); brief++) {
		const struct candidate *candidate = &model->candidates[holders[brief].rank];

		if (brief == 0)
			fprintf(report->out, "\n  %s\n",
				shown ? "and further:" : "What holds most:");
		print_brief(report, holders[brief].rank + 1, candidate);
		/* What would be evidence enough is said once. */
		if (candidate->verdict == VERDICT_TOO_LITTLE && candidate->advice && !advised &&
		    !report->options.verbose) {
			report_wrap(report, 5, 7, "-> %s", candidate->advice);
			advised = true;
		}
	}
	free(holders);
	n = model->n_candidates - shown - brief;
	if (n)
		fprintf(report->out, "  (%s more site%s: -v shows %s)\n", units_count(n).text,
			n == 1 ? "" : "s", n == 1 ? "it" : "them");
}

void report_candidates(const struct report *report)
{
	const struct model *model = report->model;
	size_t shown = 0;

	report_heading(report, "Leak candidates");
	if (!model->n_candidates) {
		explain_absence(report);
		return;
	}
	print_summary(report);
	/* Suspects come first in the list. */
	while (shown < model->n_candidates && is_suspect(&model->candidates[shown]) &&
	       (shown < report->options.top || report->options.verbose)) {
		print_suspect(report, shown + 1, &model->candidates[shown]);
		shown++;
	}
	print_others(report, shown);
}
