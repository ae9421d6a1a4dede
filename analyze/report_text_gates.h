#ifndef GMT_ANALYZE_REPORT_TEXT_GATES_H
#define GMT_ANALYZE_REPORT_TEXT_GATES_H

#include "analyze/findings.h"
#include "analyze/report_text.h"

/* The sections on the comparison and on the gates, where there are any. Errors: out cannot be
 * written to. */
struct error *report_text_gates(FILE *out, const struct findings *findings,
				const struct report_options *options);

#endif
