#include "analyze/fold.h"

#include "analyze/owners.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

static void add_tallies(struct tally *to, const struct tally *from, size_t n)
{
	for (size_t i = 0; from && i < n; i++) {
		to[i].objects += from[i].objects;
		to[i].est_bytes += from[i].est_bytes;
	}
}

static void add_times(struct site *to, const struct site *from)
{
	if (from->first_birth && (!to->first_birth || from->first_birth < to->first_birth))
		to->first_birth = from->first_birth;
	if (from->last_birth > to->last_birth)
		to->last_birth = from->last_birth;
	if (from->oldest_live && (!to->oldest_live || from->oldest_live < to->oldest_live))
		to->oldest_live = from->oldest_live;
	if (from->births && from->min_size < to->min_size)
		to->min_size = from->min_size;
	if (from->max_size > to->max_size)
		to->max_size = from->max_size;
}

static void add_counts(struct site *to, const struct site *from)
{
	to->births += from->births;
	to->deaths += from->deaths;
	to->births_sampled_bytes += from->births_sampled_bytes;
	to->deaths_sampled_bytes += from->deaths_sampled_bytes;
	to->live += from->live;
	to->resident_known &= from->resident_known;
	to->resident_bytes += from->resident_bytes;
	to->live_sampled_bytes += from->live_sampled_bytes;
	to->est_births_bytes += from->est_births_bytes;
	to->est_live_bytes += from->est_live_bytes;
	to->est_live_objects += from->est_live_objects;
	for (int i = 0; i < MODEL_AGES; i++) {
		to->died_at_age[i] += from->died_at_age[i];
		to->live_at_age[i] += from->live_at_age[i];
	}
}

/* What is left of the other site has no objects, so that nobody looks at it. */
static void merge(struct site *to, struct site *from, size_t n_slices)
{
	add_tallies(to->born, from->born, n_slices);
	add_tallies(to->died, from->died, n_slices);
	add_tallies(to->alive, from->alive, n_slices);
	add_times(to, from);
	add_counts(to, from);
	for (size_t i = 0; i < n_slices; i++) {
		uint32_t distinct = 0;

		for (size_t k = 0; k <= i; k++)
			distinct += to->alive[k].objects > 0;
		to->generations[i] = distinct;
	}
	free(from->born);
	free(from->died);
	free(from->died_unseen);
	free(from->alive);
	free(from->generations);
	*from = (struct site){.kind = from->kind, .process = from->process, .stack = from->stack};
}

/* newm makes all of the runtime's threads, by clone or, with cgo, by pthread_create. */
static bool is_scheduler(const struct model *model, const struct site *site)
{
	for (uint32_t i = 0; i < model->stacks[site->stack].n; i++) {
		const char *function = model_frame(model, site, i)->function;

		if (!strcmp(function, "runtime.clone") || !strcmp(function, "runtime.newm") ||
		    !strcmp(function, "runtime.newm1"))
			return true;
	}
	return false;
}

static bool is_runtime(const struct model *model, const struct site *site)
{
	const struct stack *stack;

	if (!site->births || site->process >= model->n_processes || site->stack >= model->n_stacks)
		return false;
	stack = &model->stacks[site->stack];
	if (site->kind == SITE_MAPPING)
		return owners_is_runtime(model, site->process, stack->pcs, stack->n);
	return site->kind == SITE_THREAD && is_scheduler(model, site);
}

bool fold_is_overflow(const struct model *model, const struct site *site)
{
	uint32_t n = model_stack_length(model, site);

	/* newobject, and maybe newarray, before it. */
	for (uint32_t i = 0; site->kind == SITE_HEAP && i < n && i < 3; i++) {
		size_t n_frames;
		const struct symtab_frame *frames = model_frames(model, site, i, &n_frames);

		for (size_t k = 0; k < n_frames; k++)
			if (!strcmp(frames[k].function, "runtime.(*hmap).newoverflow"))
				return true;
	}
	return false;
}

void fold_runtime_sites(struct model *model)
{
	struct site **first = xcalloc(2 * model->n_processes + 1, sizeof(*first));

	for (size_t i = 0; i < model->n_sites; i++) {
		struct site *site = &model->sites[i], **of;

		if (!is_runtime(model, site))
			continue;
		of = &first[2 * site->process + (site->kind == SITE_THREAD)];
		if (*of)
			merge(*of, site, model->processes[site->process].n_slices);
		else
			*of = site;
		(*of)->of_runtime = true;
	}
	free(first);
}
