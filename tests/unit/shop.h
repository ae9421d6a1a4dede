#ifndef GMT_TESTS_SHOP_H
#define GMT_TESTS_SHOP_H

/* A made-up trace of a web shop for the tests of reports: a leak, a cache that is full after a
 * third, churn, and what speaks for the trace or against it. */

#include "analyze/model.h"
#include "tests/unit/families.h"

#define SECOND 1000000000ull
#define MIB    ((uint64_t)1 << 20)

/* A stack of functions, innermost first, at addresses of its own; returns its index. */
static inline uint32_t add_stack(struct model *model, const char *const *functions,
				 const char *file)
{
	struct stack *stack;

	xgrow(model->stacks, model->cap_stacks, model->n_stacks + 1);
	stack = &model->stacks[model->n_stacks];
	*stack = (struct stack){0};
	for (size_t i = 0; functions[i]; i++) {
		struct symtab_frame frame = {functions[i], file, (uint32_t)(100 + i), 90};
		size_t cap = stack->n;

		xgrow(stack->pcs, cap, stack->n + 1);
		stack->pcs[stack->n++] = 0x1000 * (model->n_stacks + 1) + i;
		symtab_add(model->symbols, model->processes[0].pid, stack->pcs[i], &frame, 1);
	}
	return (uint32_t)model->n_stacks++;
}

static inline void name_site(struct model *model, const char *const *functions, const char *file)
{
	model->sites[model->n_sites - 1].stack = add_stack(model, functions, file);
}

static const char *const leak_stack[] = {"runtime.mallocgc",
					 "runtime.newobject",
					 "example.com/shop/session.(*Store).Add",
					 "example.com/shop/web.(*Server).login",
					 "net/http.HandlerFunc.ServeHTTP",
					 "net/http.(*conn).serve",
					 "runtime.goexit",
					 NULL};
static const char *const cache_stack[] = {
	"example.com/shop/internal/cache.NewGroup[go.shape.struct { Key string; Value "
	"[]uint8; Expires time.Time }].(*shard).insertLocked",
	"main.main", "runtime.main", "runtime.goexit", NULL};
static const char *const churn_stack[] = {"encoding/json.(*Decoder).Decode", "main.main", NULL};
static const char *const runtime_stack[] = {"runtime.malg", "runtime.newproc1", NULL};

/* A model of one process with 120 GC cycles of a second each. */
static inline struct sim shop_sim(struct model *model)
{
	struct sim sim = sim_new(3, 120, false);
	struct process *process;

	sim.span = 120.5;
	sim.tail_swept = true;
	for (size_t i = 0; i < 120; i++) {
		sim.end[i] = (double)i + 1;
		sim.mark_start[i] = (double)i + 0.9;
	}
	sim_model(&sim, model);
	process = &model->processes[0];
	process->pid = 4711;
	process->exe = xstrdup("/srv/shop/bin/shop");
	process->go_version = xstrdup("go1.27.4");
	model->symbols = symtab_new();
	model->trace_path = xstrdup("trace.gmt");
	model->hostname = xstrdup("web-3");
	model->osrelease = xstrdup("6.18.5");
	model->arch = xstrdup("x86_64");
	model->cmdline = xstrdup("record -o trace.gmt -- /srv/shop/bin/shop -listen :8080");
	model->clocks = xcalloc(1, sizeof(*model->clocks));
	/* 2026-11-22 05:16:40 UTC */
	model->clocks[0] = (struct clock_pair){model->first_time, 1795324600ull * SECOND, 0};
	model->n_clocks = 1;
	return sim;
}

/* A leak, a cache that is full after a third, and churn. */
static inline void add_shop_sites(struct sim *sim, struct model *model)
{
	sim_begin_site(sim, model);
	sim->min_size = sim->max_size = 4096;
	for (int i = 0; i < 480; i++)
		sim_object(sim, i * 0.25 + 0.1, INFINITY);
	sim_end_site(sim);
	name_site(model, leak_stack, "/home/ci/src/example.com/shop/session/store.go");
	sim_begin_site(sim, model);
	sim->min_size = sim->max_size = 1024;
	for (int i = 0; i < 240; i++)
		sim_object(sim, i * 0.5 + 0.1, i * 0.5 + 40.1);
	sim_end_site(sim);
	name_site(model, cache_stack, "/home/ci/src/example.com/shop/internal/cache/group.go");
	sim_begin_site(sim, model);
	sim->min_size = sim->max_size = 256;
	for (int i = 0; i < 1200; i++)
		sim_object(sim, i * 0.1 + 0.05, i * 0.1 + 0.3);
	sim_end_site(sim);
	name_site(model, churn_stack, "/usr/lib/go/src/encoding/json/stream.go");
	sim_begin_site(sim, model);
	sim->min_size = sim->max_size = 384;
	sim_object(sim, 3, INFINITY);
	sim_end_site(sim);
	name_site(model, runtime_stack, "/usr/lib/go/src/runtime/proc.go");
	for (size_t i = 0; i < model->n_sites; i++)
		model->births += model->sites[i].births;
}

/* GC cycles, RSS and mappings as such a program would show them. */
static inline void add_shop_memory(struct model *model)
{
	for (uint64_t i = 0; i < 120; i++) {
		uint64_t live = (4 + i) * MIB, end = model->first_time + (i + 1) * SECOND;

		xgrow(model->cycles, model->cap_cycles, model->n_cycles + 1);
		model->cycles[model->n_cycles++] = (struct gc_cycle){
			.number = i + 1,
			.prof_cycle = i + 6,
			.start = end - SECOND / 10,
			.mark_term = end,
			.end = end,
			.heap0 = live * 2 - MIB,
			.heap1 = live * 2,
			.heap2 = live,
			.goal = live * 2,
			.forced = i == 50,
			.procs = 4,
		};
	}
	for (uint64_t i = 0; i <= 120; i++) {
		xgrow(model->rss, model->cap_rss, model->n_rss + 1);
		model->rss[model->n_rss++] = (struct rss_point){
			.time = model->first_time + i * SECOND, .rss = (30 + 2 * i) * MIB};
	}
	for (uint64_t i = 0; i < 30; i++) {
		xgrow(model->maps, model->cap_maps, model->n_maps + 1);
		model->maps[model->n_maps++] =
			(struct map_point){.time = model->first_time + 4 * i * SECOND,
					   .delta = i % 5 == 4 ? -(int64_t)MIB : 4 * (int64_t)MIB};
	}
}

/* Heap dumps, a gctrace log and the bucket table, which agree; or do not. */
static inline void add_witnesses(struct model *model, bool agree)
{
	model->events = 6543;
	model->checks = xcalloc(1, sizeof(*model->checks));
	model->n_checks = 1;
	model->checks[0] = (struct table_check){
		.readings = 24,
		.begin = model->first_time + SECOND,
		.end = model->first_time + 119 * SECOND,
		.counted_births = 1900,
		.counted_deaths = 1400,
		.seen_births = agree ? 1900 : 1888,
		.seen_deaths = agree ? 1400 : 1397,
		.buckets = 12,
		.buckets_differing = agree ? 0 : 3,
		.valid = true,
	};
	model->alignments = xcalloc(1, sizeof(*model->alignments));
	model->n_alignments = 1;
	model->alignments[0] = (struct gctrace_alignment){
		.path = xstrdup("gc.log"),
		.process = agree ? 0 : UINT32_MAX,
		.first_gc = 1,
		.last_gc = 120,
		.lines = 120,
		.matched = agree ? 120 : 0,
		.aligned = agree,
		.offset = 1234567890,
		.bound = 431000,
		.method = xstrdup("GC events"),
		.problem = agree ? NULL : xstrdup("its cycles fit no process of the trace"),
	};
	model->dumps = xcalloc(2, sizeof(*model->dumps));
	model->n_dumps = 2;
	for (size_t i = 0; i < 2; i++)
		model->dumps[i] = (struct heap_dump){
			.path = xasprintf("heap%zu.pb.gz", i + 1),
			.time = model->first_time + (40 + 40 * i) * SECOND,
			.prof_cycle = 40,
			.dump_objects = 250,
			.dump_bytes = 2 * MIB,
			.matched_objects = 250,
			.matched_bytes = 2 * MIB,
			.trace_objects = 250,
			.trace_bytes = 2 * MIB,
		};
	if (agree)
		return;
	model->dumps[0].matched_objects = 238;
	model->dumps[0].rows = xcalloc(1, sizeof(struct reconcile_row));
	model->dumps[0].n_rows = 1;
	model->dumps[0].rows[0] =
		(struct reconcile_row){.site = 0,
				       .dump_objects = 100,
				       .dump_bytes = 409600,
				       .trace_objects = 88,
				       .trace_bytes = 360448,
				       .name = xstrdup("example.com/shop/session.(*Store).Add")};
	model->dumps[1].prof_cycle = 0;
	model->dumps[1].problem = xstrdup("it was taken after the trace ended");
	model->lost_events = 17;
	model->lost_records = 2;
	model->damage = xstrdup("record of size 0 at byte 81920");
	model->truncated = true;
	model->duplicates = 4;
	model->lost_deaths = 3;
	model->out_of_order = 5;
	model->throttles = 1;
}

#endif
