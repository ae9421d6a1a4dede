#include "analyze/metrics_values.h"

#include "analyze/goroutines.h"
#include "analyze/stats.h"
#include "formats/xalloc.h"

#include <math.h>
#include <stdlib.h>

/* Theil-Sen's slope is over all pairs of points. */
#define MOST_POINTS 2000

static double slope_through(const double *times, const double *values, size_t n)
{
	struct stats_slope slope = {0};

	if (n >= 3)
		slope = stats_theil_sen(times, values, n, 1.96, 1);
	return slope.valid ? slope.slope : NAN;
}

/* ---- RSS -------------------------------------------------------------------------------- */

double metrics_rss_max(const struct findings *f)
{
	double greatest = NAN;

	for (size_t i = 0; i < f->model.n_rss; i++)
		greatest = fmax(greatest, (double)f->model.rss[i].rss);
	return greatest;
}

double metrics_swap_max(const struct findings *f)
{
	double greatest = NAN;

	for (size_t i = 0; i < f->model.n_rss; i++)
		greatest = fmax(greatest, (double)f->model.rss[i].swap);
	return greatest;
}

/* The last reading of each process, the greatest of these. */
double metrics_rss_last(const struct findings *f)
{
	double greatest = NAN;

	for (uint32_t p = 0; p < f->model.n_processes; p++) {
		double last = NAN;

		for (size_t i = 0; i < f->model.n_rss; i++) {
			if (f->model.rss[i].process == p)
				last = (double)f->model.rss[i].rss;
		}
		greatest = fmax(greatest, last);
	}
	return greatest;
}

/* Of a reading: RSS, or what one owner has of it. */
static double part_of(const struct rss_point *point, int owner)
{
	return (double)(owner < 0 ? point->rss : point->owners[owner]);
}

/* The slope through the readings of a process, bytes a second. owner -1: of all. */
static double rss_slope(const struct model *model, uint32_t process, int owner)
{
	double *times = xcalloc(model->n_rss + 1, sizeof(*times));
	double *values = xcalloc(model->n_rss + 1, sizeof(*values)), slope;
	size_t n = 0, step = 1 + model->n_rss / MOST_POINTS;

	for (size_t i = 0; i < model->n_rss; i += step) {
		const struct rss_point *point = &model->rss[i];

		if (point->process != process || (owner >= 0 && !point->has_owners))
			continue;
		times[n] = (double)(point->time - model->first_time) / 1e9;
		values[n++] = part_of(point, owner);
	}
	slope = slope_through(times, values, n);
	free(times);
	free(values);
	return slope;
}

static double greatest_slope(const struct findings *f, int owner)
{
	double greatest = NAN;

	for (uint32_t p = 0; p < f->model.n_processes; p++)
		greatest = fmax(greatest, rss_slope(&f->model, p, owner));
	return greatest;
}

static double owner_max(const struct findings *f, int owner)
{
	double greatest = NAN;

	for (size_t i = 0; i < f->model.n_rss; i++) {
		if (f->model.rss[i].has_owners)
			greatest = fmax(greatest, part_of(&f->model.rss[i], owner));
	}
	return greatest;
}

double metrics_rss_growth(const struct findings *f)
{
	return greatest_slope(f, -1);
}

#define OWNER(name, owner)                                             \
	double metrics_owner_##name##_max(const struct findings *f)    \
	{                                                              \
		return owner_max(f, owner);                            \
	}                                                              \
	double metrics_owner_##name##_growth(const struct findings *f) \
	{                                                              \
		return greatest_slope(f, owner);                       \
	}

OWNER(go_heap, OWNER_GO_HEAP)
OWNER(go_free, OWNER_GO_FREE)
OWNER(go_stacks, OWNER_GO_STACKS)
OWNER(go_runtime, OWNER_GO_RUNTIME)
OWNER(program, OWNER_PROGRAM)
OWNER(c_heap, OWNER_C_HEAP)
OWNER(thread_stacks, OWNER_THREAD_STACKS)
OWNER(libraries, OWNER_LIBRARIES)
OWNER(files, OWNER_FILES)
OWNER(shared, OWNER_SHARED)
OWNER(anon, OWNER_ANON)

double metrics_mapped_net(const struct findings *f)
{
	double sum = 0;

	if (!f->model.n_maps)
		return NAN;
	for (size_t i = 0; i < f->model.n_processes; i++)
		sum += (double)f->model.processes[i].mapped_net;
	return sum;
}

/* ---- What is not on the Go heap ---------------------------------------------------------- */

/* How many of a kind there were at the end of each slice of a process, or their bytes. */
struct series {
	double *times, *values;
	size_t n;
};

static bool counts(const struct site *site, enum site_kind kind, uint32_t process)
{
	return site->kind == kind && site->process == process && !site->of_runtime;
}

/* A site of which nothing began, or ended, has no tallies of it. */
static double in_tally(const struct tally *tallies, size_t k, bool bytes)
{
	if (!tallies)
		return 0;
	return bytes ? tallies[k].est_bytes : tallies[k].objects;
}

static struct series series_of(const struct model *model, uint32_t process, enum site_kind kind,
			       bool bytes)
{
	const struct process *p = &model->processes[process];
	struct series series = {.n = p->n_slices};
	bool begins_known = kind == SITE_GOROUTINE && !bytes && goroutines_before_known(model, p);
	bool any = false;

	series.times = xcalloc(series.n + 1, sizeof(double));
	series.values = xcalloc(series.n + 1, sizeof(double));
	for (size_t i = 0; i < model->n_sites; i++) {
		const struct site *site = &model->sites[i];
		double now = begins_known ? (double)site->older : 0;

		if (!counts(site, kind, process))
			continue;
		any = true;
		for (size_t k = 0; k < series.n; k++) {
			now += in_tally(site->born, k, bytes) - in_tally(site->died, k, bytes);
			/* Those that were there before are counted as far as they are known. */
			if (begins_known)
				now -= in_tally(site->died_unseen, k, bytes);
			series.values[k] += now;
		}
	}
	for (size_t k = 0; k < series.n; k++) {
		uint64_t end = p->slices[k].end_time ? p->slices[k].end_time : model->last_time;

		series.times[k] = (double)(end - model->first_time) / 1e9;
	}
	if (!any)
		series.n = 0;
	return series;
}

enum figure { FIGURE_MAX, FIGURE_LAST, FIGURE_GROWTH };

static double figure_of(const struct series *series, enum figure figure)
{
	double greatest = NAN;

	if (!series->n)
		return NAN;
	if (figure == FIGURE_LAST)
		return series->values[series->n - 1];
	if (figure == FIGURE_GROWTH)
		return slope_through(series->times, series->values, series->n);
	for (size_t i = 0; i < series->n; i++)
		greatest = fmax(greatest, series->values[i]);
	return greatest;
}

static double kind_figure(const struct findings *f, enum site_kind kind, bool bytes,
			  enum figure figure)
{
	double greatest = NAN;

	for (uint32_t p = 0; p < f->model.n_processes; p++) {
		struct series series = series_of(&f->model, p, kind, bytes);

		greatest = fmax(greatest, figure_of(&series, figure));
		free(series.times);
		free(series.values);
	}
	return greatest;
}

#define KIND(name, kind, bytes)                                    \
	double metrics_##name##_max(const struct findings *f)      \
	{                                                          \
		return kind_figure(f, kind, bytes, FIGURE_MAX);    \
	}                                                          \
	double metrics_##name##_last(const struct findings *f)     \
	{                                                          \
		return kind_figure(f, kind, bytes, FIGURE_LAST);   \
	}                                                          \
	double metrics_##name##_growth(const struct findings *f)   \
	{                                                          \
		return kind_figure(f, kind, bytes, FIGURE_GROWTH); \
	}

KIND(goroutines, SITE_GOROUTINE, false)
KIND(threads, SITE_THREAD, false)
KIND(native, SITE_NATIVE, true)
KIND(mappings, SITE_MAPPING, true)
