/* Goroutine profiles in the reports: how many there were, and in which stacks. */

#include "analyze/report_json_parts.h"
#include "analyze/report_text_parts.h"
#include "formats/goroutineprofile.h"
#include "formats/heapstack.h"

#include <stdlib.h>

#define MOST_STACKS 5 /* unless verbose */

/* The frame that tells what a goroutine does: the innermost that is not the runtime's. */
static const struct heap_frame *telling_frame(const struct goroutine_stack *stack)
{
	for (size_t i = 0; i < stack->n_frames; i++)
		if (!heap_frame_is_runtime(stack->frames[i].function))
			return &stack->frames[i];
	return stack->n_frames ? &stack->frames[0] : NULL;
}

/* How many goroutines a profile has in that stack. */
static uint64_t count_in(const struct goroutine_profile *profile,
			 const struct goroutine_stack *stack)
{
	uint64_t key = heap_stack_key(stack->frames, stack->n_frames), count = 0;

	for (size_t i = 0; i < profile->n_stacks; i++)
		if (heap_stack_key(profile->stacks[i].frames, profile->stacks[i].n_frames) == key)
			count += profile->stacks[i].count;
	return count;
}

static void print_stack(const struct report *report, const struct goroutine_stack *stack,
			const struct goroutine_profile *first)
{
	const struct heap_frame *frame = telling_frame(stack);
	const struct symtab_frame place = {.function = frame ? frame->function : "[unknown]",
					   .file = frame ? frame->file : "",
					   .line = frame ? frame->line : 0};
	uint64_t before = first ? count_in(first, stack) : 0;
	char *at = report_place(&place, 40);

	fprintf(report->out, "  %8s ", units_count(stack->count).text);
	if (first)
		fprintf(report->out, "(%s%s) ", stack->count < before ? "-" : "+",
			units_count(stack->count < before ? before - stack->count
							  : stack->count - before)
				.text);
	report_put(report, place.function, 50);
	fprintf(report->out, "  %s\n", at);
	free(at);
}

/* All of the kind share a table, of which the last profile has the stacks. */
static void print_last(const struct report *report, const struct goroutine_dump *last,
		       const struct goroutine_dump *first)
{
	size_t most = report->options.verbose ? last->profile->n_stacks : MOST_STACKS;

	for (size_t i = 0; i < last->profile->n_stacks && i < most; i++)
		print_stack(report, &last->profile->stacks[i],
			    first != last ? first->profile : NULL);
	if (last->profile->n_stacks > most)
		fprintf(report->out, "  (%zu more stacks: -v shows them)\n",
			last->profile->n_stacks - most);
}

static bool within(const struct model *model, const struct goroutine_dump *dump)
{
	return dump->time && dump->time >= model->first_time && dump->time <= model->last_time;
}

void report_goroutine_dumps(const struct report *report)
{
	const struct model *model = report->model;
	const struct goroutine_dump *dumps = model->goroutine_dumps;

	if (!model->n_goroutine_dumps)
		return;
	report_heading(report, "Goroutine profiles");
	for (size_t i = 0; i < model->n_goroutine_dumps; i++)
		report_wrap(report, 2, 4, "%s%s%s: %s goroutines%s in %s stacks", dumps[i].path,
			    !dumps[i].time	       ? ""
			    : within(model, &dumps[i]) ? " at "
						       : ", not of the time of the trace",
			    within(model, &dumps[i]) ? report_time(report, dumps[i].time).text : "",
			    units_count(dumps[i].profile->total).text,
			    dumps[i].profile->leaked ? " that wait for ever" : "",
			    units_count(dumps[i].profile->n_stacks).text);
	print_last(report, &dumps[model->n_goroutine_dumps - 1], &dumps[0]);
}

static void put_stack(struct json *json, const struct goroutine_stack *stack)
{
	json_object(json, NULL);
	json_u64(json, "count", stack->count);
	json_array(json, "frames");
	for (size_t i = 0; i < stack->n_frames; i++) {
		json_object(json, NULL);
		json_string(json, "function", stack->frames[i].function);
		json_string(json, "file", stack->frames[i].file);
		json_u64(json, "line", stack->frames[i].line);
		json_end(json);
	}
	json_end(json);
	json_end(json);
}

void report_json_goroutine_dumps(struct json_report *report)
{
	const struct model *model = report->model;
	struct json *json = &report->json;

	json_array(json, "goroutine_dumps");
	for (size_t i = 0; i < model->n_goroutine_dumps; i++) {
		const struct goroutine_dump *dump = &model->goroutine_dumps[i];

		json_object(json, NULL);
		json_string(json, "path", dump->path);
		json_bool(json, "leaked", dump->profile->leaked);
		report_json_known(
			report, "wall_ns",
			dump->profile->time_nanos > 0 ? (uint64_t)dump->profile->time_nanos : 0);
		report_json_known(report, "time_ns", dump->time);
		json_u64(json, "goroutines", dump->profile->total);
		json_array(json, "stacks");
		for (size_t k = 0; k < dump->profile->n_stacks; k++)
			put_stack(json, &dump->profile->stacks[k]);
		json_end(json);
		json_end(json);
	}
	json_end(json);
}
