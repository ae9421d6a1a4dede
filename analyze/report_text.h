#ifndef GMT_ANALYZE_REPORT_TEXT_H
#define GMT_ANALYZE_REPORT_TEXT_H

#include "analyze/model.h"
#include "formats/error.h"

#include <stdio.h>

/* The report that people see first: what was recorded, a timeline, the candidates, and how far all
 * of it is to be trusted. Sizes are in binary units. */
struct report_options {
	size_t width;	  /* columns; 0: 100; at least 60 are used */
	size_t top;	  /* candidates shown with evidence and stack; 0: 5 */
	size_t intervals; /* most rows of a timeline; 0: 30 */
	bool hot;	  /* where the allocation is */
	bool near_goal;	  /* and where it is while the heap is near its goal */
	bool colour;	  /* ANSI colours */
	bool verbose;	  /* every candidate, process and remark */
};

/* Writes the report. Errors: out cannot be written to. */
struct error *report_text(FILE *out, const struct model *model,
			  const struct report_options *options);

#endif
