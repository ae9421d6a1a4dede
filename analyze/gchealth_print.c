#include "analyze/gchealth.h"
#include "analyze/units.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define WIDTH 92

static uint64_t whole(double value)
{
	return value > 0 ? (uint64_t)value : 0;
}

static void print_times(const struct gchealth *h, FILE *out)
{
	if (h->cpu_share >= 0) {
		fprintf(out, "  CPU      %s of the CPU time available",
			units_percent(h->cpu_share).text);
		if (h->percent >= 0)
			fprintf(out, " (the runtime's own figure since its start: %s)",
				units_percent(h->percent).text);
		if (h->assist_share >= 0)
			fprintf(out, ", assists %s of the marking",
				units_percent(h->assist_share).text);
		fprintf(out, "\n");
	}
	if (h->pause_max >= 0)
		fprintf(out, "  stops    half below %s, 99%% below %s, the longest %s, all %s\n",
			units_duration(whole(h->pause_p50)).text,
			units_duration(whole(h->pause_p99)).text,
			units_duration(whole(h->pause_max)).text,
			units_duration(whole(h->pause_total)).text);
	if (h->mark_max >= 0) {
		fprintf(out, "  marking  half below %s, the longest %s",
			units_duration(whole(h->mark_p50)).text,
			units_duration(whole(h->mark_max)).text);
		if (h->enough && !isnan(h->mark_growth))
			fprintf(out, ", %+.0f%% over the time", h->mark_growth * 100);
		fprintf(out, "\n");
	}
}

static void print_sizes(const struct gchealth *h, FILE *out)
{
	if (h->live_last < 0)
		return;
	fprintf(out, "  live     from %s to %s, at most %s", units_bytes(h->live_first).text,
		units_bytes(h->live_last).text, units_bytes(h->live_max).text);
	if (h->enough && !isnan(h->live_growth))
		fprintf(out, ", %s",
			units_growth_range(h->live_growth, h->live_growth_low, h->live_growth_high)
				.text);
	fprintf(out, "\n  heap     peak %s, ", units_bytes(h->peak_max).text);
	if (h->goal_last > 0)
		fprintf(out, "last goal %s, live heap %s of the goal\n",
			units_bytes(h->goal_last).text, units_percent(h->live_goal_p50).text);
	else
		fprintf(out, "no goal at the end\n");
}

/* A sentence, indented, in lines that fit a terminal. */
static void print_wrapped(const char *text, FILE *out)
{
	while (*text) {
		size_t len = strlen(text), cut = len;

		if (len > WIDTH)
			for (cut = WIDTH; cut > 0 && text[cut] != ' ';)
				cut--;
		cut = cut ? cut : len;
		fprintf(out, "    %.*s\n", (int)cut, text);
		text += cut + (text[cut] == ' ');
	}
}

static void print_anomaly(const struct gchealth_anomaly *a, FILE *out)
{
	fprintf(out, "  ! %s: %s\n    shown by", gchealth_kind_name(a->kind), a->text);
	for (size_t i = 0; i < a->n_evidence; i++) {
		fprintf(out, "%s gc %" PRIu64, i ? "," : "", a->evidence[i].number);
		if (a->evidence[i].line)
			fprintf(out, " (line %" PRIu64 ")", a->evidence[i].line);
	}
	fprintf(out, "\n");
	print_wrapped(a->meaning, out);
}

void gchealth_print(const struct gchealth_list *list, FILE *out)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct gchealth *h = &list->items[i];

		fprintf(out, "%s: gc %" PRIu64 " to %" PRIu64 ", %zu cycle%s in %s", h->source,
			h->first_number, h->last_number, h->cycles, h->cycles == 1 ? "" : "s",
			units_duration(whole(h->span)).text);
		if (h->rate >= 0)
			fprintf(out, ", %.3g a second", h->rate);
		if (h->forced)
			fprintf(out, ", %zu forced", h->forced);
		if (h->periodic)
			fprintf(out, ", %zu by the two-minute timer", h->periodic);
		fprintf(out, "\n");
		print_times(h, out);
		print_sizes(h, out);
		for (size_t j = 0; j < h->n_anomalies; j++)
			print_anomaly(&h->anomalies[j], out);
		if (!h->n_anomalies)
			fprintf(out, "  nothing out of the ordinary%s\n",
				h->enough ? "" : ", as far as so few cycles tell");
	}
}
