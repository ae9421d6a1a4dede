#include "record/plan.h"

#include "common/go_globals.h"
#include "formats/xalloc.h"
#include "record/plan_fetch.h"
#include "record/roles.h"

#include <stdlib.h>
#include <string.h>

struct planner {
	const struct gobin *bin;
	const struct arch *arch;
	const struct plan_options *options;
	struct plan *plan;
	size_t cap_probes;
};

const char *probe_role_name(enum probe_role role)
{
	static const char *const names[ROLE_COUNT] = {
		[ROLE_BIRTH] = "birth",
		[ROLE_DEATH] = "death",
		[ROLE_GC_START] = "gc_start",
		[ROLE_GC_MARK_TERM] = "gc_mark_term",
		[ROLE_GC_END] = "gc_end",
		[ROLE_SWEEP_DONE] = "sweep_done",
		[ROLE_ALLOC] = "alloc",
		[ROLE_REFILL] = "refill",
		[ROLE_LARGE] = "large",
		[ROLE_RELEASE] = "release",
		[ROLE_GO_CREATE] = "go_create",
		[ROLE_GO_EXIT] = "go_exit",
		[ROLE_HEAP_GROW] = "heap_grow",
		[ROLE_SCAVENGE] = "scavenge",
		[ROLE_LOCK_THREAD] = "lock_thread",
		[ROLE_UNLOCK_THREAD] = "unlock_thread",
		[ROLE_NATIVE] = "native",
		[ROLE_CGO_CALL] = "cgo_call",
	};

	return role < ROLE_COUNT ? names[role] : "?";
}

void plan_add_loss(struct plan *plan, char *text)
{
	plan->losses = xreallocarray(plan->losses, plan->n_losses + 1, sizeof(*plan->losses));
	plan->losses[plan->n_losses++] = text;
}

static struct probe *add_probe(struct planner *planner)
{
	struct plan *plan = planner->plan;

	xgrow(plan->probes, planner->cap_probes, plan->n_probes + 1);
	plan->probes[plan->n_probes] = (struct probe){0};
	return &plan->probes[plan->n_probes++];
}

static void free_probe(struct probe *probe)
{
	free(probe->event);
	free(probe->symbol);
	free(probe->instruction);
	free(probe->reason);
	for (size_t i = 0; i < probe->n_args; i++)
		free(probe->args[i].expr);
	free(probe->args);
	free(probe->filter);
	free(probe->loss);
}

void plan_free(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_probes; i++)
		free_probe(&plan->probes[i]);
	free(plan->probes);
	free(plan->heap_reason);
	for (size_t i = 0; i < plan->n_losses; i++)
		free(plan->losses[i]);
	free(plan->losses);
	*plan = (struct plan){0};
}

void plan_drop_arrays(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_probes; i++) {
		struct probe *probe = &plan->probes[i];
		size_t kept = 0;

		for (size_t k = 0; k < probe->n_args; k++) {
			struct probe_arg *arg = &probe->args[k];

			if (!strchr(arg->expr, '[')) {
				probe->args[kept++] = *arg;
				continue;
			}
			plan_add_loss(plan,
				      xasprintf("%s: no %s: kernels before 4.20 fetch no arrays",
						probe->event, arg->name));
			free(arg->expr);
		}
		probe->n_args = kept;
	}
}

/* Chooses the instruction for a site in its decoded function. */
static struct error *place_site(const struct planner *planner, const struct role_site *site,
				const struct code *code, struct place *place)
{
	struct gobin_function callee;
	bool found;

	if (site->where == SITE_ENTRY) {
		struct place_need need = fetch_need(planner->bin, site);
		struct error *err = placement_find(code, &need, place);

		if (err && need.g) {
			/* Better without the goroutine than not at all. */
			error_free(err);
			need.g = false;
			err = placement_find(code, &need, place);
		}
		return err;
	}
	found = gobin_function(planner->bin, site->callee, &callee) &&
		placement_call(code, callee.address, site->skip, place);
	if (found && site->where == SITE_AFTER_CALL) {
		bool registers =
			arch_abi(planner->arch, gobin_version(planner->bin)) == GO_ABI_REGISTERS;
		size_t call = place->index;

		free(place->reason);
		found = placement_after_call(
			code, call, registers ? UINT64_C(1) << planner->arch->reg_args[0] : 0,
			place);
	}
	return found ? NULL : error_new("no call of %s", site->callee);
}

/* The site's own filter and the one that drops restarted calls, joined. */
static char *join_filters(const struct planner *planner, const struct role_site *site,
			  const struct place *place, const char *more)
{
	char *filter = NULL;
	const char *parts[3] = {NULL, more, place->filter};
	char *own = NULL;

	if (site->filter && strstr(site->filter, "%d"))
		own = xasprintf("kind == %d", gobin_layout(planner->bin)->kind_profile);
	else if (site->filter)
		own = xstrdup(site->filter);
	parts[0] = own;
	for (size_t i = 0; i < 3; i++) {
		char *joined;

		if (!parts[i])
			continue;
		joined = filter ? xasprintf("%s && %s", filter, parts[i]) : xstrdup(parts[i]);
		free(filter);
		filter = joined;
	}
	free(own);
	return filter;
}

/* Builds the probe of one site. `event`, `symbol` and `filter` may differ from the table's. */
static struct error *make_probe(struct planner *planner, const struct role_site *site,
				const char *event, const char *symbol, const char *filter)
{
	struct gobin_function fn;
	struct place place = {0};
	struct code code;
	struct probe *probe;
	struct error *err;
	uint64_t offset;

	if (!gobin_function(planner->bin, symbol, &fn))
		return error_new("no function %s", symbol);
	TRY(code_decode(planner->bin, &fn, &code));
	err = place_site(planner, site, &code, &place);
	if (!err && !gobin_file_offset(planner->bin, place.address, &offset)) {
		free(place.reason);
		err = error_new("not in a loadable segment");
	}
	if (err) {
		code_free(&code);
		return error_context(err, "%s", symbol);
	}
	probe = add_probe(planner);
	probe->role = site->role;
	probe->event = xstrdup(event);
	probe->symbol = xstrdup(symbol);
	probe->address = place.address;
	probe->file_offset = offset;
	probe->instruction = code_text(&code, place.index);
	probe->placement = place.placement;
	probe->reason = place.reason;
	/* Without frame pointers a call chain is made of whatever lies on the stack. */
	probe->callchain = site->callchain && planner->arch->frame_chain;
	probe->filter = join_filters(planner, site, &place, filter);
	fetch_args(planner->bin, site, &place, probe);
	code_free(&code);
	return NULL;
}

static const struct probe *find_event(const struct plan *plan, const char *event)
{
	for (size_t i = 0; i < plan->n_probes; i++)
		if (!strcmp(plan->probes[i].event, event))
			return &plan->probes[i];
	return NULL;
}

/*
 * Places one event of a role, at the first of its sites (they follow each other in the table) that
 * this Go version and binary have. Returns the site after them.
 */
static const struct role_site *plan_event(struct planner *planner, const struct role_site *site)
{
	const struct role_site *const first = site;
	struct error *failure = NULL;
	bool placed = false;

	for (; site->symbol && !strcmp(site->event, first->event); site++) {
		struct error *err;

		if (placed || !role_in_range(gobin_version(planner->bin), site->since, site->until))
			continue;
		err = make_probe(planner, site, site->event, site->symbol, NULL);
		placed = !err;
		if (!failure)
			failure = err;
		else
			error_free(err);
	}
	if (!placed && !first->optional)
		plan_add_loss(planner->plan, xasprintf("%s: %s", first->event,
						       failure ? error_message(failure)
							       : "unknown to this Go version"));
	error_free(failure);
	return site;
}

static void plan_role(struct planner *planner, enum probe_role role)
{
	const struct role_site *site = role_sites;

	while (site->symbol) {
		if (site->role == role)
			site = plan_event(planner, site);
		else
			site++;
	}
}

/*
 * The filter for allocations of more than `above` bytes and of at least `min`. An allocation of no
 * bytes is none: mallocgc gives the address of zerobase, and the runtime does not count it.
 */
static char *size_filter(uint64_t above, uint64_t min)
{
	if (above + 1 >= min)
		return xasprintf("size > %llu", (unsigned long long)above);
	return xasprintf("size >= %llu", (unsigned long long)min);
}

/*
 * Every allocation entry point: mallocgc and, where the compiler calls them directly, its
 * size-specialised siblings. mallocgc forwards the sizes that they serve to them, so there it
 * counts for larger ones only.
 */
static void plan_alloc(struct planner *planner)
{
	static const char prefix[] = "runtime.mallocgc";
	const struct role_site *site = role_sites;
	uint64_t min = planner->options->min_size;
	unsigned smallest, largest, forwarded = 0;
	struct gobin_function fn;
	struct error *err;
	char *filter;

	while (site->symbol && site->role != ROLE_ALLOC)
		site++;
	for (size_t i = 0; i < gobin_function_count(planner->bin); i++) {
		char *event;

		gobin_function_nth(planner->bin, i, &fn);
		if (!role_specialised_alloc(fn.name, &smallest, &largest))
			continue;
		if (largest > forwarded)
			forwarded = largest;
		event = xasprintf("alloc_%s", fn.name + sizeof(prefix) - 1);
		if (largest >= min && !find_event(planner->plan, event)) {
			filter = smallest >= min ? NULL : size_filter(0, min);
			err = make_probe(planner, site, event, fn.name, filter);
			if (err)
				plan_add_loss(planner->plan,
					      xasprintf("alloc: %s", error_message(err)));
			error_free(err);
			free(filter);
		}
		free(event);
	}
	filter = size_filter(forwarded, min);
	err = make_probe(planner, site, site->event, site->symbol, filter);
	if (err)
		plan_add_loss(planner->plan, xasprintf("alloc: %s", error_message(err)));
	error_free(err);
	free(filter);
}

/* What --heap=auto becomes, and why. */
static void choose_heap(struct planner *planner)
{
	struct plan *plan = planner->plan;
	enum heap_profiling profiling = gobin_heap_profiling(planner->bin);

	plan->heap = planner->options->heap;
	if (plan->heap != HEAP_AUTO) {
		if (plan->heap == HEAP_SAMPLED && profiling == HEAP_PROFILING_DISABLED)
			plan->heap_reason = xstrdup("as asked; heap profiling is not linked in, so "
						    "nothing is sampled unless --set-rate "
						    "switches the sampler on");
		else
			plan->heap_reason = xstrdup("as asked");
		return;
	}
	switch (profiling) {
	case HEAP_PROFILING_LINKED:
		plan->heap = HEAP_SAMPLED;
		plan->heap_reason = xstrdup("heap profiling is linked in: the runtime samples");
		return;
	case HEAP_PROFILING_DISABLED:
		plan->heap = HEAP_SPAN;
		plan->heap_reason = xstrdup(
			"heap profiling is not linked in (nothing uses runtime.MemProfile), so the "
			"runtime samples nothing: of each span that is filled with objects one is "
			"followed from its birth to its death, and each large one");
		return;
	case HEAP_PROFILING_UNKNOWN:
		break;
	}
	plan->heap = HEAP_SAMPLED;
	plan->heap_reason = xstrdup("whether heap profiling is linked in cannot be told from the "
				    "file; where it is not, no sample will come");
}

/* The order is that of events in a recording's list: heap, collector, goroutines. */
static void plan_all(struct planner *planner)
{
	static const enum probe_role phases[] = {ROLE_GC_START,	  ROLE_GC_MARK_TERM, ROLE_GC_END,
						 ROLE_SWEEP_DONE, ROLE_HEAP_GROW,    ROLE_SCAVENGE};
	enum heap_mode heap = planner->plan->heap;
	uint64_t list;

	/* Cheap beside the others, and what leaks are found by. Spans have samples of their own. */
	if (heap == HEAP_SAMPLED ||
	    (heap == HEAP_ALL && gobin_heap_profiling(planner->bin) != HEAP_PROFILING_DISABLED)) {
		plan_role(planner, ROLE_BIRTH);
		plan_role(planner, ROLE_DEATH);
	}
	if (heap == HEAP_ALL)
		plan_alloc(planner);
	if (heap == HEAP_SPAN) {
		plan_role(planner, ROLE_REFILL);
		plan_role(planner, ROLE_LARGE);
		plan_role(planner, ROLE_RELEASE);
	}
	/* --heap=counters promises a recording without any breakpoint. */
	if (heap != HEAP_COUNTERS)
		for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
			plan_role(planner, phases[i]);
	if (planner->options->native)
		plan_role(planner, ROLE_CGO_CALL);
	if (planner->options->goroutines) {
		plan_role(planner, ROLE_GO_CREATE);
		plan_role(planner, ROLE_GO_EXIT);
		plan_role(planner, ROLE_LOCK_THREAD);
		plan_role(planner, ROLE_UNLOCK_THREAD);
		if (!gobin_global(planner->bin, "runtime.allgs", &list))
			plan_add_loss(planner->plan,
				      xstrdup("the runtime's list of goroutines cannot be "
					      "located: those that are there when a file begins "
					      "are not counted"));
	}
}

struct error *plan_make(const struct gobin *bin, const struct plan_options *options,
			struct plan *plan)
{
	struct planner planner = {
		.bin = bin, .arch = arch_get(gobin_arch(bin)), .options = options, .plan = plan};

	*plan = (struct plan){0};
	if (!planner.arch)
		return error_remedy(error_new("nothing is known about this binary's architecture"),
				    "binaries for amd64, arm64 and loong64 can be recorded");
	choose_heap(&planner);
	plan_all(&planner);
	return NULL;
}
