#include "analyze/report_text.h"

#include "analyze/clocks.h"
#include "analyze/judge.h"
#include "analyze/timeline.h"
#include "analyze/units.h"
#include "tests/unit/golden.h"
#include "tests/unit/shop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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
	check_report(true, 130, "wide.txt");
}

static void test_narrow(void **state)
{
	(void)state;
	check_report(true, 80, "narrow.txt");
}

static void test_problems(void **state)
{
	(void)state;
	check_report(false, 100, "problems.txt");
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
	/* Nothing is said of a rate that was not read. */
	model.processes[0].mem_profile_rate = 0;
	text = render(&model, NULL);
	assert_non_null(strstr(text, "heap sampling not known"));
	assert_non_null(strstr(text, "Record it for longer"));
	free(text);
	model.processes[0].runtime_init = 1;
	text = render(&model, NULL);
	assert_golden("nobirths.txt", text);
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
	assert_golden("processes.txt", text);
	options.verbose = true;
	free(text);
	text = render(&model, &options);
	assert_non_null(strstr(text, "Timeline of process 4712"));
	free(text);
	/* With the probes in place, what is missing is a cycle. */
	model.gc_recorded = true;
	options.width = 300;
	text = render(&model, &options);
	assert_non_null(strstr(text, "No GC cycle of process 4711 ended within the recording"));
	free(text);
	model_free(&model);
	sim_free(&sim);
}

static void test_clock_steps(void **state)
{
	static const struct clock_pair pairs[] = {
		{1000 * SECOND, 1795000000 * SECOND, 2000 * SECOND},
		{1001 * SECOND, 1795000001 * SECOND, 2001 * SECOND},
		{1002 * SECOND, 1794996402 * SECOND, 2002 * SECOND},
		{1003 * SECOND, 1794996448 * SECOND, 2048 * SECOND},
	};
	struct report_options options = {.width = 300};
	struct model model;
	char *text;

	(void)state;
	model_init(&model);
	model.first_time = 1000 * SECOND;
	model.last_time = 1010 * SECOND;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		clocks_add(&model, &pairs[i]);
	text = render(&model, &options);
	assert_non_null(strstr(text, "The wall clock was set back by 1h00m, between 1s and 2s: "));
	assert_non_null(strstr(text, "The machine slept for 45s, between 2s and 3s: "));
	free(text);
	model_free(&model);
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
		cmocka_unit_test(test_clock_steps),    cmocka_unit_test(test_processes),
		cmocka_unit_test(test_hostile_names),  cmocka_unit_test(test_write_error),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
