#include "analyze/goroutines.h"

#include "common/map.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* Of a program that was recorded from its first instruction all that start are seen. */
bool goroutines_before_known(const struct model *model, const struct process *process)
{
	return process->goroutines_listed || (!process->attached && model->from);
}

/* Those of the runtime that begin in a function of the runtime are its own, but for these
 * (runtime/traceback.go, isSystemGoroutine). */
static bool starts_runtime(const struct model *model, const struct site *site)
{
	static const char *const programs[] = {"runtime.main", "runtime.corostart",
					       "runtime.handleAsyncEvent"};
	const struct symtab_frame *frame = model_started(model, site);

	if (!frame || strncmp(frame->function, "runtime.", strlen("runtime.")) != 0)
		return false;
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		if (!strcmp(frame->function, programs[i]))
			return false;
	return true;
}

static struct go_statement *statement_at(const struct model *model,
					 struct goroutine_summary *summary, struct map *of,
					 size_t *cap, uint32_t site)
{
	const struct stack *stack = &model->stacks[model->sites[site].stack];
	bool fresh;
	uint64_t *at = map_put(of, stack->n ? stack->pcs[0] : 0, &fresh);

	if (fresh) {
		*at = summary->n_statements++;
		xgrow(summary->statements, *cap, summary->n_statements);
		summary->statements[*at] = (struct go_statement){
			.site = site,
			.of_runtime = starts_runtime(model, &model->sites[site]),
		};
	}
	return &summary->statements[*at];
}

static void add_site(struct go_statement *statement, const struct model *model, uint32_t id)
{
	const struct site *site = &model->sites[id];

	/* The stack that is seen most often names it best. */
	if (site->births > model->sites[statement->site].births)
		statement->site = id;
	statement->before += site->older;
	statement->before_now += site->older_live;
	statement->started += site->births;
	statement->ended += site->deaths;
	if (site->waiting > statement->waiting) {
		statement->waiting = site->waiting;
		statement->waits_for = site->waits_for;
	}
	if (site->waits_since &&
	    (!statement->waits_since || site->waits_since < statement->waits_since))
		statement->waits_since = site->waits_since;
}

static uint64_t greatest(const struct go_statement *statement)
{
	uint64_t now = statement->before_now + statement->started - statement->ended;

	return now > statement->before ? now : statement->before;
}

static int by_number(const void *a, const void *b)
{
	const struct go_statement *x = a, *y = b;

	if (greatest(x) != greatest(y))
		return greatest(x) < greatest(y) ? 1 : -1;
	if (x->started != y->started)
		return x->started < y->started ? 1 : -1;
	return (x->site > y->site) - (x->site < y->site);
}

static double tally_at(const struct tally *tallies, size_t i)
{
	return tallies ? tallies[i].objects : 0;
}

/* The most at the ends of slices. */
static uint64_t find_most(const struct model *model, uint32_t process,
			  const struct goroutine_summary *summary)
{
	size_t n = model->processes[process].n_slices;
	double *change = xcalloc(n + 1, sizeof(*change)), now = (double)summary->before;
	uint64_t most = summary->before > summary->now ? summary->before : summary->now;

	for (size_t i = 0; i < model->n_sites; i++) {
		const struct site *site = &model->sites[i];

		if (site->process != process || site->kind != SITE_GOROUTINE)
			continue;
		for (size_t k = 0; k < n; k++)
			change[k] += tally_at(site->born, k) - tally_at(site->died, k) -
				     (summary->before_known ? tally_at(site->died_unseen, k) : 0);
	}
	for (size_t k = 0; k < n; k++) {
		now += change[k];
		if (now > (double)most)
			most = (uint64_t)now;
	}
	free(change);
	return most;
}

void goroutines_summarise(const struct model *model, uint32_t process,
			  struct goroutine_summary *summary)
{
	const struct process *p = &model->processes[process];
	struct map of = {0};
	size_t cap = 0;

	*summary = (struct goroutine_summary){
		.recorded = p->goroutines_listed != 0,
		.before_known = goroutines_before_known(model, p),
		.left_out = p->goroutines_left_out,
	};
	for (uint32_t i = 0; i < model->n_sites; i++) {
		const struct site *site = &model->sites[i];

		if (site->process != process || site->kind != SITE_GOROUTINE ||
		    !(site->births || site->older) || site->stack >= model->n_stacks)
			continue;
		add_site(statement_at(model, summary, &of, &cap, i), model, i);
	}
	map_free(&of);
	for (size_t i = 0; i < summary->n_statements; i++) {
		const struct go_statement *statement = &summary->statements[i];

		summary->recorded = true;
		summary->before += statement->before;
		summary->before_of_runtime += statement->of_runtime ? statement->before : 0;
		summary->before_ended += statement->before - statement->before_now;
		summary->started += statement->started;
		summary->ended += statement->ended;
	}
	summary->now = summary->before - summary->before_ended + summary->started - summary->ended;
	summary->most = find_most(model, process, summary);
	if (summary->n_statements)
		qsort(summary->statements, summary->n_statements, sizeof(*summary->statements),
		      by_number);
}

void goroutines_free_summary(struct goroutine_summary *summary)
{
	free(summary->statements);
	*summary = (struct goroutine_summary){0};
}
