#include "analyze/rss.h"

#include "analyze/owners.h"
#include "formats/symtab.h"
#include "formats/xalloc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB    ((uint64_t)1 << 20)
#define MINUTE 60000000000ull

/* One process, with n readings, one a minute. */
static struct rss_point *set_up(struct model *model, size_t n)
{
	model_init(model);
	model->processes = xcalloc(1, sizeof(*model->processes));
	model->n_processes = 1;
	model->processes[0] = (struct process){.pid = 7, .attached = true};
	model->rss = xcalloc(n, sizeof(*model->rss));
	model->n_rss = n;
	for (size_t i = 0; i < n; i++)
		model->rss[i] = (struct rss_point){.time = (i + 1) * MINUTE, .has_owners = true};
	return model->rss;
}

static void put(struct rss_point *point, enum memory_owner owner, uint64_t bytes)
{
	point->owners[owner] += bytes;
	point->rss += bytes;
}

static void test_summary(void **state)
{
	struct rss_summary summary;
	struct rss_point *points;
	struct model model;

	(void)state;
	points = set_up(&model, 10);
	for (size_t i = 0; i < 10; i++) {
		put(&points[i], OWNER_GO_HEAP, 20 * MIB);
		put(&points[i], OWNER_C_HEAP, (10 + i) * MIB);
	}
	put(&points[4], OWNER_ANON, 500 * MIB); /* once, and gone */
	assert_true(rss_summarise(&model, 0, &summary));
	assert_ptr_equal(summary.first, &points[0]);
	assert_ptr_equal(summary.peak, &points[4]);
	assert_ptr_equal(summary.last, &points[9]);
	assert_true(summary.has_growth);
	assert_true(fabs(summary.growth[OWNER_C_HEAP] - 60.0 * (double)MIB) < 1);
	assert_true(summary.growth[OWNER_GO_HEAP] == 0);
	assert_true(summary.growth[OWNER_ANON] == 0);
	assert_true(fabs(summary.total_growth - 60.0 * (double)MIB) < 1);
	for (size_t i = 0; i < 10; i++)
		points[i].has_owners = i < 2;
	assert_true(rss_summarise(&model, 0, &summary));
	assert_false(summary.has_growth);
	points[0].has_owners = points[1].has_owners = false;
	assert_false(rss_summarise(&model, 0, &summary));
	model_free(&model);
}

/* A program that is being started has nothing yet: that it gets its memory is no growth. */
static void test_start(void **state)
{
	struct rss_summary summary;
	struct rss_point *points;
	struct model model;

	(void)state;
	points = set_up(&model, 6);
	model.processes[0].attached = false;
	for (size_t i = 0; i < 6; i++)
		put(&points[i], OWNER_GO_HEAP, i ? 100 * MIB : MIB);
	assert_true(rss_summarise(&model, 0, &summary));
	assert_true(summary.has_growth);
	assert_true(summary.total_growth == 0);
	model_free(&model);
}

/* More readings than slopes are taken over. */
static void test_many(void **state)
{
	struct rss_summary summary;
	struct rss_point *points;
	struct model model;

	(void)state;
	points = set_up(&model, 5000);
	for (size_t i = 0; i < 5000; i++)
		put(&points[i], OWNER_ANON, i * MIB);
	assert_true(rss_summarise(&model, 0, &summary));
	assert_true(fabs(summary.growth[OWNER_ANON] - 60.0 * (double)MIB) < 1);
	model_free(&model);
}

static void test_limits(void **state)
{
	struct memory_limits *known;
	struct rss_point *points;
	struct rss_limit limit;
	struct model model;

	(void)state;
	points = set_up(&model, 10);
	for (size_t i = 0; i < 10; i++) {
		put(&points[i], OWNER_GO_HEAP, 100 * MIB);
		put(&points[i], OWNER_C_HEAP, (100 + i) * MIB);
	}
	known = &model.processes[0].limits;
	limit = rss_limit(&model, 0, 0, true);
	assert_int_equal(limit.bytes, 0);
	assert_null(rss_limit_kind(&model, 0, &limit));
	assert_int_equal(rss_limit_in(&limit), 0);
	known->machine = 1000 * MIB;
	limit = rss_limit(&model, 0, 0, true);
	assert_string_equal(rss_limit_kind(&model, 0, &limit), "machine");
	known->cgroup = 239 * MIB;
	limit = rss_limit(&model, 0, 0, true);
	assert_string_equal(rss_limit_kind(&model, 0, &limit), "cgroup");
	assert_int_equal(limit.used, 209 * MIB);
	/* A MiB a minute, and 30 to go. */
	assert_true(fabs((double)rss_limit_in(&limit) - 30.0 * (double)MINUTE) < 1e6);
	/* Of GOMEMLIMIT only what is Go's is used, and that does not grow. */
	known->go = 150 * MIB;
	limit = rss_limit(&model, 0, 0, true);
	assert_string_equal(rss_limit_kind(&model, 0, &limit), "go");
	assert_int_equal(limit.used, 100 * MIB);
	assert_int_equal(rss_limit_in(&limit), 0);
	limit = rss_limit(&model, 0, 0, false);
	assert_string_equal(rss_limit_kind(&model, 0, &limit), "cgroup");
	limit = rss_limit(&model, 0, 210 * MIB, true);
	assert_string_equal(rss_limit_kind(&model, 0, &limit), "asked");
	assert_true(fabs((double)rss_limit_in(&limit) - (double)MINUTE) < 1e6);
	limit = rss_limit(&model, 0, 209 * MIB, true);
	assert_true(limit.used >= limit.bytes);
	assert_int_equal(rss_limit_in(&limit), 0);
	model_free(&model);
}

static void is_text(const struct rss_point *point, const char *want)
{
	char *text = rss_gap_text(point);

	assert_string_equal(text, want);
	free(text);
}

static void test_text(void **state)
{
	struct rss_point point = {0};

	(void)state;
	put(&point, OWNER_GO_HEAP, 120 * MIB);
	put(&point, OWNER_C_HEAP, 210 * MIB);
	put(&point, OWNER_GO_FREE, 50 * MIB);
	put(&point, OWNER_PROGRAM, MIB);
	is_text(&point, "RSS is 381 MiB; the Go heap is 120 MiB of it. The other 261 MiB are: 210 "
			"MiB C heap (malloc, as through cgo), 50.0 MiB free in the Go heap and not "
			"returned to the system yet; and 1.00 MiB of other things.");
	point.go = (struct note_go_memory){.in_use = 120 * MIB, .live = 100 * MIB};
	put(&point, OWNER_PROGRAM, 5 * MIB);
	is_text(&point, "RSS is 386 MiB; the Go heap in use is 120 MiB of it, with 100 MiB of "
			"objects that live or are not collected yet and 20.0 MiB of gaps between "
			"them (fragmentation). The other 266 MiB are: 210 MiB C heap (malloc, as "
			"through cgo), 50.0 MiB free in the Go heap and not returned to the system "
			"yet, 6.00 MiB the program's code and data.");
	point.go.in_use = 200 * MIB;
	point.go.live = 0;
	point.owners[OWNER_C_HEAP] = point.owners[OWNER_GO_FREE] = 0;
	point.rss = 126 * MIB;
	is_text(&point,
		"RSS is 126 MiB; the Go heap in use is 120 MiB of it (200 MiB with what was "
		"never touched). The other 6.00 MiB are: 6.00 MiB the program's code and "
		"data.");
	point = (struct rss_point){0};
	put(&point, OWNER_C_HEAP, 210 * MIB);
	is_text(&point, "RSS is 210 MiB: 210 MiB C heap (malloc, as through cgo).");
}

/* A mapping goes by who wanted it: not by package syscall, also where that was inlined. */
static void test_mapping_frame(void **state)
{
	static const struct symtab_frame kernel[] = {{.function = "syscall.Syscall6", .file = ""}};
	static const struct symtab_frame caller[] = {
		{.function = "syscall.Mmap", .file = ""},
		{.function = "main.mapAnonymous", .file = "main.go", .line = 5}};
	struct site site = {.kind = SITE_MAPPING};
	uint64_t pcs[] = {0x10, 0x20};
	struct model model;

	(void)state;
	set_up(&model, 1);
	model.symbols = symtab_new();
	symtab_add(model.symbols, 7, 0x10, kernel, 1);
	symtab_add(model.symbols, 7, 0x20, caller, 2);
	model.stacks = xcalloc(1, sizeof(*model.stacks));
	model.n_stacks = 1;
	model.stacks[0] = (struct stack){.pcs = xmalloc(sizeof(pcs)), .n = 2};
	memcpy(model.stacks[0].pcs, pcs, sizeof(pcs));
	assert_string_equal(model_site_frame(&model, &site)->function, "main.mapAnonymous");
	site.kind = SITE_HEAP;
	assert_string_equal(model_site_frame(&model, &site)->function, "syscall.Syscall6");
	model_free(&model);
}

/* What to record is said where it grows, steadily, and was not recorded. */
static void test_remedies(void **state)
{
	struct rss_summary summary;
	struct rss_point *points;
	struct model model;
	char *text;

	(void)state;
	points = set_up(&model, 10);
	model.sites = xcalloc(1, sizeof(*model.sites));
	model.sites[0] = (struct site){.kind = SITE_MAPPING, .births = 1};
	model.n_sites = 1;
	for (size_t i = 0; i < 10; i++) {
		put(&points[i], OWNER_GO_HEAP, (20 + i) * MIB);
		put(&points[i], OWNER_GO_STACKS, (3 + i) * MIB);
		put(&points[i], OWNER_C_HEAP, i < 8 ? 5 * MIB : 14 * MIB); /* one step */
		put(&points[i], OWNER_ANON, i * MIB);
	}
	assert_true(rss_summarise(&model, 0, &summary));
	text = rss_remedy_text(&model, 0, &summary, OWNER_GO_STACKS);
	assert_string_equal(text, "The stacks of goroutines grew from 3.00 MiB to 12.0 MiB, and "
				  "goroutines were not recorded: `record --goroutines` finds the "
				  "go statements whose goroutines never end.");
	free(text);
	assert_null(rss_remedy_text(&model, 0, &summary, OWNER_C_HEAP));
	assert_null(rss_remedy_text(&model, 0, &summary, OWNER_GO_HEAP));
	assert_null(rss_remedy_text(&model, 0, &summary, OWNER_ANON));
	/* They were recorded. */
	model.sites[0].kind = SITE_GOROUTINE;
	assert_null(rss_remedy_text(&model, 0, &summary, OWNER_GO_STACKS));
	/* Also where all of them were there before the recording. */
	model.sites[0].births = 0;
	model.sites[0].older_live = 7;
	assert_null(rss_remedy_text(&model, 0, &summary, OWNER_GO_STACKS));
	/* The C heap grows all the time, but next to nothing of what RSS does. */
	for (size_t i = 0; i < 10; i++) {
		points[i].owners[OWNER_C_HEAP] = (5 + i) * MIB;
		points[i].rss += 100 * i * MIB;
	}
	assert_true(rss_summarise(&model, 0, &summary));
	assert_null(rss_remedy_text(&model, 0, &summary, OWNER_C_HEAP));
	for (size_t i = 0; i < 10; i++)
		points[i].rss -= 100 * i * MIB;
	assert_true(rss_summarise(&model, 0, &summary));
	text = rss_remedy_text(&model, 0, &summary, OWNER_C_HEAP);
	assert_non_null(strstr(text, "`record --native`"));
	free(text);
	model_free(&model);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_summary),	 cmocka_unit_test(test_start),
		cmocka_unit_test(test_many),	 cmocka_unit_test(test_limits),
		cmocka_unit_test(test_text),	 cmocka_unit_test(test_mapping_frame),
		cmocka_unit_test(test_remedies),
	};

	return cmocka_run_group_tests_name("rss", tests, NULL, NULL);
}
