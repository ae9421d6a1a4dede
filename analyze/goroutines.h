#ifndef GMT_ANALYZE_GOROUTINES_H
#define GMT_ANALYZE_GOROUTINES_H

/* The goroutines of a process: how many there were, and which go statements made them. */

#include "analyze/model.h"

/* What one go statement has made, over all the ways by which the program comes to it. */
struct go_statement {
	uint32_t site;		 /* one of its sites, which names it: an index into model.sites */
	bool of_runtime;	 /* it starts a function of the runtime */
	uint64_t before;	 /* there when the recording began */
	uint64_t before_now;	 /* of these, there at its end */
	uint64_t started, ended; /* of those that started in the recording */
	uint64_t waiting;	 /* of those before, how many waited for `waits_for`; 0: unknown */
	const char *waits_for;	 /* NULL: not known */
	uint64_t waits_since;	 /* the one that waited longest; 0: not known */
};

struct goroutine_summary {
	bool recorded;	   /* anything is known of goroutines */
	bool before_known; /* and of those that were there before */
	uint64_t left_out; /* places of the runtime's list that were not read */
	uint64_t before, before_of_runtime, before_ended, started, ended, now, most;
	struct go_statement *statements; /* the most goroutines first; owned */
	size_t n_statements;
};

void goroutines_summarise(const struct model *model, uint32_t process,
			  struct goroutine_summary *summary);
void goroutines_free_summary(struct goroutine_summary *summary);

/* Whether what there was at the beginning is part of what is counted later. */
bool goroutines_before_known(const struct model *model, const struct process *process);

#endif
