#include "analyze/metrics_scope.h"

#include "analyze/comparison.h"
#include "analyze/metrics.h"
#include "analyze/units.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define BASELINE "baseline."

struct metrics_context {
	const struct findings *findings;
	char **stacks; /* of the candidates, when they were first asked for; NULL */
};

struct metrics_context *metrics_context_new(const struct findings *findings)
{
	struct metrics_context *context = xcalloc(1, sizeof(*context));

	context->findings = findings;
	return context;
}

void metrics_context_free(struct metrics_context *context)
{
	if (!context)
		return;
	for (size_t i = 0; context->stacks && i < context->findings->model.n_candidates; i++)
		free(context->stacks[i]);
	free(context->stacks);
	free(context);
}

/* ---- Fields ----------------------------------------------------------------------------- */

/* The kinds of fields that items have. */
enum field_kind { FIELD_COUNT_OF, FIELD_BYTES, FIELD_RATE, FIELD_TEXT_OF };

struct field {
	const char *name;
	enum field_kind kind;
	const char *help;
};

static void set_number(struct quantity *value, const struct field *field, double number)
{
	*value = (struct quantity){
		.bytes = field->kind == FIELD_BYTES || field->kind == FIELD_RATE,
		.seconds = field->kind == FIELD_RATE ? -1 : 0,
		.known = true,
		.number = number,
	};
}

static void set_text(struct quantity *value, const char *text)
{
	*value = (struct quantity){.kind = QUANTITY_TEXT, .known = true, .text = text ? text : ""};
}

static const struct field *find_field(const struct field *fields, const char *name)
{
	while (fields->name && strcmp(fields->name, name) != 0)
		fields++;
	return fields->name ? fields : NULL;
}

/* A field without its item: only what kind of figure it is. */
static void set_unknown(struct quantity *value, const struct field *field)
{
	if (field->kind == FIELD_TEXT_OF)
		set_text(value, "");
	else
		set_number(value, field, 0);
	value->known = false;
}

/* ---- Candidates ------------------------------------------------------------------------- */

enum candidate_field {
	CANDIDATE_RANK,
	CANDIDATE_VERDICT,
	CANDIDATE_KIND,
	CANDIDATE_CONFIDENCE,
	CANDIDATE_GROWTH,
	CANDIDATE_GROWTH_LOW,
	CANDIDATE_GROWTH_HIGH,
	CANDIDATE_LIVE,
	CANDIDATE_ALLOC_RATE,
	CANDIDATE_SURVIVORS,
	CANDIDATE_GENERATIONS,
	CANDIDATE_FUNCTION,
	CANDIDATE_FILE,
	CANDIDATE_LINE,
	CANDIDATE_STACK,
	CANDIDATE_FIELDS,
};

static const struct field candidate_fields[] = {
	[CANDIDATE_RANK] = {"rank", FIELD_COUNT_OF, "its place in the list, from 1"},
	[CANDIDATE_VERDICT] = {"verdict", FIELD_TEXT_OF,
			       "'leak', 'likely-leak', 'growing', 'cache', 'ramp-up', 'burst', "
			       "'steady', 'too-little-evidence'"},
	[CANDIDATE_KIND] = {"kind", FIELD_TEXT_OF,
			    "'go-heap', 'goroutine', 'native', 'mapping', 'thread'"},
	[CANDIDATE_CONFIDENCE] = {"confidence", FIELD_COUNT_OF, "that the verdict holds, 0 to 1"},
	[CANDIDATE_GROWTH] = {"growth", FIELD_RATE, "of what is live"},
	[CANDIDATE_GROWTH_LOW] = {"growth_low", FIELD_RATE, "the low end of its 95 % interval"},
	[CANDIDATE_GROWTH_HIGH] = {"growth_high", FIELD_RATE, "the high end"},
	[CANDIDATE_LIVE] = {"live", FIELD_BYTES, "bytes live at the end"},
	[CANDIDATE_ALLOC_RATE] = {"alloc_rate", FIELD_RATE, "bytes allocated over time"},
	[CANDIDATE_SURVIVORS] = {"survivors", FIELD_COUNT_OF, "samples behind live"},
	[CANDIDATE_GENERATIONS] = {"generations", FIELD_COUNT_OF,
				   "GC cycles that survivors were born in"},
	[CANDIDATE_FUNCTION] = {"function", FIELD_TEXT_OF, "that allocates"},
	[CANDIDATE_FILE] = {"file", FIELD_TEXT_OF, "and its file"},
	[CANDIDATE_LINE] = {"line", FIELD_COUNT_OF, "and the line in it"},
	[CANDIDATE_STACK] = {"stack", FIELD_TEXT_OF,
			     "all functions, innermost first, ';' between them"},
	[CANDIDATE_FIELDS] = {NULL, FIELD_COUNT_OF, NULL},
};

static bool candidate_items(const void *arg, size_t *n)
{
	const struct model *model = &((const struct metrics_context *)arg)->findings->model;

	*n = model->n_candidates;
	return model->trace_path && (model->n_candidates || !model->heap_not_recorded);
}

static const struct candidate *candidate_of(const void *arg, size_t item)
{
	return &((const struct metrics_context *)arg)->findings->model.candidates[item];
}

static double weigh_site(const void *arg, size_t item)
{
	(void)arg;
	(void)item;
	return 1;
}

static double weigh_leak(const void *arg, size_t item)
{
	return verdict_is_leak(candidate_of(arg, item)->verdict);
}

static double weigh_growth(const void *arg, size_t item)
{
	const struct candidate *candidate = candidate_of(arg, item);

	return verdict_is_leak(candidate->verdict) ? candidate->growth / 3600 : 0;
}

/* The stacks are written once: a context is used by one thread, and only looks constant. */
static const char *candidate_stack(const struct metrics_context *context, size_t item)
{
	struct metrics_context *mutable_context = (struct metrics_context *)context;
	const struct model *model = &context->findings->model;

	if (!context->stacks)
		mutable_context->stacks =
			xcalloc(model->n_candidates + 1, sizeof(*context->stacks));
	if (!context->stacks[item])
		mutable_context->stacks[item] =
			comparison_stack(model, &model->sites[model->candidates[item].site]);
	return context->stacks[item];
}

static void candidate_text(const struct metrics_context *context, size_t item, size_t which,
			   struct quantity *value)
{
	const struct model *model = &context->findings->model;
	const struct candidate *candidate = &model->candidates[item];
	const struct symtab_frame *frame = model_site_frame(model, &model->sites[candidate->site]);

	switch (which) {
	case CANDIDATE_VERDICT:
		set_text(value, verdict_id(candidate->verdict));
		break;
	case CANDIDATE_KIND:
		set_text(value, site_kind_name(model->sites[candidate->site].kind));
		break;
	case CANDIDATE_FUNCTION:
		set_text(value, frame->function);
		break;
	case CANDIDATE_FILE:
		set_text(value, frame->file);
		break;
	default:
		set_text(value, candidate_stack(context, item));
		break;
	}
}

static double candidate_number(const struct model *model, size_t item, size_t which)
{
	const struct candidate *candidate = &model->candidates[item];
	const struct site *site = &model->sites[candidate->site];

	switch (which) {
	case CANDIDATE_RANK:
		return (double)item + 1;
	case CANDIDATE_CONFIDENCE:
		return candidate->confidence;
	case CANDIDATE_GROWTH:
		return candidate->growth / 3600;
	case CANDIDATE_GROWTH_LOW:
		return candidate->growth_low / 3600;
	case CANDIDATE_GROWTH_HIGH:
		return candidate->growth_high / 3600;
	case CANDIDATE_LIVE:
		return candidate->live_bytes;
	case CANDIDATE_ALLOC_RATE:
		return model->last_time > model->first_time
			       ? site->est_births_bytes /
					 ((double)(model->last_time - model->first_time) / 1e9)
			       : 0;
	case CANDIDATE_SURVIVORS:
		return (double)candidate->survivors;
	case CANDIDATE_GENERATIONS:
		return candidate->generations;
	default:
		return model_site_frame(model, site)->line;
	}
}

static bool candidate_value(const void *arg, size_t item, const char *name, struct quantity *value)
{
	const struct metrics_context *context = arg;
	const struct field *field = find_field(candidate_fields, name);
	size_t which;

	if (!field)
		return false;
	which = (size_t)(field - candidate_fields);
	if (!context)
		set_unknown(value, field);
	else if (field->kind == FIELD_TEXT_OF)
		candidate_text(context, item, which, value);
	else
		set_number(value, field, candidate_number(&context->findings->model, item, which));
	return true;
}

/* ---- Rows of the comparison ------------------------------------------------------------- */

enum row_field {
	ROW_CHANGE,
	ROW_KIND,
	ROW_FUNCTION,
	ROW_STACK,
	ROW_LIVE,
	ROW_LIVE_BEFORE,
	ROW_GROWTH,
	ROW_GROWTH_BEFORE,
	ROW_ALLOC_RATE,
	ROW_ALLOC_RATE_BEFORE,
	ROW_RATIO,
	ROW_Q,
	ROW_FIELDS,
};

static const struct field row_fields[] = {
	[ROW_CHANGE] = {"change", FIELD_TEXT_OF, "'new', 'more', 'less', 'gone', 'same'"},
	[ROW_KIND] = {"kind", FIELD_TEXT_OF, "as of sites()"},
	[ROW_FUNCTION] = {"function", FIELD_TEXT_OF, "that allocates"},
	[ROW_STACK] = {"stack", FIELD_TEXT_OF, "all functions, innermost first, ';' between them"},
	[ROW_LIVE] = {"live", FIELD_BYTES, "bytes live at the end"},
	[ROW_LIVE_BEFORE] = {"live_before", FIELD_BYTES, "the same in the baseline"},
	[ROW_GROWTH] = {"growth", FIELD_RATE, "of what is live"},
	[ROW_GROWTH_BEFORE] = {"growth_before", FIELD_RATE, "the same in the baseline"},
	[ROW_ALLOC_RATE] = {"alloc_rate", FIELD_RATE, "bytes allocated over time"},
	[ROW_ALLOC_RATE_BEFORE] = {"alloc_rate_before", FIELD_RATE, "the same in the baseline"},
	[ROW_RATIO] = {"ratio", FIELD_COUNT_OF,
		       "bytes allocated for the same work, over those in the baseline"},
	[ROW_Q] = {"q", FIELD_COUNT_OF,
		   "that chance alone makes the change (false discovery rate)"},
	[ROW_FIELDS] = {NULL, FIELD_COUNT_OF, NULL},
};

static const struct comparison_row *row_of(const void *arg, size_t item)
{
	return &((const struct metrics_context *)arg)->findings->comparison->rows[item];
}

static bool row_items(const void *arg, size_t *n)
{
	const struct comparison *comparison =
		((const struct metrics_context *)arg)->findings->comparison;

	*n = comparison ? comparison->n_rows : 0;
	return comparison != NULL;
}

static double weigh_regression(const void *arg, size_t item)
{
	return comparison_is_regression(row_of(arg, item));
}

static double row_number(const struct comparison_row *row, size_t which)
{
	switch (which) {
	case ROW_LIVE:
		return row->now.live;
	case ROW_LIVE_BEFORE:
		return row->before.live;
	case ROW_GROWTH:
		return row->now.growth / 3600;
	case ROW_GROWTH_BEFORE:
		return row->before.growth / 3600;
	case ROW_ALLOC_RATE:
		return row->now.alloc_rate;
	case ROW_ALLOC_RATE_BEFORE:
		return row->before.alloc_rate;
	case ROW_RATIO:
		return row->ratio;
	default:
		return row->q_value;
	}
}

static bool row_value(const void *arg, size_t item, const char *name, struct quantity *value)
{
	const struct field *field = find_field(row_fields, name);
	const struct comparison_row *row;

	if (!field)
		return false;
	if (!arg) {
		set_unknown(value, field);
		return true;
	}
	row = row_of(arg, item);
	switch (field - row_fields) {
	case ROW_CHANGE:
		set_text(value, comparison_change_id(row->change));
		break;
	case ROW_KIND:
		set_text(value, row->kind);
		break;
	case ROW_FUNCTION:
		set_text(value, row->function);
		break;
	case ROW_STACK:
		set_text(value, row->stack);
		break;
	default:
		set_number(value, field, row_number(row, (size_t)(field - row_fields)));
		break;
	}
	return true;
}

/* ---- The scope -------------------------------------------------------------------------- */

static const struct expression_set sets[] = {
	{"leaks", 0, 0, candidate_items, weigh_leak, candidate_value},
	{"leak_growth", 1, -1, candidate_items, weigh_growth, candidate_value},
	{"sites", 0, 0, candidate_items, weigh_site, candidate_value},
	{"regressions", 0, 0, row_items, weigh_regression, row_value},
	{"changes", 0, 0, row_items, weigh_site, row_value},
};

static bool lookup(const void *arg, const char *name, struct quantity *value)
{
	const struct metrics_context *context = arg;
	bool before = !strncmp(name, BASELINE, strlen(BASELINE));
	size_t i = metrics_find(before ? name + strlen(BASELINE) : name);

	if (i >= metrics_count())
		return false;
	if (!before) {
		*value = metrics_value(context ? context->findings : NULL, i);
		return true;
	}
	*value = metrics_value(NULL, i);
	if (context && context->findings->comparison)
		comparison_metric(context->findings->comparison, i, value);
	return true;
}

struct expression_scope metrics_scope(const struct metrics_context *context)
{
	return (struct expression_scope){
		.context = context,
		.lookup = lookup,
		.sets = sets,
		.n_sets = sizeof(sets) / sizeof(*sets),
	};
}

/* ---- The list --------------------------------------------------------------------------- */

static void list_fields(FILE *out, const struct field *fields)
{
	static const char *const units[] = {"", "B", "B/s", "text"};

	for (; fields->name; fields++)
		fprintf(out, "    %-18s %-5s %s\n", fields->name, units[fields->kind],
			fields->help);
}

void metrics_list(FILE *out, const struct findings *findings)
{
	fprintf(out, "Figures, with their units (B: bytes, s: seconds; none: a count or share):\n");
	for (size_t i = 0; i < metrics_count(); i++) {
		const struct quantity value = metrics_value(findings, i);

		fprintf(out, "  %-25s %-4s", metrics_name(i), metrics_unit(i));
		if (findings)
			fprintf(out, " %-26s", metrics_text(&value).text);
		fprintf(out, " %s\n", metrics_help(i));
	}
	fprintf(out, "  baseline.NAME                  the same in what --baseline names\n"
		     "\n"
		     "Functions of the sites for which a condition holds, as in "
		     "leaks(confidence >= 0.9):\n"
		     "  leaks(...)                  how many sites leak, or likely do\n"
		     "  leak_growth(...)       B/s  their growth together\n"
		     "  sites(...)                  how many sites there are\n"
		     "  and in the brackets:\n");
	list_fields(out, candidate_fields);
	fprintf(out, "\n"
		     "Functions of the sites as --baseline compares them:\n"
		     "  regressions(...)            how many allocate or grow significantly more\n"
		     "  changes(...)                how many were compared\n"
		     "  and in the brackets:\n");
	list_fields(out, row_fields);
}
