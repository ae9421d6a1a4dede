#include "analyze/align_pair.h"
#include "analyze/align_state.h"
#include "formats/xalloc.h"

#include <stdlib.h>

#define MAX_STRAY 1000 /* lines within which a stray one has its like */

/* ---- What is left ---------------------------------------------------------------------- */

/* Whether the process could have written a log at all: a Go program, as far as is known. */
static bool may_write(const struct align *a, uint32_t index)
{
	const struct process *process = &a->model->processes[index];

	return process->runtime_init || a->processes[index].cycles.n ||
	       (process->go_version && process->go_version[0]);
}

/* The one process that is left; ALIGN_NOBODY where there is none, or more than one. */
static uint32_t only_process(const struct align *a)
{
	uint32_t found = ALIGN_NOBODY;
	bool any = false;

	for (uint32_t p = 0; p < a->model->n_processes; p++)
		any = any || may_write(a, p);
	for (uint32_t p = 0; p < a->model->n_processes; p++) {
		if (a->processes[p].taken || (any && !may_write(a, p)))
			continue;
		if (found != ALIGN_NOBODY)
			return ALIGN_NOBODY;
		found = p;
	}
	return found;
}

/* Whether a zero puts the lines before and after the trace's cycles as their numbers do. */
static bool order_agrees(const struct align *a, const struct align_cycles *cycles, int64_t zero)
{
	const struct gc_cycle *first, *last;

	if (!cycles->n)
		return true;
	first = cycles->by_time[0];
	last = cycles->by_time[cycles->n - 1];
	for (size_t i = 0; i < a->n_some; i++) {
		int64_t at = zero + (int64_t)a->some[i]->time;

		if (a->some[i]->number < first->number && at > (int64_t)align_cycle_time(first))
			return false;
		if (a->some[i]->number > last->number &&
		    at + (int64_t)GCTRACE_TIME_RESOLUTION < (int64_t)align_cycle_time(last))
			return false;
	}
	return true;
}

/* Without a GC cycle to compare, by the start of the only process there is. */
static void fall_back(struct align *a, struct gctrace_alignment *alignment)
{
	uint32_t index = only_process(a);
	const struct process *process;

	if (index == ALIGN_NOBODY) {
		align_remark(&alignment->problem,
			     a->model->n_processes ? "no GC cycle of the trace tells which of its "
						     "processes wrote this"
						   : "there is no process in the trace");
		return;
	}
	process = &a->model->processes[index];
	if (process->runtime_init && process->runtime_init < ALIGN_MAX_ZERO &&
	    order_agrees(a, &a->processes[index].cycles, (int64_t)process->runtime_init)) {
		align_set_interval(alignment, (int64_t)process->runtime_init,
				   (int64_t)process->runtime_init);
		alignment->method = xstrdup("runtime start");
		align_remark(
			&alignment->problem,
			"no GC cycle to compare with: that this process wrote the log is taken on "
			"trust");
	} else if (!a->processes[index].cycles.n && !process->runtime_init && process->start &&
		   process->start < ALIGN_MAX_ZERO &&
		   (!process->attached || process->start < a->model->first_time)) {
		align_set_interval(alignment, (int64_t)process->start - ALIGN_START_EARLY,
				   (int64_t)process->start + ALIGN_START_LATE);
		alignment->method = xstrdup("process start");
		align_remark(&alignment->problem,
			     "no GC cycle to compare with: placed by the start of the process, to "
			     "within "
			     "50 ms, and that it wrote the log is taken on trust");
	} else {
		align_remark(&alignment->problem,
			     a->processes[index].cycles.n
				     ? "no GC cycle of the trace has a line in the log"
				     : "no GC cycle in the trace, and the start of the "
				       "process is not known");
		return;
	}
	alignment->process = index;
	a->processes[index].taken = true;
}

static void explain_refusal(struct align *a, uint32_t process, const struct align_fit *fit,
			    struct gctrace_alignment *alignment)
{
	const struct process *p = &a->model->processes[process];
	int64_t off;

	switch (fit->verdict) {
	case ALIGN_SIZES_DIFFER:
		align_remark(
			&alignment->problem,
			"the heap sizes of %zu of %zu GC cycles differ from those of process %u: a "
			"log of another program or run",
			fit->sizes_differ, fit->comparable, p->pid);
		break;
	case ALIGN_PHASES_DIFFER:
		align_remark(&alignment->problem,
			     "the GC phases are not as long as those of process %u: a log of "
			     "another run",
			     p->pid);
		break;
	case ALIGN_AMBIGUOUS:
		if (fit->doubtful * 2 > fit->agreeing)
			align_remark(&alignment->problem,
				     "ambiguous: two lines fit each GC cycle of process %u",
				     p->pid);
		else
			align_remark(&alignment->problem,
				     "ambiguous: %zu lines fit process %u at one time and %zu at "
				     "another",
				     fit->agreeing, p->pid, fit->rival);
		break;
	case ALIGN_WEAK:
	case ALIGN_GOOD:
		if (fit->regular) {
			align_remark(&alignment->problem,
				     "ambiguous: the cycles of process %u are so alike that other "
				     "numbers fit them as well, and nothing else tells",
				     p->pid);
			break;
		}
		off = align_runtime_differs(a, process, fit);
		if (off > 1000)
			align_remark(
				&alignment->problem,
				"it would put the start of process %u's runtime %.3f ms from where "
				"the "
				"process has it: a log of another run",
				p->pid, (double)off / 1e6);
		else
			align_remark(
				&alignment->problem,
				"ambiguous: only %zu line%s to compare, which may fit by chance",
				fit->agreeing, align_plural(fit->agreeing));
		break;
	default:
		align_remark(
			&alignment->problem,
			"the GC numbers are those of process %u, the times are not (%zu of %zu "
			"agree): "
			"a log of another program or run",
			p->pid, fit->agreeing, fit->comparable);
	}
}

/* Says why the lines in a->some are nobody's: by the process that comes nearest. */
static void explain(struct align *a, struct gctrace_alignment *alignment, bool alone, bool in_turns)
{
	struct align_fit best = {0};
	uint32_t process = ALIGN_NOBODY;
	size_t fitting = 0;

	for (uint32_t p = 0; p < a->model->n_processes; p++) {
		struct align_fit fit;

		if (!a->processes[p].cycles.n)
			continue;
		align_try(a, p, &fit);
		fitting += align_judge(a, p, &fit) == ALIGN_GOOD;
		if (fit.verdict == ALIGN_NOTHING_COMMON ||
		    (process != ALIGN_NOBODY && fit.agreeing <= best.agreeing)) {
			align_fit_free(&fit);
			continue;
		}
		align_fit_free(&best);
		best = fit;
		process = p;
	}
	if (fitting > 1)
		align_remark(&alignment->problem,
			     "ambiguous: it fits %zu processes of the trace equally well", fitting);
	else if (fitting && a->processes[process].taken)
		align_remark(&alignment->problem,
			     "ambiguous: it fits process %u too, of which the log has another life",
			     a->model->processes[process].pid);
	else if (in_turns && best.comparable * 2 < a->n_some)
		align_remark(&alignment->problem,
			     "ambiguous: processes wrote in turns, and for most of these lines the "
			     "trace has no GC cycle that tells whose they are");
	else if (process != ALIGN_NOBODY)
		explain_refusal(a, process, &best, alignment);
	else if (alone)
		fall_back(a, alignment);
	else
		align_remark(&alignment->problem,
			     "no GC cycle of the trace tells which process wrote "
			     "this");
	align_fit_free(&best);
}

/* An alignment of the same group that lies around the line: the few strays in it are its. */
static uint32_t around(const struct align *a, size_t index)
{
	const struct line_range *range = &a->groups[a->lives.lives[a->lives.of[index]].group];

	for (size_t step = 1; step < MAX_STRAY; step++) {
		for (int side = 0; side < 2; side++) {
			size_t at = side ? index + step : index - step;

			if (at >= range->first && at <= range->last &&
			    a->lines[at].state == LINE_MATCHED)
				return a->lines[at].alignment;
		}
	}
	return ALIGN_NOBODY;
}

static void settle_life(struct align *a, const size_t *which, size_t n, bool alone)
{
	uint32_t host = around(a, which[0]);
	struct gctrace_alignment *alignment;

	a->n_some = 0;
	for (size_t i = 0; i < n; i++) {
		a->some[a->n_some++] = a->entries[which[i]];
		a->lines[which[i]].state = LINE_WRONG;
		a->lines[which[i]].alignment =
			host != ALIGN_NOBODY && n < 3 ? host : (uint32_t)a->model->n_alignments;
	}
	if (host != ALIGN_NOBODY && n < 3)
		return;
	alignment = align_add(a, ALIGN_NOBODY);
	explain(a, alignment, alone, host != ALIGN_NOBODY);
	for (size_t i = 0; i < n && alignment->aligned; i++)
		a->lines[which[i]].state = LINE_PLACED;
}

/* The lines that no process has claimed, by lives of their own. */
void align_rest(struct align *a)
{
	const struct gctrace_entry **rest = xcalloc(a->n + 1, sizeof(rest[0]));
	size_t *place = xcalloc(a->n + 1, sizeof(place[0])), n = 0;
	size_t *which = xcalloc(a->n + 1, sizeof(which[0]));
	struct gclives lives;

	for (size_t i = 0; i < a->n; i++) {
		if (a->lives.of[i] >= GCLIFE_DUPLICATE || a->lines[i].state != LINE_FREE)
			continue;
		rest[n] = a->entries[i];
		place[n++] = i;
	}
	gclives_split(rest, n, &lives);
	for (size_t life = 0; life < lives.n_lives; life++) {
		size_t count = 0;

		for (size_t i = lives.lives[life].first; i <= lives.lives[life].last; i++)
			if (lives.of[i] == life)
				which[count++] = place[i];
		settle_life(a, which, count, lives.n_lives == 1);
	}
	gclives_free(&lives);
	free(which);
	free(place);
	free(rest);
}
