#ifndef GMT_ANALYZE_OPTIONS_H
#define GMT_ANALYZE_OPTIONS_H

#include "analyze/gates.h"
#include "analyze/gchealth.h"
#include "formats/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum analyze_action {
	ANALYZE_REPORT,
	ANALYZE_METRICS,
	ANALYZE_SALVAGE,
	ANALYZE_HELP,
	ANALYZE_VERSION,
};
enum analyze_format { FORMAT_TEXT, FORMAT_JSON };
enum analyze_color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* Strings and lists of strings point into argv. */
struct analyze_options {
	enum analyze_action action;
	const char **traces, **gctraces, **dumps, **gotraces;
	size_t n_traces, n_gctraces, n_dumps, n_gotraces;
	enum analyze_format format;
	const char *output;	    /* NULL: standard output */
	const char *salvage;	    /* the file to make of the trace; NULL: none */
	struct gates gates;	    /* checked */
	const char *baseline;	    /* NULL: none */
	uint64_t from, to;	    /* ns from the start of the trace; to 0: to its end */
	struct gchealth_options gc; /* thresholds */
	uint64_t limit;		    /* memory of the process, bytes; 0 unknown */
	double near_goal;	    /* share of the heap's goal; 0: no such view */
	bool hot;		    /* a view of where the allocation is */
	unsigned top;		    /* candidates to show; 0: as many as the report thinks fit */
	enum analyze_color color;
	int verbosity; /* common/log.h */
};

/* Parses the command line. Errors are usage errors. Free with analyze_options_free in any case. */
struct error *analyze_options_parse(int argc, char *argv[], struct analyze_options *options);
void analyze_options_free(struct analyze_options *options);

extern const char analyze_help[];

#endif
