#ifndef GMT_RECORD_NAMES_H
#define GMT_RECORD_NAMES_H

/*
 * Names for the stacks of the buckets, as these are read: so that a trace whose recorder was
 * killed, or that goes into a pipe, names its allocation sites all the same. The table of all
 * addresses is made at the end (record/symbols.h).
 */

#include "formats/bytes.h"
#include "record/target.h"

#include <stdbool.h>

struct names;

/* targets and load_biases stay the caller's, and must outlive it. */
struct names *names_new(const struct target *targets, const uint64_t *load_biases,
			size_t n_targets);
/* Takes the payload of a note: the stack of a bucket is remembered, other notes are passed over. */
void names_note(struct names *names, const struct buffer *note);
/*
 * Resolves some of what has come, at most `most` addresses, and appends the payload of a note with
 * it to out. False: nothing waits.
 */
bool names_take(struct names *names, size_t most, uint32_t *pid, struct buffer *out);
/* Another file begins, which has none of it. */
void names_restart(struct names *names);
void names_free(struct names *names);

#endif
