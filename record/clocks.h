#ifndef GMT_RECORD_CLOCKS_H
#define GMT_RECORD_CLOCKS_H

/* Which readings of the clocks go into the trace: one now and then, and both sides of each step of
 * the wall clock, which a sleep of the machine is too. */

#include "formats/note.h"

#include <stddef.h>

/* Zero-initialise. */
struct clocks {
	struct note_clock last, noted; /* as last read, and as last chosen */
};

#define CLOCKS_MAX 2

/* Takes a reading; returns how many readings are to be noted now, in order, and which. */
size_t clocks_choose(struct clocks *clocks, const struct note_clock *now,
		     struct note_clock chosen[CLOCKS_MAX]);

#endif
