#ifndef GMT_ANALYZE_REPORT_TEXT_PARTS_H
#define GMT_ANALYZE_REPORT_TEXT_PARTS_H

#include "analyze/report_text.h"
#include "analyze/units.h"

/* What the parts of the text report share: where to print, how, and what of. */
struct report {
	FILE *out;
	const struct model *model;
	struct report_options options; /* with defaults filled in */
	uint64_t *births;	       /* by process */
	uint32_t *order;	       /* processes, the one with the most births first */
};

enum report_style { STYLE_HEADING, STYLE_BAD, STYLE_WARN, STYLE_GOOD, STYLE_FAINT };

/* The escape sequence that begins a style, and the one that ends it; "" without colours. */
const char *report_style(const struct report *report, enum report_style style);
const char *report_plain(const struct report *report);

/* A heading, after an empty line. */
void report_heading(const struct report *report, const char *text);
/* Prints a text from the trace, shortened in the middle to at most width columns (0: as it is). */
void report_put(const struct report *report, const char *text, size_t width);
/* Prints formatted text, indented, broken at blanks into lines of the report's width. */
void report_wrap(const struct report *report, size_t first_indent, size_t indent, const char *fmt,
		 ...) __attribute__((format(printf, 4, 5)));
/* The same where `column` columns of the first line are taken already, to which the text joins on.
 */
void report_wrap_on(const struct report *report, size_t column, size_t indent, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* A time as the span since the beginning of the trace. */
struct units_text report_time(const struct report *report, uint64_t time);
/* Whether a process is worth a section of its own. */
bool report_shows_process(const struct report *report, size_t place);

/* A frame on a line of its own: the function, then file and line behind the column. */
void report_frame(const struct report *report, const struct symtab_frame *frame, size_t indent,
		  size_t column);
/* Where the allocation is, and where it is near the goal, if these were asked for. */
void report_hot_spots(const struct report *report);

void report_timelines(const struct report *report);
void report_memory(const struct report *report);
void report_goroutines(const struct report *report);
void report_goroutine_dumps(const struct report *report);
void report_executions(const struct report *report);
void report_candidates(const struct report *report);
/* Page faults, and events of no use here, where there are any. */
void report_faults(const struct report *report);
void report_trust(const struct report *report);

/* A frame in at most width columns and a newline: its function, and from `column` on its place. */
void report_frame_on(const struct report *report, const struct symtab_frame *frame, size_t width,
		     size_t column);

/* "pkg/file.go:118" in at most width columns where it can be: the path loses its beginning, the
 * line is kept whole. "" where the file is not known. Owned by the caller. */
char *report_place(const struct symtab_frame *frame, size_t width);

#endif
