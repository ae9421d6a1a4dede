#include "analyze/rss.h"

#include "analyze/stats.h"
#include "analyze/units.h"
#include "formats/xalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR 3600e9
#define MIB  ((uint64_t)1 << 20)
/* Owners that are named in words; what is less than this share of RSS goes into the rest. */
#define MOST_PARTS  6
#define LEAST_SHARE 0.01
/* Readings behind a growth: fewer say nothing, of more so many are taken. */
#define LEAST_READINGS 4
#define MOST_READINGS  128
#define FOREVER	       (3650 * 24 * HOUR)

/* A figure of a reading: of one owner, of what is Go's, or of all. */
enum { FIGURE_GO = OWNER_COUNT, FIGURE_RSS };

static uint64_t figure_of(const struct rss_point *point, int figure)
{
	if (figure == FIGURE_RSS)
		return point->rss;
	if (figure == FIGURE_GO)
		return point->owners[OWNER_GO_HEAP] + point->owners[OWNER_GO_FREE] +
		       point->owners[OWNER_GO_STACKS] + point->owners[OWNER_GO_RUNTIME];
	return point->owners[figure];
}

/* Readings of one process, evenly thinned, for slopes over all pairs. */
struct readings {
	const struct rss_point *points[MOST_READINGS];
	double hours[MOST_READINGS];
	size_t n;
};

static void collect(const struct model *model, uint32_t process, struct readings *readings)
{
	size_t total = 0, at = 0;
	bool skip = !model->processes[process].attached;

	readings->n = 0;
	for (size_t i = 0; i < model->n_rss; i++)
		total += model->rss[i].process == process && model->rss[i].has_owners;
	/* A program that is just being started has nothing yet: what follows is no growth. */
	if (total)
		total -= skip;
	for (size_t i = 0; i < model->n_rss; i++) {
		const struct rss_point *point = &model->rss[i];

		if (point->process != process || !point->has_owners)
			continue;
		if (skip) {
			skip = false;
			continue;
		}
		if (at * MOST_READINGS / total >= readings->n && readings->n < MOST_READINGS) {
			readings->points[readings->n] = point;
			readings->hours[readings->n++] = (double)point->time / HOUR;
		}
		at++;
	}
}

static struct stats_slope slope_of(const struct readings *readings, int figure)
{
	double values[MOST_READINGS];

	for (size_t i = 0; i < readings->n; i++)
		values[i] = (double)figure_of(readings->points[i], figure);
	return stats_theil_sen(readings->hours, values, readings->n, 1.96, 1);
}

bool rss_summarise(const struct model *model, uint32_t process, struct rss_summary *summary)
{
	struct readings readings;
	/* What comes before a program has begun is no beginning. */
	size_t n = 0, beginning = model->processes[process].attached ? 1 : 2;

	*summary = (struct rss_summary){0};
	for (size_t i = 0; i < model->n_rss; i++) {
		const struct rss_point *point = &model->rss[i];

		if (point->process != process || !point->has_owners)
			continue;
		if (n++ < beginning)
			summary->first = point;
		if (!summary->peak || point->rss > summary->peak->rss)
			summary->peak = point;
		summary->last = point;
	}
	if (!summary->first)
		return false;
	collect(model, process, &readings);
	if (readings.n < LEAST_READINGS || summary->last->time <= summary->first->time)
		return true;
	summary->has_growth = true;
	for (int i = 0; i < OWNER_COUNT; i++)
		summary->growth[i] = slope_of(&readings, i).slope;
	summary->total_growth = slope_of(&readings, FIGURE_RSS).slope;
	return true;
}

/* ---- Limits ----------------------------------------------------------------------------- */

/* What is used of a limit, and how fast that grows, where that is more than chance. GOMEMLIMIT
 * counts what the runtime has mapped and not given back. */
static void measure(const struct model *model, uint32_t process, struct rss_limit *limit, bool go)
{
	int figure = go ? FIGURE_GO : FIGURE_RSS;
	struct stats_slope slope;
	struct readings readings;

	collect(model, process, &readings);
	if (readings.n)
		limit->used = figure_of(readings.points[readings.n - 1], figure);
	/* The last reading of all may have been one of RSS alone. */
	for (size_t i = 0; !go && i < model->n_rss; i++)
		if (model->rss[i].process == process)
			limit->used = model->rss[i].rss;
	if (readings.n < LEAST_READINGS)
		return;
	slope = slope_of(&readings, figure);
	if (slope.valid && slope.low > 0)
		limit->growth = slope.slope;
}

struct rss_limit rss_limit(const struct model *model, uint32_t process, uint64_t asked, bool go)
{
	struct rss_limit limit = {.bytes = asked, .what = "", .of = "RSS"};
	const struct memory_limits *known;
	bool of_go = false;

	if (process >= model->n_processes)
		return limit;
	known = &model->processes[process].limits;
	if (!asked) {
		if (known->machine) {
			limit.bytes = known->machine;
			limit.what = "the machine's memory";
		}
		if (known->cgroup && (!limit.bytes || known->cgroup <= limit.bytes)) {
			limit.bytes = known->cgroup;
			limit.what = "its control group's limit";
		}
		if (go && known->go && (!limit.bytes || known->go <= limit.bytes)) {
			limit.bytes = known->go;
			limit.what = "GOMEMLIMIT";
			limit.of = "what the Go runtime holds";
			of_go = true;
		}
	}
	measure(model, process, &limit, of_go);
	return limit;
}

const char *rss_limit_kind(const struct model *model, uint32_t process,
			   const struct rss_limit *limit)
{
	const struct memory_limits *known = &model->processes[process].limits;

	if (!limit->bytes)
		return NULL;
	if (!limit->what[0])
		return "asked";
	if (limit->bytes == known->go && !strcmp(limit->what, "GOMEMLIMIT"))
		return "go";
	return limit->bytes == known->cgroup ? "cgroup" : "machine";
}

uint64_t rss_limit_in(const struct rss_limit *limit)
{
	double ns;

	if (!limit->bytes || limit->growth <= 0 || limit->used >= limit->bytes)
		return 0;
	ns = (double)(limit->bytes - limit->used) / limit->growth * HOUR;
	return ns < FOREVER ? (uint64_t)ns + 1 : 0;
}

/* ---- In words --------------------------------------------------------------------------- */

static const char *const meaning[OWNER_COUNT] = {
	[OWNER_UNKNOWN] = "of owners not known",
	[OWNER_GO_HEAP] = "Go heap",
	[OWNER_GO_FREE] = "free in the Go heap and not returned to the system yet",
	[OWNER_GO_STACKS] = "stacks of goroutines",
	[OWNER_GO_RUNTIME] = "the Go runtime's own structures",
	[OWNER_PROGRAM] = "the program's code and data",
	[OWNER_C_HEAP] = "C heap (malloc, as through cgo)",
	[OWNER_THREAD_STACKS] = "stacks of threads",
	[OWNER_LIBRARIES] = "libraries",
	[OWNER_FILES] = "mapped files, which the system takes back when it is short of memory",
	[OWNER_SHARED] = "shared memory",
	[OWNER_ANON] = "other anonymous mappings (mmap by the program or by C)",
};

struct part {
	enum memory_owner owner;
	uint64_t bytes;
};

static int by_bytes(const void *a, const void *b)
{
	const struct part *left = a, *right = b;

	if (left->bytes != right->bytes)
		return left->bytes < right->bytes ? 1 : -1;
	return (int)left->owner - (int)right->owner;
}

/* What the Go heap in use consists of: living and dead objects, and the gaps between them. */
static void put_heap(FILE *out, const struct rss_point *point)
{
	const struct note_go_memory *go = &point->go;
	uint64_t in_ram = point->owners[OWNER_GO_HEAP];

	if (!go->in_use) {
		fprintf(out, "the Go heap is %s of it", units_bytes((double)in_ram).text);
		return;
	}
	fprintf(out, "the Go heap in use is %s of it", units_bytes((double)in_ram).text);
	if (in_ram + in_ram / 10 + MIB < go->in_use)
		fprintf(out, " (%s with what was never touched)",
			units_bytes((double)go->in_use).text);
	if (!go->live)
		return;
	fprintf(out, ", with %s of objects that live or are not collected yet",
		units_bytes((double)go->live).text);
	if (go->live < go->in_use)
		fprintf(out, " and %s of gaps between them (fragmentation)",
			units_bytes((double)(go->in_use - go->live)).text);
}

char *rss_gap_text(const struct rss_point *point)
{
	struct part parts[OWNER_COUNT];
	uint64_t beyond = point->rss - point->owners[OWNER_GO_HEAP], rest = beyond;
	size_t n = 0, named = 0, len;
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return xstrdup("");
	for (int i = 0; i < OWNER_COUNT; i++)
		if (i != OWNER_GO_HEAP && point->owners[i])
			parts[n++] = (struct part){(enum memory_owner)i, point->owners[i]};
	qsort(parts, n, sizeof(*parts), by_bytes);
	fprintf(out, "RSS is %s", units_bytes((double)point->rss).text);
	if (beyond < point->rss) {
		fputs("; ", out);
		put_heap(out, point);
		fprintf(out, ". The other %s are", units_bytes((double)beyond).text);
	}
	for (; named < n && named < MOST_PARTS; named++) {
		if ((double)parts[named].bytes < LEAST_SHARE * (double)point->rss)
			break;
		fprintf(out, "%s %s %s", named ? "," : ":",
			units_bytes((double)parts[named].bytes).text, meaning[parts[named].owner]);
		rest -= parts[named].bytes;
	}
	if (!named)
		fputs(" many small things", out);
	else if (named < n)
		fprintf(out, "; and %s of other things", units_bytes((double)rest).text);
	fputc('.', out);
	fclose(out);
	return text;
}

/* ---- What was not recorded -------------------------------------------------------------- */

/* Growth that is worth a word: so much at least, and as a share of that of RSS; and the median
 * slope over the time must come to half of it, else it was a single step. */
#define LEAST_RISE	 MIB
#define LEAST_RISE_SHARE 0.1

static bool keeps_growing(const struct rss_summary *summary, enum memory_owner owner)
{
	double rise = (double)summary->last->owners[owner] - (double)summary->first->owners[owner];
	double whole = (double)summary->last->rss - (double)summary->first->rss;
	double hours = (double)(summary->last->time - summary->first->time) / HOUR;

	return summary->has_growth && rise >= (double)LEAST_RISE &&
	       rise >= LEAST_RISE_SHARE * whole && summary->growth[owner] * hours >= rise / 2;
}

char *rss_remedy_text(const struct model *model, uint32_t process,
		      const struct rss_summary *summary, enum memory_owner owner)
{
	static const struct {
		enum memory_owner owner;
		enum site_kind kind;
		const char *what, *remedy;
	} remedies[] = {
		{OWNER_GO_STACKS, SITE_GOROUTINE, "The stacks of goroutines",
		 "goroutines were not recorded: `record --goroutines` finds the go statements "
		 "whose goroutines never end"},
		{OWNER_C_HEAP, SITE_NATIVE, "The C heap",
		 "malloc was not recorded: `record --native` finds the calls whose memory is "
		 "never freed"},
	};

	for (size_t i = 0; i < sizeof(remedies) / sizeof(*remedies); i++)
		if (remedies[i].owner == owner && keeps_growing(summary, owner) &&
		    !model_was_recorded(model, process, remedies[i].kind))
			return xasprintf("%s grew from %s to %s, and %s.", remedies[i].what,
					 units_bytes((double)summary->first->owners[owner]).text,
					 units_bytes((double)summary->last->owners[owner]).text,
					 remedies[i].remedy);
	return NULL;
}
