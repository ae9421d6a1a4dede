#include "analyze/model.h"

#include "formats/xalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define PID 4711

static void name_address(struct model *model, uint64_t address, const char *function)
{
	struct symtab_frame frames[2] = {{function, "/src/file.go", 7, 5},
					 {"outer.inlinedInto", "/src/outer.go", 70, 60}};

	symtab_add(model->symbols, PID, address, frames, 2);
}

/* A model of one process and one site with the given stack. */
static struct model model_with_stack(const uint64_t *pcs, uint32_t n)
{
	struct model model;

	model_init(&model);
	model.symbols = symtab_new();
	model.processes = xcalloc(1, sizeof(*model.processes));
	model.n_processes = 1;
	model.processes[0].pid = PID;
	model.stacks = xcalloc(1, sizeof(*model.stacks));
	model.n_stacks = 1;
	model.stacks[0].pcs = xreallocarray(NULL, n, sizeof(*pcs));
	memcpy(model.stacks[0].pcs, pcs, n * sizeof(*pcs));
	model.stacks[0].n = n;
	model.sites = xcalloc(1, sizeof(*model.sites));
	model.n_sites = 1;
	return model;
}

static void test_site_frame(void **state)
{
	static const uint64_t pcs[] = {0x10, 0x20, 0x30, 0x40, 0x50};
	struct model model = model_with_stack(pcs, 5);
	struct site *site = &model.sites[0];

	(void)state;
	name_address(&model, 0x10, "runtime.mallocgc");
	name_address(&model, 0x20, "internal/runtime/maps.newTable");
	name_address(&model, 0x40, "runtime/pprof.StartCPUProfile");
	name_address(&model, 0x50, "main.main");
	assert_string_equal(model_frame(&model, site, 0)->function, "runtime.mallocgc");
	assert_string_equal(model_frame(&model, site, 2)->function, "[unknown]");
	assert_string_equal(model_frame(&model, site, 5)->function, "[unknown]");
	/* 0x30 has no name and runtime/pprof is no part of package runtime. */
	assert_string_equal(model_site_frame(&model, site)->function,
			    "runtime/pprof.StartCPUProfile");
	model_free(&model);
}

/* What the runtime does under the names of other packages is known by its files. */
static void test_site_frame_linkname(void **state)
{
	static const struct symtab_frame inner[] = {
		{"internal/bytealg.MakeNoZero", "/usr/lib/go-1.27/src/runtime/slice.go", 437, 0},
		{"reflect.unsafe_New", "runtime/malloc.go", 9, 0}, /* -trimpath */
	};
	static const struct symtab_frame outer[] = {
		{"strings.(*Builder).grow", "/usr/lib/go-1.27/src/strings/builder.go", 68, 0},
		{"runtime/pprof.StartCPUProfile", "/usr/lib/go/src/runtime/pprof/pprof.go", 1, 0},
		{"shop/runtime.New", "/src/shop/runtime/new.go", 3, 0},
		{"fmt.Sprintf", "/src/myruntime/print.go", 3, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(outer) / sizeof(*outer); i++) {
		static const uint64_t pcs[] = {0x10, 0x20, 0x30};
		struct model model = model_with_stack(pcs, 3);

		symtab_add(model.symbols, PID, 0x10, &inner[0], 1);
		symtab_add(model.symbols, PID, 0x20, &inner[1], 1);
		symtab_add(model.symbols, PID, 0x30, &outer[i], 1);
		assert_string_equal(model_site_frame(&model, &model.sites[0])->function,
				    outer[i].function);
		model_free(&model);
	}
}

static void test_site_frame_runtime_only(void **state)
{
	static const uint64_t pcs[] = {0x10, 0x20};
	struct model model = model_with_stack(pcs, 2);

	(void)state;
	name_address(&model, 0x10, "runtime.malg");
	name_address(&model, 0x20, "runtime.main");
	assert_string_equal(model_site_frame(&model, &model.sites[0])->function, "runtime.malg");
	model_free(&model);
}

static void test_site_frame_without_symbols(void **state)
{
	static const uint64_t pcs[] = {0x10, 0x20};
	struct model model = model_with_stack(pcs, 2);

	(void)state;
	assert_string_equal(model_site_frame(&model, &model.sites[0])->function, "[unknown]");
	symtab_free(model.symbols);
	model.symbols = NULL;
	assert_string_equal(model_site_frame(&model, &model.sites[0])->function, "[unknown]");
	model.sites[0].stack = 9;
	assert_string_equal(model_site_frame(&model, &model.sites[0])->function, "[unknown]");
	model.sites[0].stack = 0;
	model.sites[0].process = UINT32_MAX;
	assert_string_equal(model_site_frame(&model, &model.sites[0])->function, "[unknown]");
	model_free(&model);
}

static void test_clocks(void **state)
{
	/* The wall clock was set back by 400 between the second pair and the third. */
	static struct clock_pair pairs[] = {
		{1000, 501000, 0}, {2000, 502000, 0}, {3000, 502600, 0}};
	struct model model;

	(void)state;
	model_init(&model);
	assert_int_equal(model_wall_time(&model, 1000), 0);
	assert_int_equal(model_trace_time(&model, 501000), 0);
	model.clocks = pairs;
	model.n_clocks = 3;
	assert_int_equal(model_wall_time(&model, 1000), 501000);
	assert_int_equal(model_wall_time(&model, 900), 500900);
	assert_int_equal(model_wall_time(&model, 2400), 502400);
	assert_int_equal(model_wall_time(&model, 2600), 502200);
	assert_int_equal(model_trace_time(&model, 501100), 1100);
	assert_int_equal(model_trace_time(&model, 502700), 3100);
	assert_int_equal(model_trace_time(&model, 5), 0);
	assert_int_equal(model_wall_time(&model, UINT64_MAX), 0);
}

static void test_verdict_names(void **state)
{
	(void)state;
	for (int v = VERDICT_LEAK; v <= VERDICT_TOO_LITTLE; v++) {
		assert_true(strlen(verdict_name((enum verdict)v)) > 3);
		for (int w = VERDICT_LEAK; w < v; w++)
			assert_string_not_equal(verdict_name((enum verdict)v),
						verdict_name((enum verdict)w));
	}
	assert_string_equal(verdict_name(VERDICT_LIKELY_LEAK), "likely leak");
}

static void test_free_everything(void **state)
{
	struct model model;

	(void)state;
	model_init(&model);
	model.dumps = xcalloc(1, sizeof(*model.dumps));
	model.n_dumps = 1;
	model.dumps[0].path = xstrdup("heap.pb.gz");
	model.dumps[0].rows = xcalloc(1, sizeof(*model.dumps[0].rows));
	model.dumps[0].rows[0].name = xstrdup("main.leak");
	model.dumps[0].n_rows = 1;
	model.candidates = xcalloc(1, sizeof(*model.candidates));
	model.candidates[0].evidence = xstrdup("evidence");
	model.n_candidates = 1;
	model_free(&model);
	assert_int_equal(model.n_dumps, 0);
	assert_null(model.candidates);
	/* Freeing what is freed already is harmless. */
	model_free(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_site_frame),
		cmocka_unit_test(test_site_frame_linkname),
		cmocka_unit_test(test_site_frame_runtime_only),
		cmocka_unit_test(test_site_frame_without_symbols),
		cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_verdict_names),
		cmocka_unit_test(test_free_everything),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
