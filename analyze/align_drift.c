#include "analyze/align_drift.h"

#include "formats/xalloc.h"

#include <stdlib.h>

#define CHAIN_LOOK 64	/* pairs that may lie between two that belong together */
#define MAX_DRIFT  1000 /* clocks that drift apart do so by less: 1/1000 */

/* Whether b, a later cycle, may lie on the same clock as a. */
static bool follows(const struct gctrace_entry *const *lines, const struct align_pair *a,
		    const struct align_pair *b)
{
	uint64_t from = lines[a->line]->time, to = lines[b->line]->time;
	int64_t reach;

	if (a->number >= b->number || from > to)
		return false;
	reach = (int64_t)((to - from) / MAX_DRIFT);
	return b->low <= a->high + reach && b->high >= a->low - reach;
}

/* The longest run of pairs each of which follows the one before. Returns its length; chain holds
 * the indices. */
static size_t longest_chain(const struct gctrace_entry *const *lines,
			    const struct align_pair *pairs, size_t n, size_t *chain)
{
	size_t *length = xcalloc(n, sizeof(length[0])), *before = xcalloc(n, sizeof(before[0]));
	size_t best = 0, count;

	for (size_t i = 0; i < n; i++) {
		length[i] = 1;
		before[i] = i;
		for (size_t j = i; j > 0 && i - j < CHAIN_LOOK;) {
			j--;
			if (length[j] >= length[i] && follows(lines, &pairs[j], &pairs[i])) {
				length[i] = length[j] + 1;
				before[i] = j;
			}
		}
		if (length[i] > length[best])
			best = i;
	}
	count = length[best];
	for (size_t i = count; i-- > 0; best = before[best])
		chain[i] = best;
	free(length);
	free(before);
	return count;
}

/* A stretch of the chain that is of one zero, while it is being made. */
struct stretch {
	int64_t low, high;    /* where all its pairs meet */
	int64_t least, most;  /* what its pairs cover: the zero moves a little within it too */
	uint64_t first, last; /* gctrace times */
};

static void start_stretch(struct stretch *s, const struct align_pair *pair, uint64_t time)
{
	*s = (struct stretch){pair->low, pair->high, pair->low, pair->high, time, time};
}

/* Adds a pair; false where it does not meet the others. */
static bool extend_stretch(struct stretch *s, const struct align_pair *pair, uint64_t time)
{
	if (pair->low > s->high || pair->high < s->low)
		return false;
	s->low = pair->low > s->low ? pair->low : s->low;
	s->high = pair->high < s->high ? pair->high : s->high;
	s->least = pair->low < s->least ? pair->low : s->least;
	s->most = pair->high > s->most ? pair->high : s->most;
	s->last = time;
	return true;
}

/* Whether the zero can have moved so far in that time. */
static bool can_drift(const struct stretch *from, const struct stretch *to)
{
	int64_t gap = to->low > from->high ? to->low - from->high : from->low - to->high;

	return gap <= (int64_t)((to->last - from->first) / MAX_DRIFT);
}

/* Cuts the chain into pieces of one zero each; false where that would have to jump. */
static bool cut_chain(const struct gctrace_entry *const *lines, const struct align_pair *pairs,
		      struct align_drift *drift)
{
	struct stretch before = {0}, now = {0};
	bool smooth = true;

	for (size_t i = 0; i <= drift->n_chain && smooth; i++) {
		const struct align_pair *pair = i < drift->n_chain ? &pairs[drift->chain[i]] : NULL;
		uint64_t time = pair ? lines[pair->line]->time : 0;

		if (i && pair && extend_stretch(&now, pair, time))
			continue;
		if (i) {
			xgrow(drift->pieces, drift->cap_pieces, drift->n_pieces + 1);
			drift->pieces[drift->n_pieces++] = (struct align_piece){
				now.least, now.most, pair ? now.last : UINT64_MAX};
			smooth = drift->n_pieces == 1 || can_drift(&before, &now);
			before = now;
		}
		if (pair)
			start_stretch(&now, pair, time);
	}
	return smooth;
}

/* Whether the heap sizes along the chain vary, so that their agreement means something. */
static bool sizes_tell(const struct gctrace_entry *const *lines, const struct align_pair *pairs,
		       const struct align_drift *drift)
{
	const struct gctrace_entry *last = NULL;
	size_t changes = 0;

	for (size_t i = 0; i < drift->n_chain; i++) {
		const struct gctrace_entry *line = lines[pairs[drift->chain[i]].line];

		changes += !last || line->heap_live != last->heap_live ||
			   line->heap_start != last->heap_start;
		last = line;
	}
	return changes * 10 >= drift->n_chain;
}

void align_drift_find(const struct gctrace_entry *const *lines, const struct align_pair *pairs,
		      size_t n, bool sizes_known, struct align_drift *drift)
{
	*drift = (struct align_drift){.chain = xcalloc(n + 1, sizeof(drift->chain[0]))};
	drift->n_chain = longest_chain(lines, pairs, n, drift->chain);
	drift->plausible = drift->n_chain >= 8 && cut_chain(lines, pairs, drift) &&
			   (drift->n_pieces * 8 <= drift->n_chain ||
			    (sizes_known && sizes_tell(lines, pairs, drift)));
}

void align_drift_free(struct align_drift *drift)
{
	free(drift->chain);
	free(drift->pieces);
	*drift = (struct align_drift){0};
}
