#include "analyze/gotrace.h"

#include "analyze/align_state.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <stdlib.h>

#define SLACK	 1000000    /* ns by which a cycle may lie elsewhere and still be the same */
#define ANY_BOOT 1000000000 /* ns: a wall clock that is further off is that of another boot */
#define TICK	 64	    /* ns; times are cut to it */

uint64_t gotrace_time(const struct execution *execution, uint64_t time)
{
	int64_t at = (int64_t)time + execution->shift;

	return execution->placed && at > 0 ? (uint64_t)at : 0;
}

/* ---- Its clock ------------------------------------------------------------------------- */

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* The greatest distance of its clock, shifted so, from the monotonic clock at its readings. */
static uint64_t worst_reading(const struct gotrace *content, int64_t shift)
{
	uint64_t worst = 0, off;

	for (size_t i = 0; i < content->n_clocks; i++) {
		off = apart(content->clocks[i].time + (uint64_t)shift,
			    content->clocks[i].monotonic);
		worst = off > worst ? off : worst;
	}
	return worst;
}

/* Whether its readings of the wall clock are what the trace has for these moments. */
static bool same_boot(const struct model *model, struct execution *execution)
{
	const struct gotrace *content = execution->content;

	for (size_t i = 0; i < content->n_clocks; i++) {
		uint64_t wall = model_wall_time(model, content->clocks[i].monotonic);
		uint64_t off = apart(wall, content->clocks[i].wall);

		if (!wall || off < ANY_BOOT)
			continue;
		align_remark(&execution->problem,
			     "by its wall clock it is %.3f s from where its monotonic clock puts "
			     "it: it comes from another machine or boot",
			     (double)off / 1e9);
		return false;
	}
	return true;
}

static void place(const struct model *model, struct execution *execution)
{
	const struct gotrace *content = execution->content;
	uint64_t worst;

	if (content->frequency != GOTRACE_NANOTIME_TICKS && !content->n_clocks) {
		align_remark(&execution->problem,
			     "its clock counts %" PRIu64
			     " ticks a second, which is not runtime.nanotime, and nothing in it "
			     "relates them to another clock",
			     content->frequency);
		return;
	}
	worst = worst_reading(content, 0);
	if (content->frequency != GOTRACE_NANOTIME_TICKS || worst > SLACK) {
		execution->shift =
			(int64_t)(content->clocks[0].monotonic - content->clocks[0].time);
		worst = worst_reading(content, execution->shift);
	}
	if (content->n_clocks)
		align_remark(&execution->note,
			     "%zu reading%s of the clocks in it agree%s to %.3f us",
			     content->n_clocks, align_plural(content->n_clocks),
			     content->n_clocks == 1 ? "s" : "", (double)worst / 1e3);
	execution->placed = same_boot(model, execution);
}

/* ---- Whose it is ----------------------------------------------------------------------- */

/* What the cycles of one process say. */
struct comparison_of {
	size_t compared, matched;
	int64_t low, high; /* its clock less the trace's */
	bool bounded;
};

static int by_end(const void *a, const void *b)
{
	const struct gc_cycle *x = *(const struct gc_cycle *const *)a;
	const struct gc_cycle *y = *(const struct gc_cycle *const *)b;

	return (x->end > y->end) - (x->end < y->end);
}

/* The cycles of a process of which the runtime's own times are known, by their ends. */
static const struct gc_cycle **list_cycles(const struct model *model, uint32_t process, size_t *n)
{
	const struct gc_cycle **list = xcalloc(model->n_cycles + 1, sizeof(list[0]));

	*n = 0;
	for (size_t i = 0; i < model->n_cycles; i++) {
		const struct gc_cycle *c = &model->cycles[i];

		if (c->process == process && c->start && c->mark >= c->start &&
		    c->mark_term >= c->mark && c->end >= c->mark_term && c->end < ALIGN_MAX_ZERO)
			list[(*n)++] = c;
	}
	if (*n)
		qsort(list, *n, sizeof(list[0]), by_end);
	return list;
}

/* The cycle that ends at that time or is the next to end; n where there is none. */
static size_t next_end(const struct gc_cycle *const *list, size_t n, uint64_t time)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (list[mid]->end < time)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void narrow(struct comparison_of *c, int64_t low, int64_t high)
{
	c->low = low > c->low ? low : c->low;
	c->high = high < c->high ? high : c->high;
	c->bounded = true;
}

/*
 * A cycle ends in the execution trace after mark termination has begun and before its end is noted
 * (runtime/mgc.go, gcMarkTermination); the first stop begins right after its start is noted.
 */
static bool compare(struct comparison_of *c, const struct gotrace_gc *gc,
		    const struct gc_cycle *cycle, int64_t shift)
{
	int64_t end = (int64_t)gc->end + shift, begin = (int64_t)gc->first.begin + shift;

	if (end + SLACK < (int64_t)cycle->mark_term || end > (int64_t)cycle->end + SLACK)
		return false;
	if (gc->first.begin &&
	    (begin + SLACK < (int64_t)cycle->start || begin > (int64_t)cycle->mark + SLACK))
		return false;
	c->matched++;
	narrow(c, end - (int64_t)cycle->end, end + TICK - (int64_t)cycle->mark_term);
	if (gc->first.begin)
		narrow(c, INT64_MIN, begin + TICK - (int64_t)cycle->start);
	return true;
}

static struct comparison_of compare_process(const struct model *model, uint32_t process,
					    const struct execution *execution)
{
	struct comparison_of c = {.low = INT64_MIN, .high = INT64_MAX};
	const struct gotrace *content = execution->content;
	size_t n;
	const struct gc_cycle **list = list_cycles(model, process, &n);

	for (size_t i = 0; i < content->n_gcs && n; i++) {
		const struct gotrace_gc *gc = &content->gcs[i];
		uint64_t end = gc->end ? gotrace_time(execution, gc->end) : 0;
		size_t at;

		if (!end || end + SLACK < list[0]->mark_term || end > list[n - 1]->end + SLACK)
			continue;
		c.compared++;
		at = next_end(list, n, end > SLACK ? end - SLACK : 0);
		for (size_t tries = 0; at < n && tries < 4; at++, tries++)
			if (compare(&c, gc, list[at], execution->shift))
				break;
	}
	free(list);
	return c;
}

static void take(struct execution *execution, uint32_t process, const struct comparison_of *c)
{
	execution->process = process;
	execution->compared = c->compared;
	execution->matched = c->matched;
	execution->low = c->low;
	execution->high = c->high;
	execution->bounded = c->bounded;
	if (c->matched < c->compared)
		align_remark(&execution->problem, "%zu of its %zu GC cycles are not in the trace",
			     c->compared - c->matched, c->compared);
	if (c->low > TICK || c->high < -TICK)
		align_remark(&execution->problem, "its clock is off by %.3f us at least",
			     (double)(c->low > 0 ? c->low : -c->high) / 1e3);
	if (c->low > c->high + TICK)
		align_remark(&execution->problem, "by some cycles its clock is ahead, by others "
						  "behind");
}

/* The only process that may have written it; ALIGN_NOBODY where there are several. */
static uint32_t only_go_process(const struct model *model)
{
	uint32_t found = ALIGN_NOBODY;

	for (uint32_t p = 0; p < model->n_processes; p++) {
		const char *version = model->processes[p].go_version;

		if (!version || !*version)
			continue;
		if (found != ALIGN_NOBODY)
			return ALIGN_NOBODY;
		found = p;
	}
	return found;
}

static void find_process(const struct model *model, struct execution *execution)
{
	struct comparison_of best = {0};
	uint32_t process = ALIGN_NOBODY;
	size_t fitting = 0, compared = 0;

	for (uint32_t p = 0; p < model->n_processes; p++) {
		struct comparison_of c = compare_process(model, p, execution);

		compared += c.compared;
		if (!c.matched || c.matched * 10 < c.compared * 8)
			continue;
		fitting++;
		if (c.matched <= best.matched)
			continue;
		best = c;
		process = p;
	}
	if (process != ALIGN_NOBODY) {
		take(execution, process, &best);
		if (fitting > 1 && best.matched < 3)
			align_remark(&execution->problem,
				     "ambiguous: it fits %zu processes of the trace", fitting);
	} else if (compared) {
		execution->placed = false;
		align_remark(&execution->problem,
			     "its GC cycles are not those of a process in the trace: it is of "
			     "another program, run or machine");
	} else {
		execution->process = only_go_process(model);
		align_remark(&execution->problem,
			     "no GC cycle is in both: that it is of this %s is taken on trust",
			     execution->process == ALIGN_NOBODY ? "machine and boot" : "process");
	}
}

/* ---- Loading --------------------------------------------------------------------------- */

void gotrace_add(struct model *model, const char *path, struct gotrace *content)
{
	struct execution *execution;

	xgrow(model->executions, model->cap_executions, model->n_executions + 1);
	execution = &model->executions[model->n_executions++];
	*execution = (struct execution){
		.path = xstrdup(path), .content = content, .process = ALIGN_NOBODY};
	if (content->damage)
		align_remark(&execution->problem, "%s", content->damage);
	if (content->too_many)
		align_remark(&execution->problem, "it holds more events than are kept");
	place(model, execution);
	if (execution->placed)
		find_process(model, execution);
}

struct error *gotrace_load(struct model *model, const char *path)
{
	struct gotrace *content = xcalloc(1, sizeof(*content));
	struct error *err = gotrace_read(path, content);

	if (err) {
		gotrace_free(content);
		free(content);
		return err;
	}
	gotrace_add(model, path, content);
	return NULL;
}
