#include "analyze/align_state.h"
#include "formats/xalloc.h"

#include <stdlib.h>

/*
 * Lines that the trace has no cycle for go where the matched lines of their life go. Where
 * processes wrote in turns, though, lines may have been dealt to the wrong life, and once they have
 * been all that follow may be too. So a life is followed from its matched lines, in both
 * directions, up to the first line that another one could stand in for.
 */

#define SAME_NUMBER 64 /* lines of one number that are looked at on either side */
#define NEAR	    4  /* a line could stand at another's place that is so many gaps away */

/* A line that nobody has, and when the lines before and behind it in its life were printed. */
struct loose_line {
	size_t index;
	uint64_t number, time, after, before;
};

struct place {
	struct align *a;
	struct loose_line *loose;
	size_t n_loose;
	uint64_t *trail_time;	   /* of each life: of the line passed last */
	uint32_t *trail_alignment; /* the one to go on with; ALIGN_NOBODY: none */
	bool *doubtful;		   /* of each line */
};

static int by_number(const void *a, const void *b)
{
	const struct loose_line *x = a, *y = b;

	return x->number != y->number ? (x->number > y->number) - (x->number < y->number)
				      : (x->index > y->index) - (x->index < y->index);
}

static void reset_trails(struct place *p, const struct line_range *range)
{
	for (size_t i = range->first; i <= range->last; i++) {
		uint32_t life = p->a->lives.of[i];

		if (life >= GCLIFE_DUPLICATE)
			continue;
		p->trail_time[life] = UINT64_MAX;
		p->trail_alignment[life] = ALIGN_NOBODY;
	}
}

/* Lists the lines that nobody has, with their neighbours' times (their own where there is none). */
static void collect(struct place *p, const struct line_range *range)
{
	const struct align *a = p->a;
	size_t n = 0;

	reset_trails(p, range);
	for (size_t i = range->first; i <= range->last; i++) {
		uint32_t life = a->lives.of[i];
		uint64_t time = a->entries[i]->time;

		if (life >= GCLIFE_DUPLICATE)
			continue;
		if (a->lines[i].state == LINE_FREE) {
			uint64_t last = p->trail_time[life];

			p->loose[n++] = (struct loose_line){i, a->entries[i]->number, time,
							    last == UINT64_MAX ? time : last, time};
		}
		p->trail_time[life] = time;
	}
	p->n_loose = n;
	reset_trails(p, range);
	for (size_t i = range->last + 1; i-- > range->first;) {
		uint32_t life = a->lives.of[i];

		if (life >= GCLIFE_DUPLICATE)
			continue;
		if (n && p->loose[n - 1].index == i && p->trail_time[life] != UINT64_MAX)
			p->loose[n - 1].before = p->trail_time[life];
		n -= n && p->loose[n - 1].index == i;
		p->trail_time[life] = a->entries[i]->time;
	}
}

/* Whether the other line, of the same number, could stand in for this one. */
static bool could_be(const struct loose_line *line, const struct loose_line *other)
{
	uint64_t reach = (line->before - line->after) * NEAR;
	uint64_t least = line->after > reach ? line->after - reach : 0;

	return other->time >= least && other->time <= line->before + reach;
}

static void find_doubtful(struct place *p)
{
	if (p->n_loose)
		qsort(p->loose, p->n_loose, sizeof(p->loose[0]), by_number);
	for (size_t i = 0; i < p->n_loose; i++) {
		size_t from = i > SAME_NUMBER ? i - SAME_NUMBER : 0;
		bool doubtful = false;

		for (size_t j = from; j < p->n_loose && j < i + SAME_NUMBER && !doubtful; j++)
			doubtful = j != i && p->loose[j].number == p->loose[i].number &&
				   could_be(&p->loose[i], &p->loose[j]);
		p->doubtful[p->loose[i].index] = doubtful;
	}
}

/* Follows the life that line i is of. */
static void follow(struct place *p, size_t i)
{
	struct align *a = p->a;
	uint32_t life = a->lives.of[i], *trail;
	struct aligned_line *line = &a->lines[i];
	const struct life_owner *owner;

	if (life >= GCLIFE_DUPLICATE || !align_is_owned(&a->owners[life]))
		return;
	owner = &a->owners[life];
	trail = &p->trail_alignment[life];
	if (line->state == LINE_MATCHED) {
		bool own = a->model->alignments[line->alignment].process == owner->process;

		*trail = own ? line->alignment : ALIGN_NOBODY;
	} else if (line->state == LINE_FREE && p->doubtful[i]) {
		*trail = ALIGN_NOBODY;
	} else if (line->state == LINE_FREE && *trail != ALIGN_NOBODY) {
		line->state = LINE_PLACED;
		line->alignment = *trail;
	}
}

void align_place(struct align *a)
{
	struct place p = {
		.a = a,
		.loose = xcalloc(a->n + 1, sizeof(p.loose[0])),
		.trail_time = xcalloc(a->lives.n_lives + 1, sizeof(p.trail_time[0])),
		.trail_alignment = xcalloc(a->lives.n_lives + 1, sizeof(p.trail_alignment[0])),
		.doubtful = xcalloc(a->n + 1, sizeof(p.doubtful[0])),
	};

	for (size_t group = 0; group < a->lives.n_groups; group++) {
		const struct line_range *range = &a->groups[group];

		collect(&p, range);
		find_doubtful(&p);
		reset_trails(&p, range);
		for (size_t i = range->first; i <= range->last; i++)
			follow(&p, i);
		reset_trails(&p, range);
		for (size_t i = range->last + 1; i-- > range->first;)
			follow(&p, i);
	}
	free(p.loose);
	free(p.trail_time);
	free(p.trail_alignment);
	free(p.doubtful);
}
