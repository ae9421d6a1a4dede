#ifndef GMT_ANALYZE_ALIGN_H
#define GMT_ANALYZE_ALIGN_H

/*
 * A gctrace log on the trace's clock. Reads model->processes and model->cycles, adds to
 * model->alignments one entry for each life of a process in the log (more where the clocks drift
 * apart), in log order, and to model->gctrace a point for each line. What cannot be told is said in
 * the alignment's problem; it is never an error.
 */

#include "analyze/model.h"
#include "formats/error.h"
#include "formats/gctrace.h"

/* Errors: the log cannot be read, or holds no gctrace line. */
struct error *align_gctrace(struct model *model, const char *path);

/* The same for a log that was read. */
void align_gctrace_log(struct model *model, const char *path, const struct gctrace_log *log);

#endif
