#include "analyze/judge_hints.h"

#include "analyze/program.h"
#include "analyze/units.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* ---- What the stack names --------------------------------------------------------------- */

/* Functions whose objects live until something is done about them. */
static const struct {
	const char *function, *hint;
} causes[] = {
	/* time/sleep.go and tick.go: since 1.23 the collector takes timers that nobody refers to.
	 */
	{"time.NewTicker", "these are tickers: look for the Stop that is missing (up to Go 1.22 a "
			   "ticker that runs is never freed; later, while something refers to it)"},
	{"time.Tick", "these are tickers of time.Tick, which nothing can stop: up to Go 1.22 they "
		      "are never freed; use time.NewTicker and Stop"},
	{"time.AfterFunc", "these are timers of time.AfterFunc: each lives until it fires or is "
			   "stopped; look for long delays and a missing Stop"},
	{"time.NewTimer", "these are timers: up to Go 1.22 each lives until it fires, also one of "
			  "time.After in a select; look for long delays and a missing Stop"},
	/* mfinal.go and mcleanup.go, by their comments */
	{"runtime.SetFinalizer", "these belong to finalizers: an object with a finalizer that is "
				 "part of a cycle is never freed, and one finalizer that blocks "
				 "holds up all others"},
	{"runtime.AddCleanup", "these belong to cleanups: one whose function refers to the object "
			       "keeps it for ever, and one that blocks holds up all others"},
	/* context.go, propagateCancel: the parent holds its children until they are cancelled. */
	{"context.WithCancel", "these are contexts: each stays with its parent until its cancel "
			       "function is called; look for the call that is missing"},
	{"context.WithTimeout", "these are contexts: each stays with its parent until its time is "
				"over or cancel is called; look for the call that is missing"},
	{"context.WithDeadline", "these are contexts: each stays with its parent until its time is "
				 "over or cancel is called; look for the call that is missing"},
};

static const char *const kinds[SITE_KINDS] = {
	[SITE_HEAP] = "look for what keeps them: a map, slice, channel or goroutine that is only "
		      "ever added to",
	[SITE_GOROUTINE] = "look at what they wait for: a channel that nobody serves or closes, a "
			   "context that is never cancelled, a body that is never closed",
	[SITE_NATIVE] = "look for the free that is missing on some path: Go's collector does not "
			"know of this memory",
	[SITE_MAPPING] = "look for the munmap (or Close) that is missing on some path",
	[SITE_THREAD] = "look for goroutines that block in cgo or system calls, or hold a thread "
			"by runtime.LockOSThread: each needs one of its own",
};

static const char *cause_of(const char *function)
{
	for (size_t k = 0; k < sizeof(causes) / sizeof(causes[0]); k++)
		if (!strcmp(function, causes[k].function))
			return causes[k].hint;
	return NULL;
}

static const char *known_cause(const struct model *model, const struct site *site)
{
	uint32_t n = program_frame_index(model, site);

	for (uint32_t i = 0;
	     site->kind == SITE_HEAP && i <= n && i < model_stack_length(model, site); i++) {
		size_t n_frames;
		const struct symtab_frame *frames = model_frames(model, site, i, &n_frames);

		for (size_t f = 0; f < n_frames; f++) {
			const char *cause = cause_of(frames[f].function);

			if (cause)
				return cause;
		}
	}
	return kinds[site->kind];
}

char *judge_hint(const struct model *model, const struct site *site)
{
	const struct site *goroutines;

	if (site->kind == SITE_THREAD && !model_was_recorded(model, site->process, SITE_GOROUTINE))
		return xasprintf("%s; `record --goroutines` finds those that hold one",
				 known_cause(model, site));
	/* The goroutine that most of a program runs in, main, never ends either. */
	if (!site->live_of_goroutines || site->live_of_goroutines * 10 < site->live * 9 ||
	    site->by_goroutines >= model->n_sites)
		return xstrdup(known_cause(model, site));
	goroutines = &model->sites[site->by_goroutines];
	if (goroutines->live + goroutines->older_live < 2)
		return xstrdup(known_cause(model, site));
	return xasprintf("goroutines that never ended allocated %s of them, most started in %s: "
			 "look at why these do not end",
			 units_percent((double)site->live_of_goroutines / (double)site->live).text,
			 model_site_frame(model, goroutines)->function);
}

/* ---- Groups ----------------------------------------------------------------------------- */

static bool is_suspect(const struct candidate *candidate)
{
	return verdict_is_leak(candidate->verdict) || candidate->verdict == VERDICT_GROWING;
}

static bool same_cause(const struct model *model, const struct site *a, const struct site *b)
{
	uint32_t i = program_frame_index(model, a), k = program_frame_index(model, b);
	uint32_t n = model_stack_length(model, a), m = model_stack_length(model, b);

	if (a->kind != b->kind || a->process != b->process || i >= n || k >= m || n - i != m - k ||
	    strcmp(model_frame(model, a, i)->function, model_frame(model, b, k)->function) != 0)
		return false;
	return !memcmp(&model->stacks[a->stack].pcs[i + 1], &model->stacks[b->stack].pcs[k + 1],
		       (n - i - 1) * sizeof(uint64_t));
}

void judge_group(struct model *model)
{
	struct candidate *all = model->candidates, *out;
	size_t suspects = 0, n = 0;
	bool *taken;

	for (size_t i = 0; i < model->n_candidates; i++)
		all[i].leader = (uint32_t)i;
	while (suspects < model->n_candidates && is_suspect(&all[suspects]))
		suspects++;
	out = xcalloc(suspects + 1, sizeof(*out));
	taken = xcalloc(suspects + 1, sizeof(*taken));
	for (size_t i = 0; i < suspects; i++) {
		size_t leader = n;

		for (size_t k = i; k < suspects && !taken[i]; k++) {
			if (k != i && (taken[k] || !same_cause(model, &model->sites[all[i].site],
							       &model->sites[all[k].site])))
				continue;
			taken[k] = k != i;
			out[n] = all[k];
			out[n++].leader = (uint32_t)leader;
		}
	}
	if (suspects)
		memcpy(all, out, suspects * sizeof(*all));
	free(out);
	free(taken);
}
