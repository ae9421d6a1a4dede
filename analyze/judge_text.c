#include "analyze/judge_text.h"

#include "analyze/units.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The heap dumps that could be compared, and those of them in which this site differs. */
static size_t compared_dumps(const struct model *model, uint32_t site, size_t *differing)
{
	size_t compared = 0;

	*differing = 0;
	for (size_t i = 0; i < model->n_dumps; i++) {
		const struct heap_dump *dump = &model->dumps[i];
		bool differs = false;

		if (!dump->prof_cycle || dump->process != model->sites[site].process)
			continue;
		compared++;
		for (size_t row = 0; row < dump->n_rows; row++)
			differs = differs || dump->rows[row].site == site;
		*differing += differs;
	}
	return compared;
}

static void print_deaths(FILE *out, const struct judge_evidence *ev)
{
	const struct site *site = ev->site;

	if (!site->deaths && !site->unmatched_deaths)
		fprintf(out, "; none was freed");
	else if (ev->died_old <= 0 && ev->oldest_death == 0)
		fprintf(out, "; none born in the recording was freed");
	else if (!site->live)
		fprintf(out, "; all freed by age %" PRIu32, ev->oldest_death);
	else if (ev->died_old <= 0)
		fprintf(out, "; none freed after age %" PRIu32, ev->oldest_death);
	else
		fprintf(out, "; %s of %s freed after age %.0f",
			units_count((uint64_t)ev->died_old).text,
			units_count((uint64_t)(ev->died_old + ev->survivors)).text, ev->old_age);
}

char *judge_evidence_text(const struct model *model, const struct judge_evidence *ev,
			  const struct candidate *candidate)
{
	const struct site *site = ev->site;
	size_t len, differing, compared = compared_dumps(model, candidate->site, &differing);
	double cycles = ev->axis->n ? ev->axis->n_cycles - ev->axis->cycles[ev->axis->n - 1] : 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return xstrdup("");
	fprintf(out, "%s of %s sampled objects alive", units_count(candidate->survivors).text,
		units_count((uint64_t)ev->born_seen).text);
	if (candidate->generations)
		fprintf(out, "; survivors from %" PRIu32 " of %.0f GC cycles, %s rising",
			candidate->generations, cycles,
			candidate->generations_trend > 0 && ev->stopped < 1 ? "still"
									    : "no longer");
	/* The growth of what is no suspect is over. */
	if (candidate->verdict <= VERDICT_GROWING)
		fprintf(out, "; %s",
			units_growth_range(candidate->growth, candidate->growth_low,
					   candidate->growth_high)
				.text);
	print_deaths(out, ev);
	if (site->oldest_live && model->last_time > site->oldest_live)
		fprintf(out, "; oldest %s",
			units_duration(model->last_time - site->oldest_live).text);
	if (compared == 1)
		fprintf(out, "; the heap dump %s", differing ? "differs here" : "agrees");
	else if (compared && !differing)
		fprintf(out, "; %zu heap dumps agree", compared);
	else if (compared)
		fprintf(out, "; %zu of %zu heap dumps differ here", differing, compared);
	fclose(out);
	return text;
}

/* Seconds as a text, rounded up to a figure that one would type: "30s", "45m", "2h". */
static struct units_text round_duration(double seconds)
{
	static const uint64_t steps[] = {30,   60,   120,  300,	  600,	 900,	1200,  1800,
					 2700, 3600, 7200, 10800, 14400, 21600, 28800, 43200};
	struct units_text out;
	uint64_t rounded = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps) && !rounded; i++)
		if (seconds <= (double)steps[i] * 1.05)
			rounded = steps[i];
	if (!rounded)
		snprintf(out.text, sizeof(out.text), "%.0fd", ceil(seconds / 86400));
	else if (rounded < 60)
		snprintf(out.text, sizeof(out.text), "%" PRIu64 "s", rounded);
	else if (rounded < 3600)
		snprintf(out.text, sizeof(out.text), "%" PRIu64 "m", rounded / 60);
	else
		snprintf(out.text, sizeof(out.text), "%" PRIu64 "h", rounded / 3600);
	return out;
}

/* When the process that holds the site reaches the limit, or NULL. */
static char *limit_text(const struct model *model, const struct judge_options *options,
			const struct judge_evidence *ev, const struct candidate *candidate)
{
	uint64_t rss = 0;

	for (size_t i = 0; i < model->n_rss; i++)
		if (model->rss[i].process == ev->site->process)
			rss = model->rss[i].rss;
	if (!options->memory_limit || !rss || candidate->growth <= 0)
		return NULL;
	if (rss >= options->memory_limit)
		return xasprintf("the limit of %s is reached",
				 units_bytes((double)options->memory_limit).text);
	return xasprintf("at this rate the limit of %s is reached %s after the end",
			 units_bytes((double)options->memory_limit).text,
			 units_duration((uint64_t)fmin((double)(options->memory_limit - rss) /
							       candidate->growth * 3600e9,
						       9e18))
				 .text);
}

static char *too_little_text(const struct judge_options *options, const struct judge_evidence *ev)
{
	double cycles = ev->axis->n_cycles, want = (double)options->min_cycles;
	double objects = (double)(ev->site->births + ev->site->unmatched_deaths);

	if (cycles < 1)
		return xstrdup("no GC cycle ended in the recording: record longer");
	if (cycles < want)
		return xasprintf("%.0f of the %.0f GC cycles that a judgement needs: record about "
				 "%s",
				 cycles, want,
				 round_duration(1.25 * ev->axis->span * want / cycles).text);
	if (objects <= 0)
		return NULL;
	want = 4 * (double)options->min_survivors;
	return xasprintf("only %.0f sampled object%s: record about %s, or at a finer sampling rate",
			 objects, objects == 1 ? "" : "s",
			 round_duration(ev->axis->span * fmax(2, want / objects)).text);
}

char *judge_advice_text(const struct model *model, const struct judge_options *options,
			const struct judge_evidence *ev, const struct candidate *candidate)
{
	char *limit;

	switch (candidate->verdict) {
	case VERDICT_LEAK:
		limit = limit_text(model, options, ev, candidate);
		return limit ? limit
			     : xstrdup("look for what keeps them: a map, slice, channel or "
				       "goroutine that is only ever added to");
	case VERDICT_LIKELY_LEAK:
		return xasprintf(
			"to be sure, record %s",
			round_duration(ev->axis->span * fmin(10, fmax(2, 60 / ev->survivors)))
				.text);
	case VERDICT_GROWING:
		return xasprintf("it may level off yet: record %s",
				 round_duration(2 * ev->axis->span).text);
	case VERDICT_TOO_LITTLE:
		return too_little_text(options, ev);
	default:
		return NULL;
	}
}
