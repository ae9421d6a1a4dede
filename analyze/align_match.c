#include "analyze/align_pair.h"
#include "analyze/align_state.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <stdlib.h>

#define MAX_UNNUMBERED 64 /* fits that may be tried without numbers: they are costly */

/* A life of the log (a group of lives in turns) and a process that it may be of. */
struct candidate_match {
	uint32_t group, process;
	enum align_verdict verdict;
	size_t agreeing, comparable;
	bool phases_agree;
};

/* ---- Trying ---------------------------------------------------------------------------- */

/* Gathers the lines of a group that no process has matched. */
static void gather(struct align *a, uint32_t group)
{
	a->n_some = 0;
	for (size_t i = a->groups[group].first; i <= a->groups[group].last; i++) {
		if (a->lives.of[i] >= GCLIFE_DUPLICATE ||
		    (a->lines[i].state != LINE_FREE && a->lines[i].state != LINE_WRONG))
			continue;
		a->some[a->n_some] = a->entries[i];
		a->which[a->n_some++] = i;
	}
}

void align_try(struct align *a, uint32_t process, struct align_fit *fit)
{
	align_fit_find(a->some, a->n_some, &a->processes[process].cycles,
		       a->unnumbered < MAX_UNNUMBERED, fit);
	a->unnumbered += fit->verdict < ALIGN_WEAK || fit->shift;
}

/* How far the middle of the first piece lies from what the process itself has, ns beyond its bound;
 * 0 where it agrees or the process is silent. */
int64_t align_runtime_differs(const struct align *a, uint32_t process, const struct align_fit *fit)
{
	uint64_t init = a->model->processes[process].runtime_init;
	const struct align_piece *piece = &fit->pieces[0];

	if (!init || init > ALIGN_MAX_ZERO || fit->n_pieces > 1)
		return 0;
	return (int64_t)init < piece->low    ? piece->low - (int64_t)init
	       : (int64_t)init > piece->high ? (int64_t)init - piece->high
					     : 0;
}

/*
 * Whether a fit is to be believed that rests on one or two lines, or on cycles that are all alike:
 * they fit easily. The phases, the start of the runtime or that of the process must confirm it.
 */
static bool is_confirmed(const struct align *a, uint32_t index, const struct align_fit *fit)
{
	const struct process *process = &a->model->processes[index];
	int64_t start = (int64_t)process->start, zero = fit->pieces[0].low;

	if (fit->phases_agree || (process->runtime_init && fit->n_pieces == 1))
		return true;
	return !process->attached && process->start < ALIGN_MAX_ZERO &&
	       zero >= start - ALIGN_START_EARLY && zero <= start + ALIGN_START_LATE;
}

enum align_verdict align_judge(const struct align *a, uint32_t process, const struct align_fit *fit)
{
	if (fit->verdict < ALIGN_WEAK)
		return fit->verdict;
	if (align_runtime_differs(a, process, fit) > 1000)
		return ALIGN_TIMES_DIFFER;
	if ((fit->verdict == ALIGN_WEAK || fit->regular) && is_confirmed(a, process, fit))
		return ALIGN_GOOD;
	return fit->regular ? ALIGN_AMBIGUOUS : fit->verdict;
}

static int by_merit(const void *a, const void *b)
{
	const struct candidate_match *x = a, *y = b;
	double score_x = (double)x->agreeing * x->agreeing / (double)(x->comparable + 1);
	double score_y = (double)y->agreeing * y->agreeing / (double)(y->comparable + 1);

	if (x->verdict != y->verdict)
		return (x->verdict < y->verdict) - (x->verdict > y->verdict);
	if (x->phases_agree != y->phases_agree)
		return x->phases_agree ? -1 : 1;
	if (score_x != score_y)
		return score_x < score_y ? 1 : -1;
	return x->group != y->group ? (x->group > y->group) - (x->group < y->group)
				    : (x->process > y->process) - (x->process < y->process);
}

/* All groups against all processes, the best first. */
static struct candidate_match *list_candidates(struct align *a, size_t *n)
{
	struct candidate_match *list = NULL;
	size_t cap = 0;

	*n = 0;
	for (uint32_t group = 0; group < a->lives.n_groups; group++) {
		gather(a, group);
		for (uint32_t p = 0; p < a->model->n_processes; p++) {
			struct align_fit fit;

			if (!a->processes[p].cycles.n)
				continue;
			align_try(a, p, &fit);
			if (fit.verdict != ALIGN_NOTHING_COMMON) {
				xgrow(list, cap, *n + 1);
				list[(*n)++] = (struct candidate_match){group,
									p,
									align_judge(a, p, &fit),
									fit.agreeing,
									fit.comparable,
									fit.phases_agree};
			}
			align_fit_free(&fit);
		}
	}
	if (*n)
		qsort(list, *n, sizeof(list[0]), by_merit);
	return list;
}

/* ---- Taking ---------------------------------------------------------------------------- */

struct gctrace_alignment *align_add(struct align *a, uint32_t process)
{
	struct model *model = a->model;

	xgrow(model->alignments, model->cap_alignments, model->n_alignments + 1);
	model->alignments[model->n_alignments] =
		(struct gctrace_alignment){.path = xstrdup(a->path), .process = process};
	return &model->alignments[model->n_alignments++];
}

void align_set_interval(struct gctrace_alignment *alignment, int64_t low, int64_t high)
{
	alignment->aligned = true;
	alignment->offset = low + (high - low) / 2;
	alignment->bound = (uint64_t)(high - low + 1) / 2;
}

/* The alignment (of the fit's pieces, from `first` on) that a gctrace time belongs to. */
static uint32_t piece_of(const struct align_fit *fit, uint32_t first, uint64_t time)
{
	size_t piece = 0;

	while (piece + 1 < fit->n_pieces && time > fit->pieces[piece].until)
		piece++;
	return first + (uint32_t)piece;
}

static void describe_fit(const struct align *a, uint32_t process, const struct align_fit *fit,
			 struct gctrace_alignment *alignment)
{
	uint64_t init = a->model->processes[process].runtime_init;
	int64_t off = init <= ALIGN_MAX_ZERO ? (int64_t)init - alignment->offset : 0;

	alignment->method = xstrdup("GC events");
	if (fit->agreeing < 3)
		align_remark(&alignment->problem, "rests on %zu GC cycle%s only", fit->agreeing,
			     align_plural(fit->agreeing));
	if (fit->doubtful * 20 > fit->agreeing)
		align_remark(
			&alignment->problem,
			"for %zu of %zu GC numbers two lines fit: the log may hold two runs that "
			"look "
			"alike",
			fit->doubtful, fit->agreeing);
	if (fit->regular)
		align_remark(&alignment->problem,
			     "the cycles are so alike that the log of another run may fit as well: "
			     "that this process wrote it is taken on trust");
	if (fit->n_pieces > 1)
		align_remark(&alignment->problem,
			     "the clocks of log and trace drift apart (by %.0f us over the log): "
			     "aligned "
			     "in "
			     "%zu pieces",
			     (double)(fit->pieces[fit->n_pieces - 1].low - fit->pieces[0].low) /
				     1e3,
			     fit->n_pieces);
	if (fit->shift)
		align_remark(&alignment->note,
			     "the trace's GC numbers are the log's %+" PRId64
			     "; matched by their times",
			     fit->shift);
	if (fit->phases_agree)
		align_remark(&alignment->note, "the lengths of the GC phases agree");
	if (init && init <= ALIGN_MAX_ZERO && fit->n_pieces == 1)
		align_remark(&alignment->note, "runtimeInitTime agrees, %.3f us from the middle",
			     (double)(off < 0 ? -off : off) / 1e3);
}

/* Claims the matched lines; and those that contradict, of lives of which most lines match, until
 * another process matches them. */
static void claim_lines(struct align *a, uint32_t process, const struct align_fit *fit,
			uint32_t first)
{
	struct life_owner *owners = xcalloc(a->lives.n_lives + 1, sizeof(owners[0]));

	for (size_t i = 0; i < a->n_some; i++) {
		struct life_owner *owner = &owners[a->lives.of[a->which[i]]];

		owner->process = process;
		owner->compared += fit->compared[i];
		owner->matched += fit->matched[i];
	}
	for (size_t i = 0; i < a->n_some; i++) {
		struct aligned_line *line = &a->lines[a->which[i]];
		uint32_t life = a->lives.of[a->which[i]];

		if (owners[life].matched > a->owners[life].matched)
			a->owners[life] = owners[life];
		if (fit->matched[i])
			line->state = LINE_MATCHED;
		else if (fit->compared[i] && line->state == LINE_FREE &&
			 align_is_owned(&owners[life]))
			line->state = LINE_WRONG;
		else
			continue;
		line->alignment = piece_of(fit, first, a->some[i]->time);
	}
	free(owners);
}

static void take_match(struct align *a, uint32_t process, const struct align_fit *fit)
{
	uint32_t first = (uint32_t)a->model->n_alignments;

	for (size_t i = 0; i < fit->n_pieces; i++) {
		struct gctrace_alignment *alignment = align_add(a, process);

		align_set_interval(alignment, fit->pieces[i].low, fit->pieces[i].high);
		describe_fit(a, process, fit, alignment);
	}
	claim_lines(a, process, fit, first);
	a->processes[process].taken = true;
}

/*
 * More lines of a process that has its life already: a wrong number can cut a life in two, of
 * which the second has other numbers and the same zero.
 */
static void take_more(struct align *a, uint32_t process, const struct align_fit *fit)
{
	struct model *model = a->model;

	for (size_t i = a->first; i < model->n_alignments; i++) {
		struct gctrace_alignment *alignment = &model->alignments[i];
		int64_t low = alignment->offset - (int64_t)alignment->bound;
		int64_t high = alignment->offset + (int64_t)alignment->bound;

		if (alignment->process != process || fit->n_pieces != 1 ||
		    fit->pieces[0].low > high || fit->pieces[0].high < low)
			continue;
		for (size_t j = 0; j < a->n; j++)
			if (a->lines[j].alignment == i && a->lines[j].state == LINE_MATCHED &&
			    a->entries[j]->number >= fit->first_number &&
			    a->entries[j]->number <= fit->last_number)
				return;
		low = fit->pieces[0].low > low ? fit->pieces[0].low : low;
		high = fit->pieces[0].high < high ? fit->pieces[0].high : high;
		align_set_interval(alignment, low, high);
		claim_lines(a, process, fit, (uint32_t)i);
		return;
	}
}

/* Whether another process fits the same lines as well, so that they cannot be told apart. */
static bool has_twin(const struct candidate_match *list, size_t n, const struct candidate_match *of)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].group == of->group && list[i].process != of->process &&
		    list[i].verdict == ALIGN_GOOD && list[i].agreeing * 10 >= of->agreeing * 9 &&
		    list[i].phases_agree == of->phases_agree && of->agreeing < 8)
			return true;
	return false;
}

void align_match(struct align *a)
{
	size_t n;
	struct candidate_match *list = list_candidates(a, &n);

	for (size_t i = 0; i < n && list[i].verdict == ALIGN_GOOD; i++) {
		uint32_t process = list[i].process;
		struct align_fit fit;

		if (has_twin(list, n, &list[i]))
			continue;
		gather(a, list[i].group);
		align_try(a, process, &fit);
		if (align_judge(a, process, &fit) == ALIGN_GOOD) {
			if (a->processes[process].taken)
				take_more(a, process, &fit);
			else
				take_match(a, process, &fit);
		}
		align_fit_free(&fit);
	}
	free(list);
}
