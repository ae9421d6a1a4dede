#include "analyze/report_text_gates.h"

#include "analyze/comparison.h"
#include "analyze/gates.h"
#include "analyze/report_text_parts.h"

#include <errno.h>
#include <stdlib.h>

#define MOST_CHANGES 15 /* shown, unless verbose */

/* ---- Comparison ------------------------------------------------------------------------- */

static void print_totals(const struct report *report, const struct comparison *comparison)
{
	const struct comparison_total *before = &comparison->before, *now = &comparison->now;

	report_wrap(report, 2, 2,
		    "Against %s: %s of it, %s allocated in %s samples; now %s, %s in %s. Going "
		    "by the sites that both have, %.2fx the work was done. A site counts as "
		    "changed where what it allocates for the same work, or its growth, differs "
		    "by more than chance (false discovery rate %g).",
		    before->path, units_duration((uint64_t)(before->seconds * 1e9)).text,
		    units_bytes(before->bytes).text, units_count((uint64_t)before->births).text,
		    units_duration((uint64_t)(now->seconds * 1e9)).text,
		    units_bytes(now->bytes).text, units_count((uint64_t)now->births).text,
		    comparison->work, COMPARISON_Q);
}

static enum report_style change_style(enum comparison_change change)
{
	if (change == CHANGE_NEW || change == CHANGE_MORE)
		return STYLE_BAD;
	return change == CHANGE_SAME ? STYLE_FAINT : STYLE_GOOD;
}

static void print_row(const struct report *report, const struct comparison_row *row)
{
	fprintf(report->out, "  %s%-5s%s", report_style(report, change_style(row->change)),
		comparison_change_id(row->change), report_plain(report));
	report_put(report, row->function, report->options.width - 10);
	fputc('\n', report->out);
	fprintf(report->out, "       allocates %s/s, was %s/s",
		units_bytes(row->now.alloc_rate).text, units_bytes(row->before.alloc_rate).text);
	if (row->ratio > 0)
		fprintf(report->out, " (for the same work x%.3g)", row->ratio);
	if (row->grows || row->now.growth != 0 || row->before.growth != 0)
		fprintf(report->out, "; grows by %s, was %s", units_growth(row->now.growth).text,
			units_growth(row->before.growth).text);
	fprintf(report->out, "; q %.2g\n", row->q_value);
}

static void print_comparison(const struct report *report, const struct comparison *comparison)
{
	size_t changed = 0, shown = 0;

	report_heading(report, "Comparison");
	print_totals(report, comparison);
	while (changed < comparison->n_rows && comparison->rows[changed].change != CHANGE_SAME)
		changed++;
	for (; shown < changed && (report->options.verbose || shown < MOST_CHANGES); shown++)
		print_row(report, &comparison->rows[shown]);
	if (shown < changed)
		report_wrap(report, 2, 2, "(%zu more that changed: -v shows them)",
			    changed - shown);
	report_wrap(report, 2, 2, "%s of %s sites changed.", units_count(changed).text,
		    units_count(comparison->n_rows).text);
}

/* ---- Gates ------------------------------------------------------------------------------ */

static void print_gate(const struct report *report, const struct gate *gate)
{
	static const enum report_style styles[] = {[GATE_PASSED] = STYLE_GOOD,
						   [GATE_TRIPPED] = STYLE_BAD,
						   [GATE_UNKNOWN] = STYLE_WARN};
	static const char *const marks[] = {
		[GATE_PASSED] = "ok  ", [GATE_TRIPPED] = "FAIL", [GATE_UNKNOWN] = "??  "};

	fprintf(report->out, "  %s%s%s ", report_style(report, styles[gate->result]),
		marks[gate->result], report_plain(report));
	report_wrap_on(report, 7, 7, "%s", gate->text);
	if (gate->result == GATE_UNKNOWN)
		report_wrap(report, 7, 9, "not decided: %s", gate->needs);
	else if (gate->values[0])
		report_wrap(report, 7, 9, "%s", gate->values);
}

static void print_gates(const struct report *report, const struct gates *gates)
{
	report_heading(report, "Gates");
	for (size_t i = 0; i < gates->n; i++)
		print_gate(report, &gates->items[i]);
}

struct error *report_text_gates(FILE *out, const struct findings *findings,
				const struct report_options *options)
{
	struct report report = {.out = out, .model = &findings->model, .options = *options};

	if (!report.options.width)
		report.options.width = 100;
	if (findings->comparison)
		print_comparison(&report, findings->comparison);
	if (findings->gates && findings->gates->n)
		print_gates(&report, findings->gates);
	return ferror(out) ? error_errno(errno, "cannot write the report") : NULL;
}
