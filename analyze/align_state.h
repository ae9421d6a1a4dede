#ifndef GMT_ANALYZE_ALIGN_STATE_H
#define GMT_ANALYZE_ALIGN_STATE_H

/* What the parts of align share while one log is aligned: align.c, align_match.c, align_rest.c. */

#include "analyze/align_fit.h"
#include "analyze/gclives.h"
#include "analyze/model.h"

#define ALIGN_NOBODY   UINT32_MAX
#define ALIGN_MAX_ZERO (INT64_MAX / 8)

/* From the start of a process as it is known (in steps of 10 ms) to that of its runtime, ns. */
#define ALIGN_START_EARLY 10000000
#define ALIGN_START_LATE  90000000

enum line_state {
	LINE_FREE,
	LINE_MATCHED, /* it is a cycle of the trace */
	LINE_PLACED,  /* of the same life as such lines; the trace has no cycle of its number */
	LINE_WRONG,   /* it contradicts */
};

struct aligned_line {
	enum line_state state;
	uint32_t alignment; /* ALIGN_NOBODY until it is known */
};

struct align_process {
	struct align_cycles cycles;
	bool taken; /* a life of the log is its */
};

struct align {
	struct model *model;
	const char *path;
	const struct gctrace_entry **entries;
	struct aligned_line *lines;
	size_t n;
	struct gclives lives;
	struct line_range {
		size_t first, last;
	} * groups; /* the lines of each group of lives */
	struct life_owner {
		uint32_t process;	    /* that has matched the most of its lines */
		uint32_t matched, compared; /* of its lines, by that process */
	} * owners;			    /* of each life */
	struct align_process *processes;
	size_t unnumbered; /* fits tried without numbers */
	size_t first;	   /* alignment of this log in the model */
	/* The lines that are being fitted, and their places. */
	const struct gctrace_entry **some;
	size_t *which, n_some;
};

/* Adds a remark to *text, which is owned; remarks are set apart by "; ". */
void align_remark(char **text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *align_plural(size_t n);

/* Gives the lives of the log to the processes that they fit. */
void align_match(struct align *a);
/* Places the lines without a cycle in the trace that stand in a matched life. */
void align_place(struct align *a);
/* Settles the lines that nobody has, and says why. */
void align_rest(struct align *a);

/* Whether most of the comparable lines of a life were matched. */
static inline bool align_is_owned(const struct life_owner *owner)
{
	return owner->matched && owner->matched * 10ull >= owner->compared * 8ull;
}

/* Fits a->some to the cycles of a process. */
void align_try(struct align *a, uint32_t process, struct align_fit *fit);
/* The verdict on a fit, with what is known of the process itself. */
enum align_verdict align_judge(const struct align *a, uint32_t process,
			       const struct align_fit *fit);
/* How far the zero lies from the runtimeInitTime of the process, ns beyond its bound; 0 where it
 * agrees or that is not known. */
int64_t align_runtime_differs(const struct align *a, uint32_t process, const struct align_fit *fit);
struct gctrace_alignment *align_add(struct align *a, uint32_t process);
void align_set_interval(struct gctrace_alignment *alignment, int64_t low, int64_t high);

#endif
