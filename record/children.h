#ifndef GMT_RECORD_CHILDREN_H
#define GMT_RECORD_CHILDREN_H

/*
 * Go programs that a target starts. The kernel's events are inherited by them; what is read from
 * /proc and from their memory is read here, as of a target: what the process is, its RSS by owner,
 * and, where it runs the file of a target, on which the breakpoints are, its bucket table.
 */

#include "record/recording.h"

struct children;

struct children *children_new(struct recording *recording);

/*
 * Looks for processes that have executed something since the last time, reads those that are
 * watched, and lets go of those that have ended. tables: the bucket tables too; final: the last
 * readings of all.
 */
void children_look(struct children *children, bool tables, bool final);
/* A new file begins: what a process is stands in each. */
void children_restart(struct children *children);

/*
 * All that were watched, ended or not, behind the n targets given: for the symbol table. Both
 * arrays are to be freed; what is in them stays the children's.
 */
size_t children_append(const struct children *children, const struct target *targets,
		       const uint64_t *load_biases, size_t n, struct target **all,
		       uint64_t **all_biases);

void children_free(struct children *children);

#endif
