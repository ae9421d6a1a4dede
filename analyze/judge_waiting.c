#include "analyze/judge_waiting.h"

#include "analyze/units.h"
#include "formats/goroutineprofile.h"

#include <stdlib.h>
#include <string.h>

static bool is_exit(const char *function)
{
	return !strcmp(function, "runtime.goexit");
}

/* The function that a goroutine runs, by a stack of the heap that it allocated from. */
static const char *outermost(const struct model *model, const struct site *site)
{
	uint32_t n = model_stack_length(model, site);

	while (n && is_exit(model_frame(model, site, n - 1)->function))
		n--;
	return n ? model_frame(model, site, n - 1)->function : NULL;
}

/*
 * The function that the goroutines of a site run, where they allocated. The compiler wraps a go
 * statement's call with arguments into a function of its own, which is what the go statement starts
 * then, and which stacks leave out.
 */
static const char *wrapped_function(const struct model *model, const struct site *site)
{
	for (size_t i = 0; i < model->n_sites; i++) {
		const struct site *heap = &model->sites[i];

		if (heap->kind == SITE_HEAP && heap->live_of_goroutines &&
		    heap->by_goroutines == (uint32_t)(site - model->sites))
			return outermost(model, heap);
	}
	return NULL;
}

static bool runs(const struct goroutine_stack *stack, const char *function)
{
	size_t n = stack->n_frames;

	while (n && is_exit(stack->frames[n - 1].function))
		n--;
	return n && !strcmp(stack->frames[n - 1].function, function);
}

/* Where it waits is not where the runtime does, nor the packages that wait for others. */
static const struct heap_frame *place(const struct goroutine_stack *stack)
{
	static const char *const inner[] = {"runtime.", "internal/", "sync.", "syscall.",
					    "runtime/internal/"};

	for (size_t i = 0; i < stack->n_frames; i++) {
		bool is_inner = false;

		for (size_t k = 0; k < sizeof(inner) / sizeof(inner[0]); k++)
			is_inner |= !strncmp(stack->frames[i].function, inner[k], strlen(inner[k]));
		if (!is_inner)
			return &stack->frames[i];
	}
	return stack->n_frames ? &stack->frames[0] : NULL;
}

/* The goroutines of a profile that run a function, and where most of these wait. */
struct waiting {
	uint64_t all, most;
	const struct heap_frame *frame; /* NULL: there are none */
};

static struct waiting find_waiting(const struct goroutine_profile *profile, const char *function)
{
	struct waiting found = {0};

	for (size_t i = 0; function && i < profile->n_stacks; i++) {
		const struct goroutine_stack *stack = &profile->stacks[i];

		if (!runs(stack, function))
			continue;
		found.all += stack->count;
		if (stack->count > found.most) {
			found.most = stack->count;
			found.frame = place(stack);
		}
	}
	return found;
}

void judge_print_waiting(FILE *out, const struct model *model, const struct site *site)
{
	const struct symtab_frame *started = model_started(model, site);
	const char *function = started ? started->function : NULL, *base;
	const struct goroutine_profile *profile;
	struct waiting found;

	if (site->kind != SITE_GOROUTINE || !model->n_goroutine_dumps)
		return;
	profile = model->goroutine_dumps[model->n_goroutine_dumps - 1].profile;
	found = find_waiting(profile, function);
	if (!found.frame) {
		function = wrapped_function(model, site);
		found = find_waiting(profile, function);
	}
	if (!found.frame)
		return;
	base = strrchr(found.frame->file, '/');
	fprintf(out, "; %s%s of %s that run %s wait in %s (%s:%u)",
		profile->leaked ? "for ever, says the runtime: " : "", units_count(found.most).text,
		units_count(found.all).text, function, found.frame->function,
		base ? base + 1 : found.frame->file, found.frame->line);
}
