#ifndef GMT_ANALYZE_GOTRACE_H
#define GMT_ANALYZE_GOTRACE_H

/*
 * Go execution traces on the trace's clock. They have its clock already; that it is so, and whose
 * they are, is proved by the GC cycles that stand in both.
 */

#include "analyze/model.h"
#include "formats/error.h"
#include "formats/gotrace.h"

/* Reads a file and adds it to model->executions; after the trace was read. Errors: it cannot be
 * read. That it cannot be placed is said in its problem. */
struct error *gotrace_load(struct model *model, const char *path);

/* The same for one that was read, which is taken over. */
void gotrace_add(struct model *model, const char *path, struct gotrace *content);

/* The time on the trace's clock; 0 where the execution trace is not placed. */
uint64_t gotrace_time(const struct execution *execution, uint64_t time);

#endif
