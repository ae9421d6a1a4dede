#ifndef GMT_RECORD_RATE_H
#define GMT_RECORD_RATE_H

/*
 * Switching Go's heap sampler on, or to another rate, from outside: runtime.MemProfileRate is
 * written in the target's memory, on explicit request only. What was there is put back at the end.
 * A journal entry outlives a recorder that dies; the next recorder puts the value back.
 */

#include "formats/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct rate_change;

/*
 * Writes `rate` to the word at `address` of process pid, after noting the old value in the journal
 * folder (made when missing). Errors say what was refused; nothing has changed then.
 */
struct error *rate_set(const char *journal, pid_t pid, uint64_t address, uint64_t rate,
		       struct rate_change **change);

/* Puts the old value back, where the process still runs and nobody else has set another. Frees. */
void rate_restore(struct rate_change *change);

/*
 * Puts back what recorders that died had set, for every process of the journal that still runs.
 * Returns how many were put back.
 */
size_t rate_recover(const char *journal);

/* Where the journal lies: /run/gmt for root, else a folder of the user's own. To be freed. */
char *rate_journal_path(void);

#endif
