#ifndef GMT_RECORD_LIST_H
#define GMT_RECORD_LIST_H

#include "record/native.h"
#include "record/plan.h"

#include <stdio.h>

/*
 * Prints the plan for --list: the binary (NULL: not Go), the heap mode and why, the probes as a
 * table, those of --native (else NULL), and what is lost. Error: the stream cannot be written.
 */
struct error *list_print(FILE *out, const struct gobin *bin, const struct plan *plan,
			 const struct native *native);

#endif
