#ifndef GMT_RECORD_CHECK_H
#define GMT_RECORD_CHECK_H

#include "record/native.h"
#include "record/plan.h"
#include "record/target.h"

#include <stdbool.h>
#include <stdio.h>

/*
 * --check: says in words what this machine and this target allow, one line each, with the remedy
 * for every no. Installs nothing; needs no privilege.
 */

/* The machine: perf events, tracefs, uprobes, system calls, and what is there beyond. Returns
 * whether a default recording can work. */
bool check_machine(FILE *out);

/* A target: what the binary is and what its plans give; native: of --native, else NULL. */
bool check_target(FILE *out, const struct target *target, const struct plan *plan,
		  const struct native *native);

#endif
