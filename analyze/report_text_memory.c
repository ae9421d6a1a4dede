#include "analyze/owners.h"
#include "analyze/report_text_parts.h"
#include "analyze/rss.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* An owner with less than this, at the peak and at the end, has no line of its own. */
#define LEAST_BYTES ((uint64_t)64 << 10)
/* Mappings by the calls that made them, unless verbose. */
#define MOST_MAPPINGS 5
#define LEAST_MAPPING 65536.0

#define NAME_WIDTH   18
#define FIGURE_WIDTH 12

static void print_figures(const struct report *report, const char *name, uint64_t peak,
			  uint64_t last, const double *growth)
{
	fprintf(report->out, "  %-*s %*s %*s", NAME_WIDTH, name, FIGURE_WIDTH,
		units_bytes((double)peak).text, FIGURE_WIDTH, units_bytes((double)last).text);
	if (growth)
		fprintf(report->out, " %*s", FIGURE_WIDTH + 4,
			*growth != 0 ? units_growth(*growth).text : "-");
	fputc('\n', report->out);
}

static void print_table(const struct report *report, const struct rss_summary *summary)
{
	const struct rss_point *peak = summary->peak, *last = summary->last;
	char *when = xasprintf("at %s", report_time(report, peak->time).text);

	fprintf(report->out, "%s  %-*s %*s %*s%*s%s\n", report_style(report, STYLE_FAINT),
		NAME_WIDTH, "", FIGURE_WIDTH, when, FIGURE_WIDTH, "at the end",
		summary->has_growth ? FIGURE_WIDTH + 5 : 0, summary->has_growth ? "growth" : "",
		report_plain(report));
	free(when);
	for (int i = 0; i < OWNER_COUNT; i++) {
		if (peak->owners[i] < LEAST_BYTES && last->owners[i] < LEAST_BYTES)
			continue;
		print_figures(report, owner_name((enum memory_owner)i), peak->owners[i],
			      last->owners[i], summary->has_growth ? &summary->growth[i] : NULL);
	}
	print_figures(report, "RSS", peak->rss, last->rss,
		      summary->has_growth ? &summary->total_growth : NULL);
}

/* What grew most, where growth is worth a word. */
static void print_growth(const struct report *report, const struct rss_summary *summary)
{
	int most = 0;

	for (int i = 1; i < OWNER_COUNT; i++)
		if (summary->growth[i] > summary->growth[most])
			most = i;
	if (!summary->has_growth || summary->last->rss < summary->first->rss * 1.02 ||
	    summary->growth[most] <= 0)
		return;
	report_wrap(report, 2, 2, "RSS grew from %s to %s; most of that is %s (%s).",
		    units_bytes((double)summary->first->rss).text,
		    units_bytes((double)summary->last->rss).text,
		    owner_name((enum memory_owner)most), units_growth(summary->growth[most]).text);
}

static void print_remedies(const struct report *report, uint32_t process,
			   const struct rss_summary *summary)
{
	for (int i = 0; i < OWNER_COUNT; i++) {
		char *text = rss_remedy_text(report->model, process, summary, (enum memory_owner)i);

		if (text)
			report_wrap(report, 2, 5, "-> %s", text);
		free(text);
	}
}

static void print_limit(const struct report *report, uint32_t process)
{
	struct rss_limit limit =
		rss_limit(report->model, process, report->model->memory_limit, true);
	const char *control = report->model->processes[process].limits.control;
	const char *kind = rss_limit_kind(report->model, process, &limit);
	uint64_t ns = rss_limit_in(&limit);
	char *name;

	if (!kind)
		return;
	if (!strcmp(kind, "cgroup") && control)
		name = xasprintf("the limit of the control group %s", control);
	else
		name = xstrdup(limit.what[0] ? limit.what : "the limit given");
	if (limit.used >= limit.bytes)
		report_wrap(report, 2, 2, "The lowest limit, %s (%s), is reached: %s is %s.",
			    units_bytes((double)limit.bytes).text, name, limit.of,
			    units_bytes((double)limit.used).text);
	else if (ns)
		report_wrap(report, 2, 2,
			    "At this pace the lowest limit, %s (%s), is reached %s after the end.",
			    units_bytes((double)limit.bytes).text, name, units_duration(ns).text);
	else
		report_wrap(report, 2, 2, "The lowest limit is %s (%s).",
			    units_bytes((double)limit.bytes).text, name);
	free(name);
}

static int by_bytes(const void *a, const void *b)
{
	const struct mapped_share *const *left = a, *const *right = b;

	if ((*left)->last != (*right)->last)
		return (*left)->last < (*right)->last ? 1 : -1;
	return (*left)->stack < (*right)->stack ? -1 : 1;
}

/* Mappings by the calls that made them; what the runtime or nobody seen has made is left out. */
static void print_mappings(const struct report *report, uint32_t process)
{
	const struct model *model = report->model;
	const struct mapped_share **shares = xcalloc(model->n_shares + 1, sizeof(*shares));
	size_t n = 0, most = report->options.verbose ? SIZE_MAX : MOST_MAPPINGS;

	for (size_t i = 0; i < model->n_shares; i++) {
		const struct mapped_share *share = &model->shares[i];

		if (share->process == process && share->stack != UINT32_MAX &&
		    share->owner != OWNER_GO_RUNTIME && share->last >= LEAST_MAPPING)
			shares[n++] = share;
	}
	qsort(shares, n, sizeof(*shares), by_bytes);
	if (n)
		report_wrap(report, 2, 2, "In RAM at the end of what these calls mapped:");
	for (size_t i = 0; i < n && i < most; i++) {
		const struct site site = {
			.process = process, .stack = shares[i]->stack, .kind = SITE_MAPPING};
		const struct symtab_frame *frame = model_site_frame(model, &site);
		char *place = report_place(frame, 40);

		fprintf(report->out, "  %*s  %-15s ", FIGURE_WIDTH,
			units_bytes(shares[i]->last).text, owner_name(shares[i]->owner));
		report_put(report, frame->function, 40);
		fprintf(report->out, "  %s\n", place);
		free(place);
	}
	if (n > most)
		fprintf(report->out, "  and %zu more (-v shows them)\n", n - most);
	free(shares);
}

static void print_memory(const struct report *report, uint32_t process)
{
	const struct process *p = &report->model->processes[process];
	struct rss_summary summary;
	char *text;

	if (!rss_summarise(report->model, process, &summary))
		return;
	text = report->model->n_processes > 1
		       ? xasprintf("Where the RSS of process %" PRIu32 " is", p->pid)
		       : xstrdup("Where RSS is");
	report_heading(report, text);
	free(text);
	print_table(report, &summary);
	text = rss_gap_text(summary.peak);
	report_wrap(report, 2, 2, "At its peak %s", text);
	free(text);
	print_growth(report, &summary);
	print_remedies(report, process, &summary);
	print_limit(report, process);
	print_mappings(report, process);
}

void report_memory(const struct report *report)
{
	for (size_t i = 0; i < report->model->n_processes; i++)
		if (report_shows_process(report, i))
			print_memory(report, report->order[i]);
}
