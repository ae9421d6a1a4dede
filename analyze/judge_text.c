#include "analyze/judge_text.h"

#include "analyze/judge_hints.h"
#include "analyze/judge_waiting.h"
#include "analyze/rss.h"
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

/* What an object of each kind is called, what its end is, and what its making. */
static const struct words {
	const char *one, *many, *ended, *made;
} words[SITE_KINDS] = {
	[SITE_HEAP] = {"sampled object", "sampled objects", "freed", "born"},
	[SITE_GOROUTINE] = {"goroutine", "goroutines", "ended", "started"},
	[SITE_NATIVE] = {"allocation", "allocations", "freed", "made"},
	[SITE_MAPPING] = {"mapping", "mappings", "unmapped", "made"},
	[SITE_THREAD] = {"thread", "threads", "ended", "started"},
};

/* An age: a number of GC cycles, or the time that so many slices take. */
static struct units_text age_text(const struct judge_evidence *ev, double age)
{
	struct units_text out;

	if (ev->axis->by_time)
		return units_duration(
			(uint64_t)((age + 1) * ev->axis->span / (double)ev->axis->n * 1e9));
	snprintf(out.text, sizeof(out.text), "%.0f", age);
	return out;
}

static void print_deaths(FILE *out, const struct judge_evidence *ev)
{
	const struct site *site = ev->site;
	const char *ended = words[site->kind].ended;

	/* Of counters it is known how many died, not of what age. */
	if (ev->axis->counted && site->deaths)
		fprintf(out, "; %s %s", units_count(site->deaths).text, ended);
	else if (!site->deaths && !site->unmatched_deaths)
		fprintf(out, "; none %s %s",
			site->kind == SITE_GOROUTINE || site->kind == SITE_THREAD ? "has" : "was",
			ended);
	else if (ev->died_old <= 0 && ev->oldest_death == 0 && !ev->axis->by_time)
		fprintf(out, "; none born in the recording was freed");
	else if (!site->live)
		fprintf(out, "; all %s by age %s", ended, age_text(ev, ev->oldest_death).text);
	else if (ev->died_old <= 0)
		fprintf(out, "; none %s after age %s", ended, age_text(ev, ev->oldest_death).text);
	else
		fprintf(out, "; %s of %s %s after age %s", units_count((uint64_t)ev->died_old).text,
			units_count((uint64_t)(ev->died_old + ev->survivors)).text, ended,
			age_text(ev, ev->old_age).text);
}

static void print_generations(FILE *out, const struct judge_evidence *ev,
			      const struct candidate *candidate)
{
	bool rising = candidate->generations_trend > 0 && ev->stopped < 1;
	double cycles = ev->axis->n_cycles;

	if (ev->regrown)
		fprintf(out, "; an array that was replaced by a larger one %zu times", ev->regrown);
	if (ev->regrown || !candidate->generations)
		return;
	if (ev->axis->by_time) {
		fprintf(out, "; these were %s in %" PRIu32 " of %.0f slices of %s, %s rising",
			words[ev->site->kind].made, candidate->generations, cycles,
			units_duration((uint64_t)(ev->axis->span / cycles * 1e9)).text,
			rising ? "still" : "no longer");
		return;
	}
	cycles -= ev->axis->n ? ev->axis->cycles[ev->axis->n - 1] : 0;
	fprintf(out, "; survivors from %" PRIu32 " of %.0f %s, %s rising", candidate->generations,
		cycles, ev->axis->counted ? "readings" : "GC cycles",
		rising ? "still" : "no longer");
}

/* What the heap dumps say of a site of the heap. */
static void print_dumps(FILE *out, const struct model *model, uint32_t site)
{
	size_t differing, compared = compared_dumps(model, site, &differing);

	if (compared == 1)
		fprintf(out, "; the heap dump %s", differing ? "differs here" : "agrees");
	else if (compared && !differing)
		fprintf(out, "; %zu heap dumps agree", compared);
	else if (compared)
		fprintf(out, "; %zu of %zu heap dumps differ here", differing, compared);
}

/* The goroutines that keep threads for themselves, and which site has most of them. */
static void print_locked(FILE *out, const struct model *model, const struct site *site)
{
	const struct site *most = NULL;
	uint64_t locked = 0;

	for (size_t i = 0; i < model->n_sites; i++) {
		const struct site *other = &model->sites[i];

		if (other->process != site->process || !other->locked)
			continue;
		locked += other->locked;
		if (!most || other->locked > most->locked)
			most = other;
	}
	if (site->kind == SITE_GOROUTINE && site->locked)
		fprintf(out, "; %s of them keep a thread by runtime.LockOSThread",
			units_count(site->locked).text);
	if (site->kind == SITE_THREAD && most)
		fprintf(out,
			"; %s goroutines keep one by runtime.LockOSThread, %s of them started in "
			"%s",
			units_count(locked).text, units_count(most->locked).text,
			model_site_frame(model, most)->function);
}

char *judge_evidence_text(const struct model *model, const struct judge_evidence *ev,
			  const struct candidate *candidate)
{
	const struct site *site = ev->site;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return xstrdup("");
	if (site->of_runtime && site->kind == SITE_MAPPING)
		fputs("the Go runtime's own, for its heap, tables and stacks: it follows the heap, "
		      "and is judged by the sites of it; ",
		      out);
	fprintf(out, "%s of %s %s alive", units_count(candidate->survivors).text,
		units_count((uint64_t)ev->born_seen).text,
		ev->born_seen == 1 ? words[site->kind].one : words[site->kind].many);
	print_generations(out, ev, candidate);
	/* The growth of what is no suspect is over. */
	if (candidate->verdict <= VERDICT_GROWING)
		fprintf(out, "; %s%s",
			units_growth_range(candidate->growth, candidate->growth_low,
					   candidate->growth_high)
				.text,
			candidate->resident_known ? " in RAM" : "");
	if (candidate->resident_known)
		fprintf(out, "; of %s mapped, %s in RAM", units_bytes(site->est_live_bytes).text,
			units_bytes(candidate->resident_bytes).text);
	print_deaths(out, ev);
	if (site->oldest_live && model->last_time > site->oldest_live)
		fprintf(out, "; oldest %s",
			units_duration(model->last_time - site->oldest_live).text);
	if (site->held_est_bytes > 0)
		fprintf(out, "; %s of sampled heap that they allocated is alive",
			units_bytes(site->held_est_bytes).text);
	print_locked(out, model, site);
	judge_print_waiting(out, model, site);
	if (site->kind == SITE_HEAP)
		print_dumps(out, model, candidate->site);
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

/* When the process that holds the site reaches its lowest limit, or NULL. */
static char *limit_text(const struct model *model, const struct judge_options *options,
			const struct judge_evidence *ev, const struct candidate *candidate)
{
	struct rss_limit limit = rss_limit(model, ev->site->process, options->memory_limit,
					   ev->site->kind == SITE_HEAP);
	char *name, *text = NULL;

	if (!limit.bytes || !limit.used || candidate->growth <= 0)
		return NULL;
	name = xasprintf("%s%s%s%s", units_bytes((double)limit.bytes).text,
			 limit.what[0] ? " (" : "", limit.what, limit.what[0] ? ")" : "");
	limit.growth = candidate->growth;
	if (limit.used >= limit.bytes)
		text = xasprintf("the limit of %s is reached", name);
	else if (rss_limit_in(&limit))
		text = xasprintf("at this rate the limit of %s is reached %s after the end", name,
				 units_duration(rss_limit_in(&limit)).text);
	free(name);
	return text;
}

/* A limit that was asked for stands alone; one that was found comes behind what to look for. */
static char *leak_text(const struct model *model, const struct judge_options *options,
		       const struct judge_evidence *ev, const struct candidate *candidate)
{
	char *limit = limit_text(model, options, ev, candidate), *text, *hint;

	if (limit && options->memory_limit)
		return limit;
	hint = judge_hint(model, ev->site);
	text = xasprintf("%s%s%s", hint, limit ? "; " : "", limit ? limit : "");
	free(hint);
	free(limit);
	return text;
}

static char *too_little_text(const struct judge_options *options, const struct judge_evidence *ev)
{
	double cycles = ev->axis->n_cycles, want = (double)options->min_cycles;
	double objects = (double)(ev->site->births + ev->site->unmatched_deaths);
	const struct words *word = &words[ev->site->kind];

	if (ev->axis->by_time && ev->axis->span < options->min_seconds)
		return xasprintf("%s of the %s that a judgement needs: record %s",
				 units_duration((uint64_t)(ev->axis->span * 1e9)).text,
				 units_duration((uint64_t)(options->min_seconds * 1e9)).text,
				 round_duration(10 * options->min_seconds).text);
	if (cycles < 1)
		return xasprintf("no GC cycle %s in the recording: record longer",
				 ev->axis->counted ? "was published" : "ended");
	if (cycles < want)
		return xasprintf("%.0f of the %.0f %s that a judgement needs: record about "
				 "%s",
				 cycles, want, ev->axis->counted ? "readings" : "GC cycles",
				 round_duration(1.25 * ev->axis->span * want / cycles).text);
	if (objects <= 0)
		return NULL;
	want = 4 * (double)options->min_survivors;
	return xasprintf("only %.0f %s: record about %s%s", objects,
			 objects == 1 ? word->one : word->many,
			 round_duration(ev->axis->span * fmax(2, want / objects)).text,
			 ev->axis->by_time ? "" : ", or at a finer sampling rate");
}

char *judge_advice_text(const struct model *model, const struct judge_options *options,
			const struct judge_evidence *ev, const struct candidate *candidate)
{
	switch (candidate->verdict) {
	case VERDICT_LEAK:
		return leak_text(model, options, ev, candidate);
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
