#include "analyze/reconcile.h"

#include "analyze/clocks.h"
#include "analyze/reconcile_table.h"
#include "analyze/snapshots.h"
#include "formats/goroutineprofile.h"
#include "formats/heapprofile.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

/* ---- Loading ------------------------------------------------------------------------------ */

/* What a dump lacks to be placed in the trace; NULL: nothing. */
static const char *unplaceable(const struct heap_profile *profile)
{
	if (profile->duration_nanos)
		return "the difference of two dumps (?seconds=), which is the state of no moment";
	if (profile->form == HEAP_PROFILE_TEXT && !profile->has_memstats)
		return "it lacks the MemStats at its end, which tell its GC cycle";
	if (profile->form == HEAP_PROFILE_PROTO && profile->time_nanos <= 0)
		return "it lacks the time at which it was written";
	return NULL;
}

static void set_problem(struct heap_dump *dump, char *text)
{
	free(dump->problem);
	dump->problem = text;
}

static void add_dump(struct model *model, const char *name, struct heap_profile *profile)
{
	bool text = profile->form == HEAP_PROFILE_TEXT;
	const char *problem = unplaceable(profile);
	struct heap_dump *dump;

	if (!model->snapshots)
		model->snapshots = snapshots_new(model);
	xgrow(model->dumps, model->cap_dumps, model->n_dumps + 1);
	dump = &model->dumps[model->n_dumps++];
	*dump = (struct heap_dump){
		.path = xstrdup(name),
		.profile = profile,
		.process = UINT32_MAX,
		.time_nanos = text ? profile->memstats.last_gc : (uint64_t)profile->time_nanos,
		.problem = problem ? xstrdup(problem) : NULL,
	};
	/* Every dump has its place there, so that both count alike. */
	snapshots_want(model->snapshots, text || problem ? 0 : dump->time_nanos,
		       text ? profile->memstats.num_gc : 0);
}

/* Nothing of it is compared with the heap's events; the report says what it holds. */
static void add_goroutines(struct model *model, const char *name, struct goroutine_profile *profile)
{
	xgrow(model->goroutine_dumps, model->cap_goroutine_dumps, model->n_goroutine_dumps + 1);
	model->goroutine_dumps[model->n_goroutine_dumps++] = (struct goroutine_dump){
		.path = xstrdup(name),
		.profile = profile,
	};
}

struct error *reconcile_load(struct model *model, const char *path)
{
	struct goroutine_profile *goroutines;
	struct error *err, *other = NULL;
	struct heap_profile *profile;

	err = heap_profile_read(path, &profile);
	if (!err) {
		add_dump(model, path, profile);
	} else if (!(other = goroutine_profile_read(path, &goroutines))) {
		error_free(err);
		err = NULL;
		add_goroutines(model, path, goroutines);
	}
	error_free(other);
	return err;
}

struct error *reconcile_load_data(struct model *model, const char *name, const void *data,
				  size_t len)
{
	struct goroutine_profile *goroutines;
	struct error *err, *other = NULL;
	struct heap_profile *profile;

	err = heap_profile_parse(data, len, &profile);
	if (!err) {
		add_dump(model, name, profile);
	} else if (!(other = goroutine_profile_parse(data, len, &goroutines))) {
		error_free(err);
		err = NULL;
		add_goroutines(model, name, goroutines);
	}
	error_free(other);
	return error_context(err, "%s", name);
}

/* ---- Which process ------------------------------------------------------------------------ */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Whether two texts are known, and how they compare. */
static bool differ(const char *a, const char *b)
{
	return a && b && *a && *b && strcmp(a, b) != 0;
}

static bool equal(const char *a, const char *b)
{
	return a && b && *a && !strcmp(a, b);
}

/*
 * Programs share the stacks of the libraries' initialisation, and hardly more. A process that was
 * attached to may have few of its own stacks in the trace, but they are in its dumps.
 */
static bool is_foreign(const struct heap_profile *profile, const struct process *process,
		       const struct reconcile_table *table)
{
	if (equal(profile->build_id, process->build_id))
		return false;
	if (differ(profile->build_id, process->build_id))
		return true;
	if (!table->n_common)
		return table->n_dump_groups > 0;
	return table->n_common * 5 < table->n_dump_groups && process->exe &&
	       differ(base_name(profile->exe), base_name(process->exe));
}

static char *with_build_id(const char *exe, const char *build_id)
{
	return build_id && *build_id ? xasprintf("%s (build id %s)", exe, build_id) : xstrdup(exe);
}

static void refuse_foreign(const struct model *model, struct heap_dump *dump)
{
	const struct heap_profile *profile = dump->profile;
	const struct process *traced = NULL;
	char *theirs, *ours;

	for (size_t i = 0; i < model->n_processes && (!traced || !traced->exe); i++)
		traced = &model->processes[i];
	theirs = with_build_id(*profile->exe ? profile->exe : "unknown", profile->build_id);
	ours = with_build_id(traced && traced->exe ? traced->exe : "others",
			     traced ? traced->build_id : NULL);
	set_problem(dump,
		    xasprintf("of another program, %s: the trace is of %s and %s", theirs, ours,
			      model->symbols ? "does not have its call stacks"
					     : "has no symbols to tell its call stacks by"));
	free(theirs);
	free(ours);
}

/* ---- Which cycle -------------------------------------------------------------------------- */

static uint64_t positive(int64_t value)
{
	return value > 0 ? (uint64_t)value : 0;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t difference(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* How far a state is from the dump, summed over the stacks. */
static uint64_t distance_of(const struct reconcile_table *table, int state, bool older_known)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < table->n_groups; i++) {
		const struct reconcile_group *group = &table->groups[i];
		uint64_t dump = positive(group->dump.objects);
		uint64_t trace = positive(group->seen[state].objects) +
				 positive(group->older[state].objects);

		/* What the dump has more may be older, where that is not known. */
		if (trace > dump || older_known)
			sum += difference(trace, dump);
	}
	return sum;
}

/*
 * The state that agrees best: among equals the plain read of cycle P, then the one after
 * runtime.GC(), then that of the cycle before (the dump was taken, a cycle ended, the dump was
 * given its time), then what the clocks' inaccuracy allows.
 */
static int best_state(const struct reconcile_table *table, const struct snapshot *snapshot,
		      bool older_known)
{
	static const int order[] = {1, 2, 0, 3, SNAPSHOT_NOW};
	uint64_t best_distance = 0;
	int best = -1;

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		uint64_t distance;

		if (order[i] == SNAPSHOT_NOW && !snapshot->has_now)
			continue;
		distance = distance_of(table, order[i], older_known);
		if (best < 0 || distance < best_distance) {
			best = order[i];
			best_distance = distance;
		}
	}
	return best;
}

static void set_cycle(struct heap_dump *dump, const struct snapshot *snapshot, int state)
{
	static const struct {
		int cycle; /* from the time's P */
		bool after_gc;
	} meaning[] = {{-1, false}, {0, false}, {0, true}, {1, true}, {0, false}};

	dump->prof_cycle = snapshot->prof_cycle + (uint64_t)meaning[state].cycle;
	dump->after_gc = meaning[state].after_gc;
}

/* ---- Comparing ---------------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b)
{
	const struct reconcile_row *x = a, *y = b;
	uint64_t dx = difference(x->dump_bytes, x->trace_bytes);
	uint64_t dy = difference(y->dump_bytes, y->trace_bytes);

	if (dx != dy)
		return dx > dy ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void compare_group(const struct model *model, struct heap_dump *dump,
			  const struct reconcile_group *group, int state)
{
	struct reconcile_row row = {
		.site = group->site,
		.dump_objects = positive(group->dump.objects),
		.dump_bytes = positive(group->dump.bytes),
		.trace_objects = positive(group->seen[state].objects),
		.trace_bytes = positive(group->seen[state].bytes),
	};
	uint64_t older_objects = positive(group->older[state].objects);
	uint64_t older_bytes = positive(group->older[state].bytes);

	older_objects = lesser(older_objects, row.dump_objects);
	older_bytes = lesser(older_bytes, row.dump_bytes);
	row.dump_objects -= older_objects;
	row.dump_bytes -= older_bytes;
	dump->older_objects += older_objects;
	dump->older_bytes += older_bytes;
	dump->dump_objects += row.dump_objects;
	dump->dump_bytes += row.dump_bytes;
	dump->trace_objects += row.trace_objects;
	dump->trace_bytes += row.trace_bytes;
	dump->matched_objects += lesser(row.dump_objects, row.trace_objects);
	dump->matched_bytes += lesser(row.dump_bytes, row.trace_bytes);
	if (row.dump_objects == row.trace_objects && row.dump_bytes == row.trace_bytes)
		return;
	row.name = xstrdup(group->site != UINT32_MAX
				   ? model_site_frame(model, &model->sites[group->site])->function
			   : group->name ? group->name
					 : "[unknown]");
	xgrow(dump->rows, dump->cap_rows, dump->n_rows + 1);
	dump->rows[dump->n_rows++] = row;
}

/* ---- What limits a comparison -------------------------------------------------------------- */

/* The cycle of that number, where the trace knows when it ended. */
static const struct gc_cycle *find_cycle(const struct model *model, uint32_t process,
					 uint64_t number)
{
	for (size_t i = 0; i < model->n_cycles; i++) {
		const struct gc_cycle *cycle = &model->cycles[i];

		if (cycle->process == process && cycle->number == number && cycle->mark_term)
			return cycle;
	}
	return NULL;
}

/*
 * The text form tells when its last cycle ended: in another process that was another time. Returns
 * by how much (ns), 0 where it is the same or not known.
 */
static uint64_t other_run(const struct model *model, const struct heap_dump *dump)
{
	const struct heap_profile *profile = dump->profile;
	const struct gc_cycle *cycle;
	uint64_t apart;

	if (profile->form != HEAP_PROFILE_TEXT || !dump->time)
		return 0;
	cycle = find_cycle(model, dump->process, profile->memstats.num_gc);
	apart = cycle ? difference(cycle->mark_term, dump->time) : 0;
	return apart > SECOND ? apart : 0;
}

static char *other_run_text(const struct heap_dump *dump, uint64_t apart)
{
	return xasprintf("of another run of the program: its GC cycle %" PRIu64
			 " ended %.3f s apart from the trace's",
			 dump->profile->memstats.num_gc, (double)apart / 1e9);
}

static void set_limits(const struct model *model, struct heap_dump *dump,
		       const struct snapshot *snapshot)
{
	bool perfect = !dump->n_rows;

	if (!dump->older_known && model->from)
		set_problem(dump, xstrdup("what was born before --from is left out: it cannot be "
					  "told from what the trace lacks"));
	else if (!dump->older_known)
		set_problem(dump, xstrdup("the process ran before the recording, and its bucket "
					  "table was not read: what is older cannot be told from "
					  "what the trace lacks"));
	else if (perfect)
		return;
	else if (snapshot->after_end)
		set_problem(dump, xstrdup("written after the recording ended: what happened in "
					  "between is not in the trace"));
	else if (snapshot->prof_cycle < 2)
		set_problem(dump, xstrdup("written before the second GC cycle: it shows the heap "
					  "of that moment, or of an earlier dump\'s, which is not "
					  "known to the object"));
	else if (dump->profile->n_inexact)
		set_problem(dump, xasprintf("%zu of its samples are not those of whole objects: "
					    "another tool has merged or scaled them",
					    dump->profile->n_inexact));
}

static char *snapshot_problem_text(const struct model *model, const struct heap_dump *dump,
				   enum snapshot_problem problem)
{
	switch (problem) {
	case SNAPSHOT_NO_CYCLES:
		return xstrdup("the trace does not tell which GC cycle the process was in");
	case SNAPSHOT_NO_CLOCK:
		return xstrdup("the trace has no wall clock to place its time by");
	case SNAPSHOT_BEFORE:
		break;
	case SNAPSHOT_OK:
		return NULL;
	}
	if (dump->time && dump->time < model->first_time)
		return xasprintf("written %.1f s before the recording began",
				 (double)(model->first_time - dump->time) / 1e9);
	return xstrdup("written before the process was first seen in the trace");
}

/* ---- One dump ----------------------------------------------------------------------------- */

static bool knows_older(const struct model *model, const struct snapshot *snapshot)
{
	return snapshot->seeded || (!model->processes[snapshot->process].attached && !model->from);
}

static void compare(const struct model *model, struct heap_dump *dump,
		    struct reconcile_table *table, const struct snapshot *snapshot)
{
	int state;

	reconcile_table_add_snapshot(table, snapshot);
	dump->older_known = knows_older(model, snapshot);
	state = best_state(table, snapshot, dump->older_known);
	set_cycle(dump, snapshot, state);
	for (size_t i = 0; i < table->n_groups; i++)
		compare_group(model, dump, &table->groups[i], state);
	if (dump->n_rows)
		qsort(dump->rows, dump->n_rows, sizeof(*dump->rows), compare_rows);
	set_limits(model, dump, snapshot);
}

/* How well a dump fits a process. */
struct match {
	uint32_t process;		 /* UINT32_MAX: not at all */
	const struct snapshot *snapshot; /* NULL: there is none */
	size_t common;			 /* call stacks that both have */
	uint64_t distance;		 /* objects that differ, with a snapshot */
};

static struct match match_process(const struct model *model, uint32_t index, uint32_t process)
{
	const struct heap_dump *dump = &model->dumps[index];
	struct match match = {.process = process};
	struct reconcile_table table;
	bool older_known;

	reconcile_table_init(&table, model, dump->profile, process);
	match.common = table.n_common;
	if (is_foreign(dump->profile, &model->processes[process], &table))
		match.process = UINT32_MAX;
	else if (snapshots_get(model->snapshots, index, process, &match.snapshot) == SNAPSHOT_OK) {
		older_known = knows_older(model, match.snapshot);
		reconcile_table_add_snapshot(&table, match.snapshot);
		match.distance = distance_of(
			&table, best_state(&table, match.snapshot, older_known), older_known);
	}
	reconcile_table_free(&table);
	return match;
}

static bool is_better(const struct match *a, const struct match *b)
{
	if (a->process == UINT32_MAX || b->process == UINT32_MAX)
		return a->process < b->process;
	if (!a->snapshot != !b->snapshot)
		return a->snapshot != NULL;
	if (a->distance != b->distance)
		return a->distance < b->distance;
	return a->common > b->common;
}

/* Processes of one program have the same stacks: then the objects decide whose dump it is. */
static uint32_t find_process(const struct model *model, uint32_t index)
{
	struct match best = {.process = UINT32_MAX};

	for (uint32_t i = 0; i < model->n_processes; i++) {
		struct match match = match_process(model, index, i);

		if (is_better(&match, &best))
			best = match;
	}
	return best.process;
}

static void reconcile(struct model *model, uint32_t index)
{
	struct heap_dump *dump = &model->dumps[index];
	const struct snapshot *snapshot;
	struct reconcile_table table;
	enum snapshot_problem problem;
	uint64_t apart;

	if (dump->time_nanos)
		dump->time = model_trace_time(model, dump->time_nanos);
	if (dump->problem)
		return;
	dump->process = find_process(model, index);
	if (dump->process == UINT32_MAX) {
		refuse_foreign(model, dump);
		return;
	}
	apart = other_run(model, dump);
	if (apart) {
		set_problem(dump, other_run_text(dump, apart));
		return;
	}
	problem = snapshots_get(model->snapshots, index, dump->process, &snapshot);
	if (problem) {
		set_problem(dump, snapshot_problem_text(model, dump, problem));
		return;
	}
	reconcile_table_init(&table, model, dump->profile, dump->process);
	compare(model, dump, &table, snapshot);
	reconcile_table_free(&table);
}

/* Where the wall clock was set, a dump's time may have come twice. */
static void say_time_is_ambiguous(const struct model *model, struct heap_dump *dump)
{
	uint64_t times[CLOCKS_MAX_TIMES], base = model->first_time;

	if (!dump->time_nanos || dump->problem ||
	    clocks_trace_times(model, dump->time_nanos, times) < 2)
		return;
	set_problem(dump, xasprintf("its time is ambiguous: the wall clock was set, so %.3fs of "
				    "the recording and %.3fs are the same on it",
				    (double)(int64_t)(times[0] - base) / 1e9,
				    (double)(int64_t)(times[1] - base) / 1e9));
}

void reconcile_dumps(struct model *model)
{
	for (size_t i = 0; i < model->n_goroutine_dumps; i++) {
		struct goroutine_dump *dump = &model->goroutine_dumps[i];

		if (dump->profile->time_nanos > 0)
			dump->time = model_trace_time(model, (uint64_t)dump->profile->time_nanos);
	}
	for (uint32_t i = 0; i < model->n_dumps; i++) {
		reconcile(model, i);
		say_time_is_ambiguous(model, &model->dumps[i]);
	}
}
