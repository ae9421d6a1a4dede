/* Execution traces of simulated processes beside the GC cycles that a trace has of them. */
#include "analyze/gotrace.h"

#include "analyze/clocks.h"
#include "formats/xalloc.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define US   1000ull
#define MS   1000000ull
#define SEC  1000000000ull
#define WALL (1795000000 * SEC)

enum { CYCLES = 60 };

static uint32_t add_process(struct model *model, uint64_t seed, uint64_t start)
{
	struct random r = {seed};
	uint32_t process = (uint32_t)model->n_processes;
	uint64_t now = start;

	xgrow(model->processes, model->cap_processes, model->n_processes + 1);
	model->processes[model->n_processes++] =
		(struct process){.pid = 100 + process, .go_version = xstrdup("go1.27.3")};
	for (uint64_t i = 0; i < CYCLES; i++) {
		struct gc_cycle *c;

		now += (uint64_t)random_between(&r, 5e6, 3e7);
		xgrow(model->cycles, model->cap_cycles, model->n_cycles + 1);
		c = &model->cycles[model->n_cycles++];
		*c = (struct gc_cycle){.process = process, .number = i + 1, .start = now};
		c->mark = c->start + (uint64_t)random_between(&r, 1e4, 1e5);
		c->mark_term = c->mark + (uint64_t)random_between(&r, 2e5, 2e6);
		c->end = c->mark_term + (uint64_t)random_between(&r, 1e4, 2e5);
		now = c->end;
	}
	return process;
}

/* What the execution trace of the process holds of its cycles, by a clock that is ahead. */
static struct gotrace *trace_of(const struct model *model, uint32_t process, int64_t ahead)
{
	struct gotrace *t = xcalloc(1, sizeof(*t));
	struct random r = {process + 5};

	*t = (struct gotrace){.version = 23, .frequency = GOTRACE_NANOTIME_TICKS, .events = 1};
	for (size_t i = 0; i < model->n_cycles; i++) {
		const struct gc_cycle *c = &model->cycles[i];
		struct gotrace_gc gc;

		if (c->process != process)
			continue;
		gc = (struct gotrace_gc){
			.begin = c->start - (uint64_t)random_between(&r, 300, 5e4),
			.end = c->mark_term + (uint64_t)((double)(c->end - c->mark_term) *
							 random_between(&r, 0.5, 0.99)),
			.first = {c->start + (uint64_t)random_between(&r, 150, 900), c->mark + 200,
				  GOTRACE_STOP_SWEEP_TERM},
		};
		gc.begin = (gc.begin + (uint64_t)ahead) / 64 * 64;
		gc.end = (gc.end + (uint64_t)ahead) / 64 * 64;
		gc.first.begin = (gc.first.begin + (uint64_t)ahead) / 64 * 64;
		xgrow(t->gcs, t->cap_gcs, t->n_gcs + 1);
		t->gcs[t->n_gcs++] = gc;
	}
	t->first = t->gcs[0].begin;
	t->last = t->gcs[t->n_gcs - 1].end;
	return t;
}

static void add_reading(struct gotrace *t, uint64_t time, uint64_t monotonic, uint64_t wall)
{
	xgrow(t->clocks, t->cap_clocks, t->n_clocks + 1);
	t->clocks[t->n_clocks++] = (struct gotrace_clock){time, monotonic, wall};
}

static const struct execution *add(struct model *model, struct gotrace *content)
{
	gotrace_add(model, "run.trace", content);
	return &model->executions[model->n_executions - 1];
}

static void expect_problem(const struct execution *e, bool placed, const char *part)
{
	if (e->placed != placed || !e->problem || !strstr(e->problem, part))
		fail_msg("placed %d, problem %s", e->placed, e->problem ? e->problem : "-");
}

static void same_clock(void **state)
{
	struct model model;

	(void)state;
	model_init(&model);
	add_process(&model, 1, 1000 * SEC);
	add_process(&model, 2, 1000 * SEC);
	for (uint32_t p = 0; p < 2; p++) {
		const struct execution *e = add(&model, trace_of(&model, p, 0));

		assert_true(e->placed);
		assert_null(e->problem);
		assert_int_equal(e->process, p);
		assert_int_equal(e->matched, CYCLES);
		assert_int_equal(e->compared, CYCLES);
		assert_int_equal(e->shift, 0);
		assert_true(e->bounded && e->low <= 0 && e->high >= 0);
		assert_true(e->low > -(int64_t)(20 * US) && e->high < (int64_t)US);
		assert_int_equal(gotrace_time(e, e->content->gcs[0].end), e->content->gcs[0].end);
	}
	model_free(&model);
}

/* A clock that is off is found out, by as much as the cycles tell. */
static void another_clock(void **state)
{
	static const int64_t ahead[] = {-300 * (int64_t)US, -10 * (int64_t)US, 100 * US, 700 * US};

	(void)state;
	for (size_t i = 0; i < sizeof(ahead) / sizeof(ahead[0]); i++) {
		const struct execution *e;
		struct model model;

		model_init(&model);
		add_process(&model, 1, 1000 * SEC);
		e = add(&model, trace_of(&model, 0, ahead[i]));
		expect_problem(e, true, "its clock is off by");
		assert_true(e->low <= ahead[i] && e->high >= ahead[i]);
		model_free(&model);
	}
}

static void strangers(void **state)
{
	const struct execution *e;
	struct model model, other;
	struct gotrace *t;

	(void)state;
	model_init(&model);
	model_init(&other);
	add_process(&model, 1, 1000 * SEC);
	add_process(&other, 2, 1000 * SEC);
	add_process(&other, 3, 2000 * SEC);
	/* At the same time, another program. */
	expect_problem(add(&model, trace_of(&other, 0, 0)), false, "not those of a process");
	/* At another time nothing speaks against it. */
	e = add(&model, trace_of(&other, 1, 0));
	expect_problem(e, true, "no GC cycle is in both");
	assert_int_equal(e->process, 0);
	/* Its own wall clock does: another boot. */
	t = trace_of(&other, 1, 0);
	add_reading(t, t->first, t->first, WALL + t->first + 5000 * SEC);
	clocks_add(&model, &(struct clock_pair){1000 * SEC, WALL + 1000 * SEC, 0});
	expect_problem(add(&model, t), false, "another machine or boot");
	/* Half of its cycles are missing in the trace. */
	for (size_t i = 1; i < CYCLES; i += 5)
		model.cycles[i].start = 0;
	e = add(&model, trace_of(&model, 0, 0));
	assert_int_equal(e->matched, CYCLES - CYCLES / 5);
	model_free(&model);
	model_free(&other);
}

static void cpu_ticks(void **state)
{
	const struct execution *e;
	struct model model;
	struct gotrace *t;

	(void)state;
	model_init(&model);
	add_process(&model, 1, 1000 * SEC);
	t = trace_of(&model, 0, 0);
	t->frequency = 11718750;
	expect_problem(add(&model, t), false, "not runtime.nanotime");
	/* Readings of the clocks relate it, wherever it begins. */
	t = trace_of(&model, 0, -900 * (int64_t)SEC);
	t->frequency = 11718750;
	add_reading(t, 99 * SEC, 999 * SEC + 300, WALL + 999 * SEC);
	add_reading(t, 101 * SEC, 1001 * SEC - 300, WALL + 1001 * SEC);
	e = add(&model, t);
	assert_true(e->placed);
	assert_int_equal(e->matched, CYCLES);
	assert_int_equal(e->shift, 900 * SEC + 300);
	assert_non_null(strstr(e->note, "2 readings of the clocks in it agree to 0.600 us"));
	model_free(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_clock),
		cmocka_unit_test(another_clock),
		cmocka_unit_test(strangers),
		cmocka_unit_test(cpu_ticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
