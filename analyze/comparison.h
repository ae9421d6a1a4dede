#ifndef GMT_ANALYZE_COMPARISON_H
#define GMT_ANALYZE_COMPARISON_H

/*
 * Two recordings of a program side by side, site by site: what allocates or grows more, less, is
 * new or gone, and whether that is more than chance. Sites are told by their kind and the functions
 * of their stacks: lines and addresses are not the same from one build to the next.
 *
 * Two recordings differ in length and in load. Rates are by time; the test is by work: by how much
 * more was done now is taken from the sites that both have (the weighted median of their ratios, as
 * in Anders and Huber 2010, Genome Biology 11), so that one site that allocates more does not make
 * all others allocate less. Given that, a site's samples before and now are two Poisson counts with
 * the sum given (Przyborowski and Wilenski 1940, Biometrika 31). Programs allocate in bursts, so
 * counts vary more than Poisson counts do; by how much is taken from the sites themselves, most
 * of which have not changed (the median of their squared deviations, as in genomic control: Devlin
 * and Roeder 1999, Biometrics 55). False discovery over all sites is controlled.
 */

#include "analyze/expression.h"
#include "analyze/findings.h"
#include "common/map.h"
#include "formats/error.h"

#include <stddef.h>
#include <stdint.h>

#define COMPARISON_Q	 0.05 /* above, a change is not called one */
#define COMPARISON_RATIO 1.2  /* nor is a smaller one than this, up or down */

enum comparison_change { CHANGE_NEW, CHANGE_MORE, CHANGE_LESS, CHANGE_GONE, CHANGE_SAME };

/* What one recording says of a site. */
struct comparison_side {
	double births;				/* samples */
	double bytes;				/* allocated, estimate */
	double alloc_rate;			/* the same, bytes a second */
	double live;				/* bytes at the end, estimate */
	double growth, growth_low, growth_high; /* of live, bytes an hour, 95 % */
};

struct comparison_row {
	char *kind, *function, *file, *stack;
	struct comparison_side before, now;
	double ratio; /* of bytes for the same work, now over before; 0 where it is gone or new */
	double p_value, q_value;
	enum comparison_change change;
	bool grows; /* what changed is the growth of what is live */
};

/* A recording as it is compared. */
struct comparison_total {
	char *path;
	double seconds, births, bytes, cycles; /* 0 unknown */
	double *metrics;		       /* by index (metrics.h); NaN: not known */
};

struct comparison {
	struct comparison_total before, now;
	double work;		     /* done now, over that before */
	double dispersion;	     /* by how much counts vary more than Poisson counts */
	struct comparison_row *rows; /* significant ones first, the largest difference first */
	size_t n_rows, cap_rows;
	struct map row_of; /* hash of kind and stack -> index, until it is finished */
};

struct comparison *comparison_new(void);
void comparison_free(struct comparison *comparison);
/* Sums up findings as the baseline, or as what is compared with it. */
void comparison_add(struct comparison *comparison, const struct findings *findings, bool now);
/* The same for a baseline that is there as the JSON report on it. Errors: no such report. */
struct error *comparison_add_json(struct comparison *comparison, const char *path);
/* Compares, when both sides are there. */
void comparison_finish(struct comparison *comparison);

/* "new", "more", "less", "gone", "same". */
const char *comparison_change_id(enum comparison_change change);
/* Significantly more, or new. */
bool comparison_is_regression(const struct comparison_row *row);
/* Sets value to the baseline's figure i, where it is known. */
void comparison_metric(const struct comparison *comparison, size_t i, struct quantity *value);
/* The functions of a site's stack, innermost first, with ';' between them. Owned by the caller. */
char *comparison_stack(const struct model *model, const struct site *site);

/* A row for a site, made if need be; the texts are copied. Good until the next one is made. */
struct comparison_row *comparison_row(struct comparison *comparison, const char *kind,
				      const char *function, const char *file, const char *stack);
/* Adds another site to a side of a row. */
void comparison_side_add(struct comparison_side *side, const struct comparison_side *more);

#endif
