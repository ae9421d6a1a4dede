#include "analyze/judge_evidence.h"

#include "formats/xalloc.h"

#include <math.h>
#include <stdlib.h>

/*
 * What grows at one site while as much goes at another, of the same size, has not grown: its
 * objects take the place of those. So where a table is filled at the start by one line and kept up
 * to date by another.
 */

/* A loss that chance may be is none. */
#define SURE_LOSS 2.5

static int compare_sizes(const void *a, const void *b)
{
	const struct site *x = (*(struct judge_evidence *const *)a)->site;
	const struct site *y = (*(struct judge_evidence *const *)b)->site;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->max_size != y->max_size)
		return x->max_size < y->max_size ? -1 : 1;
	return (x > y) - (x < y);
}

static bool same_size(const struct site *a, const struct site *b)
{
	return a->process == b->process && a->kind == b->kind && a->max_size == b->max_size;
}

/* Sums up what came and what surely went. */
struct exchange {
	double gained, lost;
};

static void add(struct exchange *exchange, double rise, double error)
{
	if (rise > 0)
		exchange->gained += rise;
	else if (-rise > SURE_LOSS * error)
		exchange->lost -= rise;
}

static double share(const struct exchange *exchange)
{
	return exchange->gained > 0 ? fmin(1, exchange->lost / exchange->gained) : 0;
}

static void weigh_group(struct judge_evidence *const *group, size_t n)
{
	struct exchange whole = {0}, half = {0};

	for (size_t i = 0; i < n; i++) {
		add(&whole, group[i]->drift, group[i]->drift_error);
		add(&half, group[i]->half_rise, group[i]->half_error);
	}
	for (size_t i = 0; i < n; i++) {
		group[i]->replaced = share(&whole);
		group[i]->replaced_late = share(&half);
	}
}

void judge_replaced(struct judge_evidence *evidence, size_t n)
{
	struct judge_evidence **order = xcalloc(n + 1, sizeof(*order));

	for (size_t i = 0; i < n; i++)
		order[i] = &evidence[i];
	if (n)
		qsort(order, n, sizeof(*order), compare_sizes);
	for (size_t from = 0, to; from < n; from = to) {
		for (to = from + 1; to < n && same_size(order[from]->site, order[to]->site); to++)
			;
		if (to - from > 1 && order[from]->site->kind == SITE_HEAP)
			weigh_group(order + from, to - from);
	}
	free(order);
}
