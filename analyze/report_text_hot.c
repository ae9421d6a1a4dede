#include "analyze/report_text_parts.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define MOST_CALLERS 5 /* shown of a stack, unless verbose */

/* A site by the bytes that a view is about. */
struct spot {
	const struct site *site;
	double bytes;
	uint64_t births;
};

static int compare_spots(const void *a, const void *b)
{
	const struct spot *left = a, *right = b;

	if (left->bytes != right->bytes)
		return left->bytes > right->bytes ? -1 : 1;
	return (left->site > right->site) - (left->site < right->site);
}

/* The sites of which there are births, the largest first. */
static struct spot *list_spots(const struct model *model, bool near, size_t *n, double *sum)
{
	struct spot *spots = xcalloc(model->n_sites + 1, sizeof(*spots));

	*n = 0;
	*sum = 0;
	for (size_t i = 0; i < model->n_sites; i++) {
		const struct site *site = &model->sites[i];
		struct spot spot = {site, near ? site->near_est_bytes : site->est_births_bytes,
				    near ? site->near_births : site->births};

		if (site->kind != SITE_HEAP || !spot.births)
			continue;
		spots[(*n)++] = spot;
		*sum += spot.bytes;
	}
	qsort(spots, *n, sizeof(*spots), compare_spots);
	return spots;
}

static bool is_runtime(const struct symtab_frame *frame)
{
	return !strncmp(frame->function, "runtime.", 8) ||
	       !strncmp(frame->function, "internal/runtime/", 17);
}

/* The allocating function and those that called it, without the runtime's own. */
static void print_chain(const struct report *report, const struct site *site)
{
	const struct model *model = report->model;
	uint32_t n = model_stack_length(model, site), shown = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct symtab_frame *frame = model_frame(model, site, i);

		if (is_runtime(frame))
			continue;
		if (shown > MOST_CALLERS && !report->options.verbose)
			break;
		report_frame(report, frame, shown ? 10 : 8, 44);
		shown++;
	}
	if (!shown)
		report_frame(report, model_site_frame(model, site), 8, 44);
}

static void print_spots(const struct report *report, bool near, double seconds)
{
	size_t n, top = report->options.top;
	struct spot *spots;
	double sum;

	spots = list_spots(report->model, near, &n, &sum);
	for (size_t i = 0; i < n && (i < top || report->options.verbose); i++) {
		const struct spot *spot = &spots[i];

		fprintf(report->out, "%3zu. %s of it: %s", i + 1,
			units_percent(spot->bytes / sum).text, units_bytes(spot->bytes).text);
		if (seconds > 0)
			fprintf(report->out, ", %s/s", units_bytes(spot->bytes / seconds).text);
		fprintf(report->out, ", in %s samples", units_count(spot->births).text);
		if (spot->site->min_size == spot->site->max_size)
			fprintf(report->out, " of %s",
				units_bytes((double)spot->site->max_size).text);
		else
			fprintf(report->out, " of %s to %s",
				units_bytes((double)spot->site->min_size).text,
				units_bytes((double)spot->site->max_size).text);
		fputc('\n', report->out);
		print_chain(report, spot->site);
	}
	if (n > top && !report->options.verbose)
		report_wrap(report, 2, 2, "(%zu more sites: -v shows them)", n - top);
	free(spots);
}

static double sum_births(const struct model *model, bool near)
{
	double sum = 0;

	for (size_t i = 0; i < model->n_sites; i++) {
		const struct site *site = &model->sites[i];

		if (site->kind == SITE_HEAP)
			sum += near ? site->near_est_bytes : site->est_births_bytes;
	}
	return sum;
}

static void print_hot(const struct report *report)
{
	const struct model *model = report->model;
	double seconds = (double)(model->last_time - model->first_time) / 1e9;

	report_heading(report, "Allocation");
	if (sum_births(model, false) <= 0) {
		report_wrap(report, 2, 2, "No sampled allocation was recorded.");
		return;
	}
	report_wrap(report, 2, 2,
		    "%s in all, %s/s, by the samples. What allocates most need not leak.",
		    units_bytes(sum_births(model, false)).text,
		    units_bytes(sum_births(model, false) / seconds).text);
	print_spots(report, false, seconds);
}

static void print_near(const struct report *report)
{
	const struct model *model = report->model;
	const struct process *process;
	uint64_t time = 0, times = 0;
	bool known = false;

	report_heading(report, "Near the goal");
	for (size_t i = 0; i < model->n_processes; i++) {
		time += model->processes[i].near_time;
		times += model->processes[i].near_times;
		known |= model->processes[i].near_known;
	}
	if (!known) {
		report_wrap(
			report, 2, 2,
			"The goal of the heap was not seen: no GC cycle was recorded, or GOGC is "
			"off.");
		return;
	}
	process = &model->processes[report->order[0]];
	report_wrap(
		report, 2, 2,
		"The heap was at %s of its goal or above for %s, in %s of %s cycles; what was "
		"allocated then: %s of %s. How large it is between two cycles is what was marked "
		"and the samples since, so it is known to about %s.",
		units_percent(model->near_goal).text, units_duration(time).text,
		units_count(times).text, units_count(model->n_cycles).text,
		units_bytes(sum_births(model, true)).text,
		units_bytes(sum_births(model, false)).text,
		process->by_spans ? "a span" : units_bytes((double)process->mem_profile_rate).text);
	if (sum_births(model, true) > 0)
		print_spots(report, true, (double)time / 1e9);
}

void report_hot_spots(const struct report *report)
{
	if (report->options.hot)
		print_hot(report);
	if (report->options.near_goal)
		print_near(report);
}
