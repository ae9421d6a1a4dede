/* GC health: figures worked out by hand, each anomaly provoked, and healthy programs left alone. */
#include "analyze/gchealth.h"

#include "formats/xalloc.h"
#include "tests/unit/gctext.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS  1000000ull
#define SEC 1000000000ull
#define MB  (1ull << 20)

/* ---- By hand --------------------------------------------------------------------------- */

static const char by_hand[] =
	"GC forced\n"
	"gc 3 @1.000s 2%: 0.10+1.0+0.20 ms clock, 0.40+0.50/1.5/3.0+0.80 ms cpu, 30->31->16 MB, "
	"32 MB goal, 0 MB stacks, 0 MB globals, 4 P\n"
	"gc 4 @2.000s 2%: 0.10+2.0+0.20 ms clock, 0.40+0.50/1.5/3.0+0.80 ms cpu, 31->32->24 MB, "
	"32 MB goal, 0 MB stacks, 0 MB globals, 4 P (forced)\n"
	"gc 5 @3.000s 3%: 0.10+3.0+40 ms clock, 0.40+0.50/1.5/3.0+0.80 ms cpu, 47->48->20 MB, "
	"48 MB goal, 0 MB stacks, 0 MB globals, 4 P\n";

static void figures(void **state)
{
	struct gchealth_options options = gchealth_defaults();
	struct gchealth_list list = {0};
	const struct gchealth *h;
	struct gctrace_log log;
	double span = 2e9 + 43.1e6, cpu = 3 * (0.40 + 0.50 + 1.5 + 0.80) * 1e6;

	(void)state;
	gctrace_log_parse(by_hand, strlen(by_hand), &log);
	gchealth_add_log(&list, "gc.log", &log, &options);
	assert_int_equal(list.n, 1);
	h = list.items;
	assert_string_equal(h->source, "gc.log");
	assert_int_equal(h->cycles, 3);
	assert_int_equal(h->forced, 1);
	assert_int_equal(h->first_number, 3);
	assert_int_equal(h->last_number, 5);
	assert_float_equal(h->span, span, 1);
	assert_float_equal(h->rate, 1, 1e-9);
	assert_float_equal(h->cpu_share, cpu / (span * 4), 1e-12);
	assert_float_equal(h->percent, 0.03, 1e-12);
	assert_float_equal(h->assist_share, 0.25, 1e-12);
	/* The stops: 0.1 three times, 0.2 twice, 40 once. */
	assert_float_equal(h->pause_p50, 0.15e6, 1);
	assert_float_equal(h->pause_max, 40e6, 1);
	assert_float_equal(h->pause_p99, 0.2e6 + 0.95 * 39.8e6, 1);
	assert_float_equal(h->mark_p50, 2e6, 1);
	assert_float_equal(h->mark_max, 3e6, 1);
	assert_float_equal(h->mark_growth, 2, 1e-9);
	assert_float_equal(h->live_first, 16 * MB, 1);
	assert_float_equal(h->live_last, 20 * MB, 1);
	assert_float_equal(h->live_max, 24 * MB, 1);
	/* Slopes between the pairs: 8, 2 and -4 MiB a second; the median is 2. */
	assert_float_equal(h->live_growth, 2.0 * MB * 3600, 1);
	assert_float_equal(h->live_goal_p50, 0.5, 1e-12);
	assert_float_equal(h->goal_last, 48 * MB, 1);
	assert_float_equal(h->peak_max, 48 * MB, 1);
	assert_int_equal(h->procs, 4);
	assert_false(h->enough);
	/* Three cycles tell nothing but that one stop was long. */
	assert_int_equal(h->n_anomalies, 1);
	assert_int_equal(h->anomalies[0].kind, GCHEALTH_PAUSE);
	assert_float_equal(h->anomalies[0].measured, 40e6, 1);
	assert_float_equal(h->anomalies[0].threshold, 10e6, 1);
	assert_int_equal(h->anomalies[0].n_evidence, 3);
	assert_int_equal(h->anomalies[0].evidence[2].number, 5);
	assert_int_equal(h->anomalies[0].evidence[2].line, 4);
	gchealth_free(&list);
	gctrace_log_free(&log);
}

static void printed(void **state)
{
	static const char expected[] =
		"gc.log: gc 3 to 5, 3 cycles in 2.04s, 1 a second, 1 forced\n"
		"  CPU      0.1% of the CPU time available (the runtime's own figure since its "
		"start: "
		"3.0%), assists 25% of the marking\n"
		"  stops    half below 150us, 99% below 38ms, the longest 40ms, all 40.7ms\n"
		"  marking  half below 2ms, the longest 3ms\n";
	struct gchealth_options options = gchealth_defaults();
	struct gchealth_list list = {0};
	struct gctrace_log log;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	gctrace_log_parse(by_hand, strlen(by_hand), &log);
	gchealth_add_log(&list, "gc.log", &log, &options);
	gchealth_print(&list, out);
	fclose(out);
	assert_memory_equal(text, expected, strlen(expected));
	assert_non_null(strstr(text, "  live     from 16.0 MiB to 20.0 MiB, at most 24.0 MiB\n"));
	assert_non_null(strstr(text, "  ! GC pauses: the longest stop takes 40ms (limit 10ms)"));
	assert_non_null(strstr(text, "gc 5 (line 4)\n    Stops as long as this are waiting, not "
				     "work: for goroutines that cannot be "));
	gchealth_free(&list);
	gctrace_log_free(&log);
	free(text);
}

/* ---- Provoked -------------------------------------------------------------------------- */

/* A program that is well: 100 cycles, one a second, a heap of 64 MiB about its mean. */
static void healthy(struct random *r, struct gctrace_entry *lines, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double live = 64 * random_between(r, 0.9, 1.1);
		uint64_t mark = (uint64_t)random_between(r, 2e6, 4e6);

		lines[i] = (struct gctrace_entry){
			.number = i + 1,
			.time = (i + 1) * SEC + (uint64_t)random_between(r, 0, 3e8),
			.percent = 1,
			.clock = {(uint64_t)random_between(r, 1e4, 1e5), mark,
				  (uint64_t)random_between(r, 1e4, 1e5)},
			.cpu = {200000, (uint64_t)random_between(r, 0, 3e5), mark, mark / 2,
				200000},
			.heap_start = 120 * MB,
			.heap_peak = 124 * MB,
			.heap_live = (uint64_t)live * MB,
			.goal = 130 * MB,
			.has_stacks = true,
			.stacks = 1 * MB,
			.procs = 4,
		};
	}
}

static void judge_lines(const struct gctrace_entry *lines, size_t n, struct gchealth_list *list)
{
	struct gchealth_options options = gchealth_defaults();
	struct gctrace_log log = {0};
	char *text = xcalloc(n + 1, 400);
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		gctext_print(&lines[i], text + len, 399);
		len += strlen(text + len);
		text[len++] = '\n';
	}
	gctrace_log_parse(text, len, &log);
	assert_int_equal(log.n_entries, n);
	gchealth_add_log(list, "gc.log", &log, &options);
	gctrace_log_free(&log);
	free(text);
}

static void well(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct random r = {seed};
		struct gctrace_entry lines[200];
		struct gchealth_list list = {0};
		size_t n = 10 + random_u64(&r) % 190;

		healthy(&r, lines, n);
		judge_lines(lines, n, &list);
		assert_int_equal(list.n, 1);
		for (size_t i = 0; i < list.items[0].n_anomalies; i++)
			print_error("seed %d: %s: %s\n", (int)seed,
				    gchealth_kind_name(list.items[0].anomalies[i].kind),
				    list.items[0].anomalies[i].text);
		assert_int_equal(list.items[0].n_anomalies, 0);
		gchealth_free(&list);
	}
}

/* Makes the lines ill in one way. */
static void spoil(struct gctrace_entry *lines, size_t n, enum gchealth_kind kind)
{
	for (size_t i = 0; i < n; i++) {
		struct gctrace_entry *e = &lines[i];

		switch (kind) {
		case GCHEALTH_CPU_SHARE:
			e->cpu[GCTRACE_CPU_BACKGROUND] = 600 * MS;
			break;
		case GCHEALTH_RATE:
			e->time /= 40;
			e->cpu[GCTRACE_CPU_BACKGROUND] /= 10;
			e->cpu[GCTRACE_CPU_ASSIST] /= 10;
			break;
		case GCHEALTH_PAUSE:
			if (i == 70)
				e->clock[GCTRACE_SWEEP_TERM] = 25 * MS;
			break;
		case GCHEALTH_ASSIST:
			e->cpu[GCTRACE_CPU_ASSIST] = e->cpu[GCTRACE_CPU_BACKGROUND] / 2;
			break;
		case GCHEALTH_MARK_TREND:
			e->clock[GCTRACE_MARK] += i * MS / 20;
			break;
		case GCHEALTH_LIVE_GOAL:
			if (i % 3 == 0)
				e->goal = e->heap_live + 8 * MB;
			e->heap_peak = e->goal;
			break;
		case GCHEALTH_FORCED:
			e->forced = i % 4 == 0;
			break;
		case GCHEALTH_LIVE_TREND:
			e->heap_live += i * MB;
			e->heap_start += 2 * i * MB;
			e->heap_peak += 2 * i * MB;
			e->goal += 2 * i * MB;
			break;
		case GCHEALTH_FLAT_GOAL:
			e->heap_live += i * MB / 3;
			break;
		case GCHEALTH_OVERSHOOT:
			if (i % 5 == 0)
				e->heap_peak = e->goal * 13 / 10;
			break;
		default:
			e->stacks = 70 * MB;
		}
	}
}

static void provoked(void **state)
{
	(void)state;
	for (int kind = 0; kind < GCHEALTH_KINDS; kind++) {
		for (uint64_t seed = 1; seed <= 5; seed++) {
			struct random r = {seed};
			struct gctrace_entry lines[100];
			struct gchealth_list list = {0};
			const struct gchealth_anomaly *found = NULL;

			healthy(&r, lines, 100);
			spoil(lines, 100, (enum gchealth_kind)kind);
			judge_lines(lines, 100, &list);
			for (size_t i = 0; i < list.items[0].n_anomalies; i++) {
				const struct gchealth_anomaly *a = &list.items[0].anomalies[i];

				if (a->kind == (enum gchealth_kind)kind)
					found = a;
				/* Growth under a flat goal is growth too. */
				else if (kind != GCHEALTH_FLAT_GOAL ||
					 a->kind != GCHEALTH_LIVE_TREND)
					fail_msg("%s brings %s: %s",
						 gchealth_kind_name((enum gchealth_kind)kind),
						 gchealth_kind_name(a->kind), a->text);
			}
			if (!found)
				fail_msg("%s is not seen",
					 gchealth_kind_name((enum gchealth_kind)kind));
			assert_true(found->measured >= found->threshold);
			assert_true(found->n_evidence >= 1);
			for (size_t i = 0; i < found->n_evidence; i++)
				assert_int_equal(found->evidence[i].line,
						 found->evidence[i].number);
			assert_non_null(found->meaning);
			if (kind == GCHEALTH_PAUSE)
				assert_int_equal(found->evidence[found->n_evidence - 1].number > 0,
						 1);
			gchealth_free(&list);
		}
	}
}

/* What is measured of a provoked anomaly is what was put in. */
static void measured(void **state)
{
	struct random r = {3};
	struct gctrace_entry lines[100];
	struct gchealth_list list = {0};
	const struct gchealth *h;
	bool shown = false;

	(void)state;
	healthy(&r, lines, 100);
	spoil(lines, 100, GCHEALTH_PAUSE);
	judge_lines(lines, 100, &list);
	h = &list.items[0];
	assert_float_equal(h->anomalies[0].measured, 25e6, 1);
	for (size_t i = 0; i < h->anomalies[0].n_evidence; i++)
		shown = shown || h->anomalies[0].evidence[i].number == 71;
	assert_true(shown);
	gchealth_free(&list);

	healthy(&r, lines, 100);
	spoil(lines, 100, GCHEALTH_LIVE_TREND);
	judge_lines(lines, 100, &list);
	h = &list.items[0];
	/* One MiB a cycle, which is a second. */
	assert_in_range((uint64_t)h->live_growth_low, 3000 * MB, 3600 * MB);
	assert_in_range((uint64_t)h->live_growth_high, 3600 * MB, 4200 * MB);
	assert_int_equal(h->anomalies[0].kind, GCHEALTH_LIVE_TREND);
	assert_int_equal(h->anomalies[0].evidence[0].number, 1);
	assert_int_equal(h->anomalies[0].evidence[1].number, 100);
	gchealth_free(&list);
}

/* A program that slept for two minutes. */
static void idle(void **state)
{
	struct gchealth_options options = gchealth_defaults();
	struct gchealth_list list = {0};
	struct gctrace_log log;

	(void)state;
	assert_null(gctrace_log_read("tests/data/gctrace/periodic1.19.log", &log));
	assert_int_equal(log.counts[GCTRACE_GC_FORCED], 1);
	gchealth_add_log(&list, "gc.log", &log, &options);
	assert_int_equal(list.n, 1);
	assert_int_equal(list.items[0].cycles, 2);
	assert_int_equal(list.items[0].forced, 1);
	assert_int_equal(list.items[0].periodic, 1);
	assert_int_equal(list.items[0].n_anomalies, 0);
	assert_float_equal(list.items[0].span, 120.002e9, 1e6);
	gchealth_free(&list);
	gctrace_log_free(&log);
}

static void several_lives(void **state)
{
	struct random r = {1};
	struct gctrace_entry lines[60];
	struct gchealth_list list = {0};

	(void)state;
	healthy(&r, lines, 40);
	healthy(&r, lines + 40, 20);
	judge_lines(lines, 60, &list);
	assert_int_equal(list.n, 2);
	assert_int_equal(list.items[0].cycles, 40);
	assert_int_equal(list.items[1].cycles, 20);
	assert_string_equal(list.items[1].source, "gc.log, from line 41");
	gchealth_free(&list);
}

static void from_trace(void **state)
{
	struct gchealth_options options = gchealth_defaults();
	struct gchealth_list list = {0};
	struct process processes[2] = {{.pid = 41}, {.pid = 42}};
	struct gc_cycle cycles[40];
	struct model model = {
		.processes = processes, .n_processes = 2, .cycles = cycles, .n_cycles = 40};
	const struct gchealth *h;

	(void)state;
	for (size_t i = 0; i < 40; i++) {
		uint64_t start = 5000 * SEC + i * SEC;

		cycles[i] = (struct gc_cycle){.process = i % 2,
					      .number = i / 2 + 1,
					      .start = start,
					      .mark = start + 50000,
					      .mark_term = start + 3 * MS,
					      .end = start + 3 * MS + 70000,
					      .heap0 = 50 * MB,
					      .heap1 = 60 * MB,
					      .heap2 = (30 + (i % 2 ? i : 0)) * MB,
					      .goal = (60 + 2 * (i % 2 ? i : 0)) * MB,
					      .procs = 2};
	}
	/* The first process has no times of the runtime's own. */
	for (size_t i = 0; i < 40; i += 2)
		cycles[i].mark = 0;
	gchealth_add_trace(&list, &model, &options);
	assert_int_equal(list.n, 2);
	h = &list.items[0];
	assert_string_equal(h->source, "process 41");
	assert_true(h->pause_max < 0 && h->cpu_share < 0);
	assert_float_equal(h->rate, 0.5, 1e-9);
	assert_int_equal(h->n_anomalies, 0);
	h = &list.items[1];
	assert_int_equal(h->process, 1);
	assert_float_equal(h->pause_max, 70000, 1);
	assert_float_equal(h->mark_p50, 2.95e6, 1);
	assert_float_equal(h->live_growth, 3600.0 * MB, MB);
	assert_int_equal(h->n_anomalies, 1);
	assert_int_equal(h->anomalies[0].kind, GCHEALTH_LIVE_TREND);
	assert_int_equal(h->anomalies[0].evidence[0].line, 0);
	gchealth_free(&list);
}

/* ---- Thresholds ------------------------------------------------------------------------ */

static void thresholds(void **state)
{
	static const char *const bad[] = {
		"",	    "pause",	    "pause=",		"pause=fast",
		"paus=1ms", "pause-p9=1ms", "assist=-1",	"assist=nan",
		"rate=5%",  "rate=1e99",    "stacks-bytes=1.5G"};
	struct gchealth_options options = gchealth_defaults();
	struct gchealth_list list = {0};
	struct gctrace_log log;

	(void)state;
	assert_null(gchealth_set_threshold(&options, "pause=50ms"));
	assert_null(gchealth_set_threshold(&options, "pause-p99=200us"));
	assert_null(gchealth_set_threshold(&options, "assist=10%"));
	assert_null(gchealth_set_threshold(&options, "overshoot=1.25"));
	assert_null(gchealth_set_threshold(&options, "rate=2.5"));
	assert_null(gchealth_set_threshold(&options, "stacks-bytes=1G"));
	assert_float_equal(options.pause, 50e6, 0);
	assert_float_equal(options.pause_p99, 200e3, 0);
	assert_float_equal(options.assist_share, 0.1, 1e-12);
	assert_float_equal(options.overshoot, 1.25, 0);
	assert_float_equal(options.rate, 2.5, 0);
	assert_float_equal(options.stacks_bytes, 1073741824, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error *err = gchealth_set_threshold(&options, bad[i]);

		assert_non_null(err);
		error_free(err);
	}
	/* The long stop that is one by default is none any more. */
	gctrace_log_parse(by_hand, strlen(by_hand), &log);
	gchealth_add_log(&list, "gc.log", &log, &options);
	assert_int_equal(list.items[0].n_anomalies, 0);
	gchealth_free(&list);
	gctrace_log_free(&log);
}

/* GOGC=off: the runtime prints the largest goal there is, and there is none. */
static void no_goal(void **state)
{
	static const char text[] =
		"gc 1 @1.000s 2%: 0.10+1.0+0.20 ms clock, 0.40+0.50/1.5/3.0+0.80 ms cpu, "
		"30->31->16 MB, 32 MB goal, 4 P\n"
		"gc 2 @2.000s 2%: 0.10+2.0+0.20 ms clock, 0.40+0.50/1.5/3.0+0.80 ms cpu, "
		"31->32->24 MB, 8796093022207 MB goal, 4 P (forced)\n";
	struct gchealth_options options = gchealth_defaults();
	struct gchealth_list list = {0};
	struct gctrace_log log;
	char *printed_text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&printed_text, &len);

	(void)state;
	gctrace_log_parse(text, strlen(text), &log);
	assert_int_equal(log.n_entries, 2);
	gchealth_add_log(&list, "gc.log", &log, &options);
	gchealth_print(&list, out);
	fclose(out);
	assert_float_equal(list.items[0].goal_last, 0, 0);
	assert_non_null(strstr(printed_text, "peak 32.0 MiB, no goal at the end\n"));
	assert_null(strstr(printed_text, "EiB"));
	gchealth_free(&list);
	gctrace_log_free(&log);
	free(printed_text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures),    cmocka_unit_test(thresholds),
		cmocka_unit_test(no_goal),    cmocka_unit_test(printed),
		cmocka_unit_test(well),	      cmocka_unit_test(provoked),
		cmocka_unit_test(measured),   cmocka_unit_test(several_lives),
		cmocka_unit_test(from_trace), cmocka_unit_test(idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
