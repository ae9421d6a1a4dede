#include "analyze/report_text.h"

#include "analyze/judge.h"
#include "analyze/timeline.h"
#include "analyze/units.h"
#include "tests/unit/families.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000ull
#define MIB    ((uint64_t)1 << 20)

/* ---- Synthetic traces ------------------------------------------------------------------- */

/* A stack of functions, innermost first, at addresses of its own; returns its index. */
static uint32_t add_stack(struct model *model, const char *const *functions, const char *file)
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

static void name_site(struct model *model, const char *const *functions, const char *file)
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
static struct sim shop_sim(struct model *model)
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
static void add_shop_sites(struct sim *sim, struct model *model)
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
static void add_shop_memory(struct model *model)
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
static void add_witnesses(struct model *model, bool agree)
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

/* ---- Golden files ----------------------------------------------------------------------- */

static char *render(const struct model *model, const struct report_options *options)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	assert_null(report_text(out, model, options));
	fclose(out);
	return text;
}

/* Compares with tests/data/report/NAME.txt; GMT_UPDATE_GOLDEN=1 writes it anew. */
static void assert_golden(const char *name, const char *text)
{
	char *path = xasprintf("tests/data/report/%s.txt", name), *want;
	FILE *file;
	size_t n;

	if (getenv("GMT_UPDATE_GOLDEN")) {
		file = fopen(path, "w");
		assert_non_null(file);
		fputs(text, file);
		fclose(file);
	}
	file = fopen(path, "r");
	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	want = xcalloc(1, 1 << 16);
	n = fread(want, 1, (1 << 16) - 1, file);
	fclose(file);
	if (n != strlen(text) || memcmp(want, text, n) != 0) {
		print_message("%s", text);
		fail_msg("differs from %s", path);
	}
	free(want);
	free(path);
}

static void check_width(const char *text, size_t width)
{
	for (const char *line = text, *end; *line; line = *end ? end + 1 : end) {
		char *copy;

		end = line + strcspn(line, "\n");
		copy = xstrndup(line, (size_t)(end - line));
		if (units_columns(copy) > width)
			fail_msg("%zu columns in a report of %zu: %s", units_columns(copy), width,
				 copy);
		if (*copy && copy[strlen(copy) - 1] == ' ')
			fail_msg("ends with a blank: %s", copy);
		free(copy);
	}
}

static void check_report(bool agree, size_t width, const char *name)
{
	struct report_options options = {.width = width, .intervals = 12};
	struct model model;
	struct sim sim = shop_sim(&model);
	char *text;

	add_shop_sites(&sim, &model);
	add_shop_memory(&model);
	add_witnesses(&model, agree);
	judge(&model, NULL);
	text = render(&model, &options);
	check_width(text, width);
	assert_golden(name, text);
	free(text);
	model_free(&model);
	sim_free(&sim);
}

static void test_wide(void **state)
{
	(void)state;
	check_report(true, 130, "wide");
}

static void test_narrow(void **state)
{
	(void)state;
	check_report(true, 80, "narrow");
}

static void test_problems(void **state)
{
	(void)state;
	check_report(false, 100, "problems");
}

/* Any width fits, and no line is longer than it. */
static void test_widths(void **state)
{
	struct model model;
	struct sim sim = shop_sim(&model);

	(void)state;
	add_shop_sites(&sim, &model);
	add_shop_memory(&model);
	add_witnesses(&model, false);
	judge(&model, NULL);
	for (size_t width = 60; width < 200; width += 7) {
		struct report_options options = {.width = width, .verbose = width % 2};
		char *text = render(&model, &options);

		check_width(text, width);
		/* The line of the site is never cut. */
		assert_non_null(strstr(text, "store.go:102"));
		assert_non_null(strstr(text, "group.go:100"));
		free(text);
	}
	model_free(&model);
	sim_free(&sim);
}

static void test_verbose_and_colour(void **state)
{
	struct report_options options = {.width = 100, .intervals = 6, .verbose = true};
	struct model model;
	struct sim sim = shop_sim(&model);
	char *text, *coloured, *to;

	(void)state;
	add_shop_sites(&sim, &model);
	model.texts = xcalloc(2, sizeof(*model.texts));
	model.texts[model.n_texts++] = xstrdup("probe plan: birth at runtime.setprofilebucket+0x4");
	model.texts[model.n_texts++] = xstrdup("loss: births have no stack of their own");
	judge(&model, NULL);
	text = render(&model, &options);
	check_width(text, 100);
	assert_non_null(strstr(text, "probe plan: birth"));
	assert_non_null(strstr(text, "too little evidence"));
	options.colour = true;
	coloured = render(&model, &options);
	assert_non_null(strstr(coloured, "\033[1;31mleak\033[0m"));
	/* Colours change nothing but themselves. */
	to = coloured;
	for (char *from = coloured; *from; from++) {
		if (*from == '\033')
			from += strcspn(from, "m");
		else
			*to++ = *from;
	}
	*to = '\0';
	assert_string_equal(coloured, text);
	free(text);
	free(coloured);
	model_free(&model);
	sim_free(&sim);
}

/* ---- What is absent --------------------------------------------------------------------- */

static void test_nothing_at_all(void **state)
{
	struct model model;
	char *text;

	(void)state;
	model_init(&model);
	text = render(&model, NULL);
	assert_non_null(strstr(text, "No process is described"));
	assert_non_null(strstr(text, "No Go process was recorded"));
	free(text);
	model_free(&model);
}

static void test_no_births(void **state)
{
	struct model model;
	struct sim sim = shop_sim(&model);
	char *text;

	(void)state;
	model.texts = xcalloc(1, sizeof(*model.texts));
	model.texts[model.n_texts++] = xstrdup("heap: sampling is not linked in");
	text = render(&model, NULL);
	assert_non_null(strstr(text, "is due for every 512 KiB"));
	free(text);
	model.processes[0].mem_profile_rate = 0;
	text = render(&model, NULL);
	assert_golden("nobirths", text);
	free(text);
	model_free(&model);
	sim_free(&sim);
}

/* A process that is attached to, without GC events; one that came late and left; log lines only. */
static void test_processes(void **state)
{
	struct report_options options = {.width = 100, .intervals = 8};
	struct model model;
	struct sim sim = shop_sim(&model);
	char *text;

	(void)state;
	add_shop_sites(&sim, &model);
	model.processes[0].attached = true;
	model.sites[0].unmatched_deaths = 12;
	model.processes = xreallocarray(model.processes, 2, sizeof(*model.processes));
	model.processes[1] = (struct process){.pid = 4712,
					      .comm = "helper",
					      .mem_profile_rate = 1,
					      .start = model.first_time + 50 * SECOND,
					      .end = model.first_time + 100 * SECOND};
	model.n_processes = 2;
	model.alignments = xcalloc(1, sizeof(*model.alignments));
	model.n_alignments = 1;
	model.alignments[0] = (struct gctrace_alignment){.path = xstrdup("gc.log"),
							 .lines = 3,
							 .first_gc = 7,
							 .last_gc = 9,
							 .aligned = true,
							 .bound = 10000000,
							 .method = xstrdup("process start")};
	model.gctrace = xcalloc(3, sizeof(*model.gctrace));
	model.n_gctrace = 3;
	for (size_t i = 0; i < 3; i++)
		model.gctrace[i] =
			(struct gctrace_point){.number = 7 + i,
					       .time = model.first_time + (30 + 4 * i) * SECOND,
					       .heap_start = 40 * MIB,
					       .heap_peak = 44 * MIB,
					       .heap_live = 21 * MIB,
					       .goal = 44 * MIB};
	judge(&model, NULL);
	text = render(&model, &options);
	check_width(text, 100);
	assert_golden("processes", text);
	options.verbose = true;
	free(text);
	text = render(&model, &options);
	assert_non_null(strstr(text, "Timeline of process 4712"));
	free(text);
	model_free(&model);
	sim_free(&sim);
}

/* ---- Hostile and broken ----------------------------------------------------------------- */

static void test_hostile_names(void **state)
{
	static const char *const names[] = {"evil\033[2J\nname\xff\x80", "", NULL};
	struct model model;
	struct sim sim = shop_sim(&model);
	char *text;

	(void)state;
	add_shop_sites(&sim, &model);
	model.sites[0].stack = add_stack(&model, names, "/tmp/\033]0;x\a.go");
	free(model.hostname);
	model.hostname = xstrdup("ho\033st\n");
	model.sites[1].stack = UINT32_MAX;
	judge(&model, NULL);
	text = render(&model, &(struct report_options){.verbose = true});
	assert_null(strchr(text, '\033'));
	assert_null(strchr(text, '\a'));
	assert_non_null(strstr(text, "evil?[2J?name??"));
	assert_non_null(strstr(text, "[unknown]"));
	free(text);
	model_free(&model);
	sim_free(&sim);
}

static void test_write_error(void **state)
{
	struct model model;
	FILE *full = fopen("/dev/full", "w");
	struct error *err;

	(void)state;
	model_init(&model);
	assert_non_null(full);
	err = report_text(full, &model, NULL);
	assert_non_null(err);
	assert_non_null(strstr(error_message(err), "No space left"));
	error_free(err);
	fclose(full);
}

/* ---- Parts ------------------------------------------------------------------------------ */

static void test_timeline(void **state)
{
	struct timeline timeline;
	struct model model;
	struct sim sim = shop_sim(&model);
	double born = 0, freed = 0, live = 0;
	int64_t mapped = 0;
	uint32_t gcs = 0, forced = 0;

	(void)state;
	add_shop_sites(&sim, &model);
	add_shop_memory(&model);
	timeline_init(&timeline, &model, 0, 24);
	assert_int_equal(timeline.step, 10 * SECOND);
	assert_int_equal(timeline.n, 13);
	for (size_t i = 0; i < timeline.n; i++) {
		born += timeline.rows[i].born;
		freed += timeline.rows[i].freed;
		mapped += timeline.rows[i].mapped;
		gcs += timeline.rows[i].gcs;
		forced += timeline.rows[i].forced;
		assert_true(timeline.rows[i].to > timeline.rows[i].from);
	}
	for (size_t s = 0; s < model.n_sites; s++) {
		live += model.sites[s].est_births_bytes;
		for (size_t e = 0; e < model.processes[0].n_epochs; e++)
			live -= model.sites[s].died[e].est_bytes;
	}
	/* Nothing is lost in the spreading, and every cycle and mapping is in one interval. */
	assert_true(fabs(born - freed - live) < 1e-6 * born);
	assert_int_equal(gcs, 120);
	assert_int_equal(forced, 1);
	assert_int_equal(mapped, (24 * 4 - 6) * (int64_t)MIB);
	assert_int_equal(timeline.rows[3].first_gc, 30);
	assert_int_equal(timeline.rows[3].last_gc, 39);
	assert_int_equal(timeline.rows[3].heap_live, 42 * MIB);
	assert_int_equal(timeline.rows[3].rss, (30 + 2 * 39) * MIB);
	timeline_free(&timeline);
	/* Any number of intervals is kept to. */
	for (size_t most = 1; most < 200; most += 13) {
		timeline_init(&timeline, &model, 0, most);
		assert_true(timeline.n >= 1 && timeline.n <= most);
		timeline_free(&timeline);
	}
	/* With GOGC=off the goal is no figure. */
	for (size_t i = 0; i < model.n_cycles; i++)
		model.cycles[i].goal = (uint64_t)1 << 63;
	timeline_init(&timeline, &model, 0, 24);
	assert_int_equal(timeline.rows[3].goal, 0);
	timeline_free(&timeline);
	model.last_time = model.first_time;
	timeline_init(&timeline, &model, 0, 10);
	assert_int_equal(timeline.n, 0);
	timeline_free(&timeline);
	model.last_time = UINT64_MAX;
	timeline_init(&timeline, &model, 0, 10);
	assert_true(timeline.n <= 10);
	timeline_free(&timeline);
	model_free(&model);
	sim_free(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timeline),       cmocka_unit_test(test_wide),
		cmocka_unit_test(test_narrow),	       cmocka_unit_test(test_problems),
		cmocka_unit_test(test_widths),	       cmocka_unit_test(test_verbose_and_colour),
		cmocka_unit_test(test_nothing_at_all), cmocka_unit_test(test_no_births),
		cmocka_unit_test(test_processes),      cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_write_error),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
