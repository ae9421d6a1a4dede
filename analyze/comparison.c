#include "analyze/comparison.h"

#include "analyze/metrics.h"
#include "analyze/stats.h"
#include "formats/xalloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Sites with fewer samples on both sides together do not tell how much counts vary; nor do fewer
 * sites than that. */
#define ENOUGH_BIRTHS 10
#define ENOUGH_SITES  5
/* The median of the square of a standard normal deviate. */
#define MEDIAN_SQUARE 0.4549

struct comparison *comparison_new(void)
{
	struct comparison *comparison = xcalloc(1, sizeof(*comparison));

	comparison->before.metrics = xcalloc(metrics_count(), sizeof(double));
	comparison->now.metrics = xcalloc(metrics_count(), sizeof(double));
	for (size_t i = 0; i < metrics_count(); i++)
		comparison->before.metrics[i] = comparison->now.metrics[i] = NAN;
	return comparison;
}

void comparison_free(struct comparison *comparison)
{
	if (!comparison)
		return;
	for (size_t i = 0; i < comparison->n_rows; i++) {
		free(comparison->rows[i].kind);
		free(comparison->rows[i].function);
		free(comparison->rows[i].file);
		free(comparison->rows[i].stack);
	}
	free(comparison->rows);
	free(comparison->before.path);
	free(comparison->before.metrics);
	free(comparison->now.path);
	free(comparison->now.metrics);
	map_free(&comparison->row_of);
	free(comparison);
}

const char *comparison_change_id(enum comparison_change change)
{
	static const char *const names[] = {"new", "more", "less", "gone", "same"};

	return names[change];
}

bool comparison_is_regression(const struct comparison_row *row)
{
	return row->change == CHANGE_NEW || row->change == CHANGE_MORE;
}

void comparison_metric(const struct comparison *comparison, size_t i, struct quantity *value)
{
	value->number = comparison->before.metrics[i];
	value->known = isfinite(value->number);
}

/* ---- Rows ------------------------------------------------------------------------------- */

struct comparison_row *comparison_row(struct comparison *comparison, const char *kind,
				      const char *function, const char *file, const char *stack)
{
	uint64_t key = XXH3_64bits_withSeed(stack, strlen(stack), XXH3_64bits(kind, strlen(kind)));
	uint64_t *at;
	bool fresh;

	for (;; key++) {
		at = map_put(&comparison->row_of, key, &fresh);
		if (fresh)
			break;
		if (!strcmp(comparison->rows[*at].stack, stack) &&
		    !strcmp(comparison->rows[*at].kind, kind))
			return &comparison->rows[*at];
	}
	*at = comparison->n_rows;
	xgrow(comparison->rows, comparison->cap_rows, comparison->n_rows + 1);
	comparison->rows[comparison->n_rows] = (struct comparison_row){
		.kind = xstrdup(kind),
		.function = xstrdup(function),
		.file = xstrdup(file),
		.stack = xstrdup(stack),
		.change = CHANGE_SAME,
	};
	return &comparison->rows[comparison->n_rows++];
}

/* Half the width of an interval, on one side. */
static double reach(double a, double b)
{
	return fabs(a - b);
}

void comparison_side_add(struct comparison_side *side, const struct comparison_side *more)
{
	/* Independent errors add up by their squares. */
	double low =
		hypot(reach(side->growth, side->growth_low), reach(more->growth, more->growth_low));
	double high = hypot(reach(side->growth, side->growth_high),
			    reach(more->growth, more->growth_high));

	side->births += more->births;
	side->bytes += more->bytes;
	side->alloc_rate += more->alloc_rate;
	side->live += more->live;
	side->growth += more->growth;
	side->growth_low = side->growth - low;
	side->growth_high = side->growth + high;
}

char *comparison_stack(const struct model *model, const struct site *site)
{
	const struct stack *stack = &model->stacks[site->stack];
	struct buffer text = {0};

	for (uint32_t i = 0; i < stack->n; i++) {
		const struct symtab_frame *frame = model_frame(model, site, i);

		if (i)
			buffer_u8(&text, ';');
		buffer_append(&text, frame->function, strlen(frame->function));
	}
	buffer_u8(&text, 0);
	return (char *)text.data;
}

static void add_candidate(struct comparison *comparison, const struct model *model,
			  const struct candidate *candidate, double seconds, bool now)
{
	const struct site *site = &model->sites[candidate->site];
	const struct symtab_frame *frame = model_site_frame(model, site);
	const struct comparison_side side = {
		.births = (double)site->births,
		.bytes = site->est_births_bytes,
		.alloc_rate = seconds > 0 ? site->est_births_bytes / seconds : 0,
		.live = candidate->live_bytes,
		.growth = candidate->growth,
		.growth_low = candidate->growth_low,
		.growth_high = candidate->growth_high,
	};
	char *stack = comparison_stack(model, site);
	struct comparison_row *row = comparison_row(comparison, site_kind_name(site->kind),
						    frame->function, frame->file, stack);

	comparison_side_add(now ? &row->now : &row->before, &side);
	free(stack);
}

void comparison_add(struct comparison *comparison, const struct findings *findings, bool now)
{
	const struct model *model = &findings->model;
	struct comparison_total *total = now ? &comparison->now : &comparison->before;

	total->path = xstrdup(model->trace_path ? model->trace_path : "");
	if (model->last_time > model->first_time)
		total->seconds = (double)(model->last_time - model->first_time) / 1e9;
	total->cycles = (double)model->n_cycles;
	for (size_t i = 0; i < metrics_count(); i++) {
		const struct quantity value = metrics_value(findings, i);

		total->metrics[i] = value.known ? value.number : NAN;
	}
	for (size_t i = 0; i < model->n_candidates; i++)
		add_candidate(comparison, model, &model->candidates[i], total->seconds, now);
}

/* ---- The test --------------------------------------------------------------------------- */

static void sum_up(struct comparison *comparison)
{
	comparison->before.births = comparison->before.bytes = 0;
	comparison->now.births = comparison->now.bytes = 0;
	for (size_t i = 0; i < comparison->n_rows; i++) {
		const struct comparison_row *row = &comparison->rows[i];

		if (strcmp(row->kind, site_kind_name(SITE_HEAP)) != 0)
			continue;
		comparison->before.births += row->before.births;
		comparison->before.bytes += row->before.bytes;
		comparison->now.births += row->now.births;
		comparison->now.bytes += row->now.bytes;
	}
}

static bool on_both_sides(const struct comparison_row *row)
{
	return row->before.births > 0 && row->now.births > 0;
}

struct weighted {
	double value, weight;
};

static int compare_weighted(const void *a, const void *b)
{
	double left = ((const struct weighted *)a)->value;
	double right = ((const struct weighted *)b)->value;

	return (left > right) - (left < right);
}

/* The value at which half of the weight is reached; 0 where there is none. */
static double weighted_median(struct weighted *items, size_t n)
{
	double all = 0, sum = 0;

	if (!n)
		return 0;
	qsort(items, n, sizeof(*items), compare_weighted);
	for (size_t i = 0; i < n; i++)
		all += items[i].weight;
	for (size_t i = 0; i < n; i++) {
		sum += items[i].weight;
		if (2 * sum >= all)
			return items[i].value;
	}
	return items[n - 1].value;
}

/* A ratio is known as well as the smaller of its counts. */
static double find_work(const struct comparison *comparison)
{
	struct weighted *ratios = xcalloc(comparison->n_rows + 1, sizeof(*ratios));
	double work, before = comparison->before.births, now = comparison->now.births;
	size_t n = 0;

	for (size_t i = 0; i < comparison->n_rows; i++) {
		const struct comparison_row *row = &comparison->rows[i];

		if (on_both_sides(row))
			ratios[n++] = (struct weighted){
				row->now.births / row->before.births,
				1 / (1 / row->now.births + 1 / row->before.births)};
	}
	work = weighted_median(ratios, n);
	free(ratios);
	if (work > 0)
		return work;
	return before > 0 && now > 0 ? now / before : 0;
}

/* What part of a site's samples is expected to be of now; 0 where nothing can be expected. */
static double expected_part(const struct comparison *comparison)
{
	return comparison->work / (1 + comparison->work);
}

static double deviation(const struct comparison *comparison, const struct comparison_row *row)
{
	double n = row->before.births + row->now.births, p = expected_part(comparison);

	return n > 0 && p > 0 ? (row->now.births - n * p) / sqrt(n * p * (1 - p)) : 0;
}

static double find_dispersion(const struct comparison *comparison)
{
	double *squares = xcalloc(comparison->n_rows + 1, sizeof(*squares)), median;
	size_t n = 0;

	for (size_t i = 0; i < comparison->n_rows; i++) {
		const struct comparison_row *row = &comparison->rows[i];
		double z = deviation(comparison, row);

		if (on_both_sides(row) && row->before.births + row->now.births >= ENOUGH_BIRTHS)
			squares[n++] = z * z;
	}
	median = n >= ENOUGH_SITES ? stats_quantile(squares, n, 0.5) : 0;
	free(squares);
	return fmax(1, median / MEDIAN_SQUARE);
}

/* Two-sided: by chance, such a count for the work done. */
static double count_p_value(const struct comparison *comparison, const struct comparison_row *row)
{
	double n = (row->before.births + row->now.births) / comparison->dispersion;
	double k = row->now.births / comparison->dispersion;
	double p = expected_part(comparison), high, low;

	if (n <= 0 || p <= 0)
		return 1;
	high = stats_binomial_tail(k, n, p);
	low = stats_binomial_tail(n - k, n, 1 - p);
	return fmin(1, 2 * fmin(high, low));
}

/* Two-sided: by chance, such a difference of the growths. */
static double growth_p_value(const struct comparison_row *row)
{
	double now = reach(row->now.growth_high, row->now.growth_low) / (2 * 1.96);
	double before = reach(row->before.growth_high, row->before.growth_low) / (2 * 1.96);
	double error = hypot(now, before);

	if (error <= 0)
		return 1;
	return 2 * stats_normal_cdf(-fabs(row->now.growth - row->before.growth) / error);
}

static void test_rows(struct comparison *comparison)
{
	double *p = xcalloc(comparison->n_rows + 1, sizeof(*p));
	double *q = xcalloc(comparison->n_rows + 1, sizeof(*q));

	for (size_t i = 0; i < comparison->n_rows; i++) {
		struct comparison_row *row = &comparison->rows[i];
		double count = count_p_value(comparison, row), growth = growth_p_value(row);

		/* Two tests of one site: the better one counts double. */
		row->grows = growth < count;
		row->p_value = p[i] = fmin(1, 2 * fmin(count, growth));
	}
	stats_benjamini_hochberg(p, comparison->n_rows, q);
	for (size_t i = 0; i < comparison->n_rows; i++)
		comparison->rows[i].q_value = q[i];
	free(p);
	free(q);
}

static void name_change(const struct comparison *comparison, struct comparison_row *row)
{
	if (row->before.bytes > 0 && comparison->work > 0)
		row->ratio = row->now.bytes / row->before.bytes / comparison->work;
	if (row->q_value > COMPARISON_Q)
		row->change = CHANGE_SAME;
	else if (row->grows)
		row->change = row->now.growth > row->before.growth ? CHANGE_MORE : CHANGE_LESS;
	else if (row->before.births == 0)
		row->change = CHANGE_NEW;
	else if (row->now.births == 0)
		row->change = CHANGE_GONE;
	else if (row->ratio >= COMPARISON_RATIO)
		row->change = CHANGE_MORE;
	else if (row->ratio <= 1 / COMPARISON_RATIO)
		row->change = CHANGE_LESS;
}

/* Significant before others, then by the difference, which is in bytes an hour for both. */
static int compare_rows(const void *a, const void *b)
{
	const struct comparison_row *left = a, *right = b;
	double by_left, by_right;

	if ((left->change == CHANGE_SAME) != (right->change == CHANGE_SAME))
		return left->change == CHANGE_SAME ? 1 : -1;
	by_left = fmax(fabs(left->now.growth - left->before.growth),
		       fabs(left->now.alloc_rate - left->before.alloc_rate));
	by_right = fmax(fabs(right->now.growth - right->before.growth),
			fabs(right->now.alloc_rate - right->before.alloc_rate));
	if (by_left != by_right)
		return by_left > by_right ? -1 : 1;
	return strcmp(left->stack, right->stack);
}

void comparison_finish(struct comparison *comparison)
{
	sum_up(comparison);
	comparison->work = find_work(comparison);
	comparison->dispersion = find_dispersion(comparison);
	test_rows(comparison);
	for (size_t i = 0; i < comparison->n_rows; i++)
		name_change(comparison, &comparison->rows[i]);
	if (comparison->n_rows)
		qsort(comparison->rows, comparison->n_rows, sizeof(*comparison->rows),
		      compare_rows);
	map_free(&comparison->row_of);
	comparison->row_of = (struct map){0};
}
