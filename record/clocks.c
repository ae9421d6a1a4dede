#include "record/clocks.h"

#include <stdbool.h>
#include <stdlib.h>

#define STEP  1000000	     /* ns between the clocks that are not the reading's own */
#define EVERY 60000000000ull /* ns */

/* What the wall clock and sleep have added between two readings, beyond the time that passed. */
static bool stepped(const struct note_clock *from, const struct note_clock *to)
{
	uint64_t passed = to->monotonic - from->monotonic;
	int64_t wall = (int64_t)(to->realtime - from->realtime - passed);
	int64_t boot = (int64_t)(to->boottime - from->boottime - passed);
	int64_t limit = (int64_t)(from->uncertainty + to->uncertainty) + STEP;

	return llabs(wall) > limit || llabs(boot) > limit;
}

size_t clocks_choose(struct clocks *clocks, const struct note_clock *now,
		     struct note_clock chosen[CLOCKS_MAX])
{
	bool first = !clocks->noted.monotonic, step = !first && stepped(&clocks->last, now);
	size_t n = 0;

	if (step && clocks->last.monotonic != clocks->noted.monotonic)
		chosen[n++] = clocks->last;
	/* The wall clock may also be led slowly to where it belongs. */
	if (first || step || now->monotonic - clocks->noted.monotonic >= EVERY ||
	    stepped(&clocks->noted, now))
		chosen[n++] = *now;
	if (n)
		clocks->noted = *now;
	clocks->last = *now;
	return n;
}
