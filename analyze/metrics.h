#ifndef GMT_ANALYZE_METRICS_H
#define GMT_ANALYZE_METRICS_H

/*
 * The figures of a report by name: what gates are conditions over, what a comparison sets side by
 * side, and what the JSON report has as `metrics`. One table; names once published stay.
 */

#include "analyze/expression.h"
#include "analyze/findings.h"

#include <stddef.h>
#include <stdio.h>

/* How many there are, and the name of each. */
size_t metrics_count(void);
const char *metrics_name(size_t i);
/* The index of a name; metrics_count() where there is none. */
size_t metrics_find(const char *name);
/* In B, s, /s or B/s; "" for counts, shares and truths. */
const char *metrics_unit(size_t i);
/* What it is, and what has to be recorded for it to be known: parts of sentences. */
const char *metrics_help(size_t i);
const char *metrics_needs(size_t i);
/* The i-th figure; not known where findings is NULL. */
struct quantity metrics_value(const struct findings *findings, size_t i);
/* A figure as people read it. */
struct units_text metrics_text(const struct quantity *value);

#endif
