#include "analyze/native_stack.h"

#include "formats/unwind.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FRAMES = 256 };

struct native_stack {
	struct unwind_table *rules; /* NULL: none */
	uint64_t pcs[MAX_FRAMES];
};

struct native_stack *native_stack_new(const struct perfdata_info *info)
{
	struct native_stack *stacks = xcalloc(1, sizeof(*stacks));

	if (info->unwind)
		error_free(unwind_table_decode(info->unwind, info->unwind_len, info->swapped,
					       &stacks->rules));
	return stacks;
}

void native_stack_free(struct native_stack *stacks)
{
	if (!stacks)
		return;
	unwind_table_free(stacks->rules);
	free(stacks);
}

static const struct unwind_rule *find_rule(void *stacks, uint32_t pid, uint64_t pc)
{
	return unwind_table_find(((struct native_stack *)stacks)->rules, pid, pc);
}

static uint64_t chain_at(const struct event *event, uint32_t i)
{
	uint64_t pc;

	memcpy(&pc, (const char *)event->stack + i * sizeof(pc), sizeof(pc));
	return pc;
}

/*
 * Where the Go frames begin in the kernel's chain, which follows frame pointers: behind the first
 * address where C code left Go's frame pointer alone; behind the outermost C function where C code
 * has frames of its own. 0: they are not in it.
 */
static uint32_t go_part(const struct event *event, uint64_t fp, uint64_t go_fp, uint64_t outermost)
{
	if (fp == go_fp)
		return 1;
	for (uint32_t i = 1; i < event->n_stack; i++)
		if (chain_at(event, i) == outermost)
			return i + 1;
	return 0;
}

/* The kernel follows whatever is where a frame pointer should be: what is not code ends it. */
static void cut_chain(const struct native_stack *stacks, uint32_t pid, struct event *event)
{
	uint32_t n = 1;

	while (n < event->n_stack && unwind_table_find(stacks->rules, pid, chain_at(event, n)))
		n++;
	event->n_stack = n;
	event->go.cut = true;
}

void native_stack_find(struct native_stack *stacks, const struct perfdata_sample *sample,
		       struct event *event)
{
	struct unwind_start start = {.pid = sample->pid};
	struct unwind_end end;
	uint32_t from, n;

	event->go = (struct event_go){0};
	if (!stacks->rules || !perfdata_user_stack(sample, &start.pc, &start.sp, &start.fp))
		return;
	start.stack = sample->user_stack;
	start.stack_len = sample->user_stack_len;
	n = (uint32_t)unwind(&start, find_rule, stacks, stacks->pcs, MAX_FRAMES, &end);
	/* Go code, or nothing more than the chain has, which may have more. */
	if (n == 1 && end.kind == UNWIND_GO)
		return;
	if (n == 1 && end.kind != UNWIND_OUTERMOST && event->n_stack > 1) {
		cut_chain(stacks, sample->pid, event);
		return;
	}
	if (end.kind == UNWIND_GO) {
		n--;
		from = go_part(event, start.fp, end.fp, stacks->pcs[n - 1]);
		event->go.frame = end.fp;
		for (; from && from < event->n_stack && n < MAX_FRAMES; from++) {
			stacks->pcs[n++] = chain_at(event, from);
			event->go.known = true;
		}
	} else if (end.kind != UNWIND_OUTERMOST) {
		event->go.cut = true;
	}
	event->stack = stacks->pcs;
	event->n_stack = n;
}
