#include "analyze/program.h"
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
void report_frame_on(const struct report *report, const struct symtab_frame *frame, size_t width,
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
	report_frame_on(report, frame, report->options.width - indent, column);
}

static bool is_runtime(const struct symtab_frame *frame)
{
	return !strncmp(frame->function, "runtime.", 8) ||
	       !strncmp(frame->function, "internal/runtime/", 17);
}

/* The frames of a stack from the site outwards: of a call chain also those inlined. */
static const struct symtab_frame **stack_frames(const struct model *model, const struct site *site,
						size_t *n)
{
	uint32_t n_pcs = model_stack_length(model, site);
	const struct symtab_frame **frames = NULL;
	size_t cap = 0;

	*n = 0;
	for (uint32_t i = 0; i < n_pcs; i++) {
		size_t n_inlined;
		const struct symtab_frame *inlined = model_frames(model, site, i, &n_inlined);

		xgrow(frames, cap, *n + n_inlined);
		for (size_t k = 0; k < n_inlined; k++)
			frames[(*n)++] = &inlined[k];
	}
	return frames;
}

/* The stack from the site outwards. Runs of the runtime's own frames are one line. */
static void print_stack(const struct report *report, const struct site *site)
{
	size_t n, shown = 0, widest = 0;
	const struct symtab_frame **frames = stack_frames(report->model, site, &n);

	for (size_t i = 0; i < n; i++) {
		size_t width = units_columns(frames[i]->function);

		widest = width > widest && width < 60 ? width : widest;
	}
	for (size_t i = 0, end; i < n; i = end) {
		if (shown >= MOST_FRAMES && !report->options.verbose) {
			fprintf(report->out, "        (%zu more frames)\n", n - i);
			break;
		}
		for (end = i; end < n && is_runtime(frames[end]); end++)
			;
		if (end > i + 1) {
			fprintf(report->out, "        %s(%zu frames of the runtime)%s\n",
				report_style(report, STYLE_FAINT), end - i, report_plain(report));
		} else {
			end = i + 1;
			report_frame(report, frames[i], 8, widest);
		}
		shown++;
	}
	free(frames);
}

static bool is_counted(const struct site *site)
{
	return site->kind == SITE_GOROUTINE || site->kind == SITE_THREAD;
}

/* "leak", "goroutine leak", "likely thread leak", "mappings growing". */
static struct units_text verdict_label(const struct candidate *candidate, const struct site *site)
{
	const char *kind = site_kind_name(site->kind), *verdict = verdict_name(candidate->verdict);
	struct units_text out;

	if (site->kind == SITE_HEAP || candidate->verdict == VERDICT_TOO_LITTLE)
		snprintf(out.text, sizeof(out.text), "%s", verdict);
	else if (candidate->verdict == VERDICT_LIKELY_LEAK)
		snprintf(out.text, sizeof(out.text), "likely %s leak", kind);
	else if (candidate->verdict == VERDICT_LEAK)
		snprintf(out.text, sizeof(out.text), "%s leak", kind);
	else if (candidate->verdict == VERDICT_CACHE)
		snprintf(out.text, sizeof(out.text), "%s %s", kind,
			 is_counted(site) ? "pool" : "cache");
	else
		snprintf(out.text, sizeof(out.text), "%s %s", site_kind_unit(site->kind), verdict);
	return out;
}

/* The columns that labels take in a list. */
static int label_columns(const struct model *model)
{
	for (size_t i = 0; i < model->n_candidates; i++)
		if (model->sites[model->candidates[i].site].kind != SITE_HEAP)
			return 21;
	return 19;
}

/* "+61.2 MiB/h (58.9 to 63.6)"; of what is counted rather than weighed, "+480 goroutines/h, ..." */
static char *growth_text(const struct candidate *candidate, const struct site *site)
{
	struct units_text range = units_growth_range(candidate->growth, candidate->growth_low,
						     candidate->growth_high);

	if (candidate->resident_known)
		return xasprintf("%s in RAM, %s of address space", range.text,
				 units_growth(candidate->mapped_growth).text);
	if (!is_counted(site))
		return xstrdup(range.text);
	if (candidate->held_growth <= 0)
		return xasprintf("%s%s %s/h, %s", candidate->growth_objects < 0 ? "-" : "+",
				 units_count((uint64_t)fabs(candidate->growth_objects)).text,
				 site_kind_unit(site->kind), range.text);
	return xasprintf("%s%s %s/h, %s and %s of heap that they hold",
			 candidate->growth_objects < 0 ? "-" : "+",
			 units_count((uint64_t)fabs(candidate->growth_objects)).text,
			 site_kind_unit(site->kind), range.text,
			 units_growth(candidate->held_growth).text);
}

static char *live_text(const struct candidate *candidate, const struct site *site)
{
	if (is_counted(site))
		return xasprintf("%s %s%s", units_count(candidate->survivors).text,
				 site_kind_name(site->kind), candidate->survivors == 1 ? "" : "s");
	if (candidate->resident_known)
		return xasprintf("%s in RAM", units_bytes(candidate->resident_bytes).text);
	return xstrdup(units_bytes(candidate->live_bytes).text);
}

/* The first line of a suspect, its verdict in colour: rank, verdict, growth, what is live. */
static void print_verdict(const struct report *report, size_t rank,
			  const struct candidate *candidate)
{
	const struct model *model = report->model;
	const struct site *site = &model->sites[candidate->site];
	struct units_text label = verdict_label(candidate, site);
	char *error = xstrdup(""), *process = xstrdup("");
	char *growth = growth_text(candidate, site), *live = live_text(candidate, site);

	if (candidate->live_bytes_error > 0) {
		free(error);
		error = xasprintf(" +- %s", units_bytes(candidate->live_bytes_error).text);
	}
	if (model->n_processes > 1) {
		free(process);
		process = xasprintf(", process %" PRIu32, model->processes[site->process].pid);
	}
	fprintf(report->out, "\n%3zu. %s", rank, verdict_style(report, candidate->verdict));
	fprintf(report->out, "%s%s", label.text, report_plain(report));
	report_wrap_on(report, 5 + strlen(label.text), 5, ", %s sure: %s, live %s%s%s",
		       units_percent(candidate->confidence).text, growth, live, error, process);
	free(growth);
	free(live);
	free(error);
	free(process);
}

/* What a go statement starts. */
static void print_started(const struct report *report, const struct site *site)
{
	const struct symtab_frame *frame = model_started(report->model, site);

	if (!frame)
		return;
	fputs("     starts ", report->out);
	report_frame_on(report, frame, report->options.width - strlen("     starts "), 0);
}

/* Where a function of the standard library names the site: which of the program's called it. */
static void print_caller(const struct report *report, const struct site *site)
{
	const struct symtab_frame *frame = program_frame(report->model, site);

	if (!frame)
		return;
	fputs("     for ", report->out);
	report_frame_on(report, frame, report->options.width - strlen("     for "), 0);
}

/* The others of the same cause, which follow it: where they differ from it. */
static void print_parts(const struct report *report, size_t index)
{
	const struct model *model = report->model;
	double growth = model->candidates[index].growth;
	size_t end = index + 1;

	while (end < model->n_candidates && model->candidates[end].leader == index)
		growth += model->candidates[end++].growth;
	if (end == index + 1)
		return;
	report_wrap(report, 5, 7, "with the same cause, together %s:", units_growth(growth).text);
	for (size_t i = index + 1; i < end; i++) {
		const struct candidate *part = &model->candidates[i];
		const struct site *site = &model->sites[part->site];
		char *live = live_text(part, site);

		fprintf(report->out, "       %s, live %s\n", units_growth(part->growth).text, live);
		report_frame(report, model_site_frame(model, site), 9, 0);
		free(live);
	}
}

static void print_suspect(const struct report *report, size_t rank,
			  const struct candidate *candidate)
{
	const struct site *site = &report->model->sites[candidate->site];

	print_verdict(report, rank, candidate);
	fputs(report_style(report, STYLE_HEADING), report->out);
	report_frame(report, model_site_frame(report->model, site), 5, 0);
	fputs(report_plain(report), report->out);
	print_caller(report, site);
	print_started(report, site);
	if (candidate->evidence)
		report_wrap(report, 5, 7, "%s", candidate->evidence);
	if (candidate->advice)
		report_wrap(report, 5, 7, "-> %s", candidate->advice);
	print_stack(report, site);
	print_parts(report, rank - 1);
}

/* What a line of the list names: the program's function, and behind it, where there is room, that
 * of the standard library by which it got there. */
static void print_brief_frame(const struct report *report, const struct site *site, size_t width)
{
	const struct symtab_frame *inner = model_site_frame(report->model, site);
	const struct symtab_frame *caller = program_frame(report->model, site);
	struct symtab_frame frame = caller ? *caller : *inner;
	char *name = xasprintf("%s (%s)", frame.function, inner->function);

	/* The place takes two fifths at most. */
	if (caller && units_columns(name) <= width * 3 / 5)
		frame.function = name;
	report_frame_on(report, &frame, width, 0);
	free(name);
}

/* One line, or two on a narrow terminal: verdict, confidence, live bytes; the site. The growth of
 * what is no suspect is over, and so is not shown. */
static void print_brief(const struct report *report, size_t rank, const struct candidate *candidate)
{
	const struct site *site = &report->model->sites[candidate->site];
	const int columns = label_columns(report->model), live_columns = columns > 19 ? 17 : 10;
	const size_t used = 20 + (size_t)columns + (size_t)live_columns, least = 45;
	size_t width = report->options.width;
	char *live = live_text(candidate, site);

	fprintf(report->out, "%3zu. %s%-*s%s %5s  live %s", rank,
		verdict_style(report, candidate->verdict), columns,
		verdict_label(candidate, site).text, report_plain(report),
		candidate->verdict == VERDICT_TOO_LITTLE
			? ""
			: units_percent(candidate->confidence).text,
		live);
	if (width >= used + least) {
		fprintf(report->out, "%*s",
			units_columns(live) < (size_t)live_columns
				? live_columns - (int)units_columns(live)
				: 1,
			"");
		print_brief_frame(report, site, width - used);
	} else {
		fputs("\n     ", report->out);
		print_brief_frame(report, site, width - 5);
	}
	free(live);
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

/* A GC cycle comes when megabytes have been allocated, unless it is forced: where there are fewer
 * samples than cycles, the runtime does not sample. */
static bool hardly_sampled(const struct model *model)
{
	size_t cycles = 0;

	for (size_t i = 0; i < model->n_cycles; i++)
		cycles += !model->cycles[i].forced;
	return model->births < cycles;
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
	if (model->heap_not_recorded && process->mem_profile_rate)
		report_wrap(
			report, 2, 2,
			"Births and deaths of objects were not recorded (--heap=off), so there is "
			"nothing to judge sites of the Go heap by: record with --heap=sampled.");
	else if (!process->mem_profile_rate && !process->runtime_init)
		report_wrap(
			report, 2, 2,
			"No birth of an object was seen, and nothing of how this process samples "
			"its heap: the trace holds its start at most. Record it for longer.");
	else if (!process->mem_profile_rate || hardly_sampled(model))
		report_wrap(
			report, 2, 2,
			"Hardly an object of the Go heap was sampled: heap sampling is off in this "
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

static int compare_ranks(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	return (x->rank > y->rank) - (x->rank < y->rank);
}

/* The candidates that are not shown in full: further suspects, then what holds most, whatever it
 * is; all of them where verbose. Says of how many nothing is shown. */
static void print_others(const struct report *report, size_t shown)
{
	const struct model *model = report->model;
	struct holder *holders = xcalloc(model->n_candidates + 1, sizeof(*holders));
	size_t n = 0, chosen = 0, brief = 0;
	bool advised = false;

	for (size_t i = shown; i < model->n_candidates; i++) {
		const struct candidate *candidate = &model->candidates[i];

		if (is_suspect(candidate) || report->options.verbose)
			holders[n++] = (struct holder){i, INFINITY};
		else if (candidate->live_bytes > 0)
			holders[n++] = (struct holder){i, candidate->resident_known
								  ? candidate->resident_bytes
								  : candidate->live_bytes};
	}
	qsort(holders, n, sizeof(*holders), compare_holders);
	while (chosen < n && (isinf(holders[chosen].bytes) || chosen < report->options.top))
		chosen++;
	/* What is shown is in the order of the list. */
	qsort(holders, chosen, sizeof(*holders), compare_ranks);
	for (; brief < chosen; brief++) {
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
	if (!model->n_candidates || hardly_sampled(model))
		explain_absence(report);
	if (!model->n_candidates)
		return;
	print_summary(report);
	/* Suspects come first in the list. */
	while (shown < model->n_candidates && is_suspect(&model->candidates[shown]) &&
	       (shown < report->options.top || report->options.verbose)) {
		size_t first = shown++;

		print_suspect(report, first + 1, &model->candidates[first]);
		while (shown < model->n_candidates && model->candidates[shown].leader == first)
			shown++;
	}
	print_others(report, shown);
}
