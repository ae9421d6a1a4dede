#ifndef GMT_ANALYZE_METRICS_SCOPE_H
#define GMT_ANALYZE_METRICS_SCOPE_H

/*
 * What the names in a gate mean: the figures of metrics.h, with "baseline." before them those of
 * the comparison; and the functions over sites, with their fields.
 */

#include "analyze/expression.h"
#include "analyze/findings.h"

#include <stdio.h>

struct metrics_context;

/* The context refers to the findings. NULL is one without values, for checks. */
struct metrics_context *metrics_context_new(const struct findings *findings);
void metrics_context_free(struct metrics_context *context);
struct expression_scope metrics_scope(const struct metrics_context *context);

/* All figures with their explanations, the functions and their fields; with findings also the
 * values. */
void metrics_list(FILE *out, const struct findings *findings);

#endif
