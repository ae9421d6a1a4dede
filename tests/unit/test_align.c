/*
 * Logs of simulated processes against traces of them: whole, with lines lost, doubled and
 * misnumbered, of several processes in turns and after each other, and of others altogether. The
 * truth is known, so every offset must lie within its bound.
 */
#include "analyze/align.h"

#include "formats/bytes.h"
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
#define SEEDS 20

/* A process as it really ran. */
struct sim {
	uint64_t init; /* runtimeInitTime */
	struct gc_cycle *cycles;
	struct gctrace_entry *lines; /* untruncated */
	size_t n;
};

/* How a process spends its life. */
struct style {
	double period; /* ns between cycles, mean */
	double jitter; /* share of the period that varies */
	double heap;   /* bytes */
};

static struct sim simulate(struct random *r, uint64_t init, size_t n, struct style style)
{
	struct sim sim = {.init = init, .n = n};
	uint64_t now = init + (uint64_t)random_between(r, 1e6, 4e6);
	double heap = style.heap;

	sim.cycles = xcalloc(n, sizeof(sim.cycles[0]));
	sim.lines = xcalloc(n, sizeof(sim.lines[0]));
	for (size_t i = 0; i < n; i++) {
		struct gc_cycle *c = &sim.cycles[i];
		struct gctrace_entry *e = &sim.lines[i];
		uint64_t a = (uint64_t)random_between(r, 5e3, 2e5);
		uint64_t b = (uint64_t)random_between(r, 5e4, style.period / 3);
		uint64_t t = (uint64_t)random_between(r, 1e3, 1e5);

		heap *= random_between(r, 0.93, 1.08);
		*c = (struct gc_cycle){.number = i + 1,
				       .start = now,
				       .mark = now + a,
				       .mark_term = now + a + b,
				       .end = now + a + b + t,
				       .heap0 = (uint64_t)(heap * 1.7),
				       .heap1 = (uint64_t)(heap * 1.8),
				       .heap2 = (uint64_t)heap,
				       .goal = (uint64_t)(heap * 2),
				       .forced = random_u64(r) % 10 == 0,
				       .procs = 4};
		*e = (struct gctrace_entry){.number = i + 1,
					    .time = now - init,
					    .percent = 3,
					    .clock = {a, b, t},
					    .cpu = {2 * a, b / 9, b / 2, b / 7, 2 * t},
					    .heap_start = c->heap0,
					    .heap_peak = c->heap1,
					    .heap_live = c->heap2,
					    .goal = c->goal,
					    .has_stacks = true,
					    .procs = 4,
					    .forced = c->forced};
		now = c->end + (uint64_t)(style.period * (1 + style.jitter *
								      random_between(r, -1, 1)));
	}
	return sim;
}

/* A process that does nearly the same at nearly the same times. */
static struct sim twin(struct random *r, const struct sim *of, uint64_t init)
{
	struct sim sim = {.init = init, .n = of->n};

	sim.cycles = xcalloc(sim.n, sizeof(sim.cycles[0]));
	sim.lines = xcalloc(sim.n, sizeof(sim.lines[0]));
	for (size_t i = 0; i < sim.n; i++) {
		struct gc_cycle *c = &sim.cycles[i];
		struct gctrace_entry *e = &sim.lines[i];

		*c = of->cycles[i];
		*e = of->lines[i];
		for (int j = 0; j < GCTRACE_CLOCKS; j++)
			e->clock[j] = (uint64_t)((double)e->clock[j] * random_between(r, 0.8, 1.2));
		for (int j = 0; j < GCTRACE_CPUS; j++)
			e->cpu[j] = (uint64_t)((double)e->cpu[j] * random_between(r, 0.8, 1.2));
		e->time += (uint64_t)random_between(r, 0, 8e5);
		c->start = init + e->time;
		c->mark = c->start + e->clock[0];
		c->mark_term = c->mark + e->clock[1];
		c->end = c->mark_term + e->clock[2];
	}
	return sim;
}

static void sim_free(struct sim *sim)
{
	free(sim->cycles);
	free(sim->lines);
}

/* What the probes could read. */
enum probes {
	PROBES_EXACT,	   /* the runtime's own times */
	PROBES_EVENTS,	   /* only when the breakpoints were hit */
	PROBES_NO_NUMBERS, /* exact, but for the number */
	PROBES_TIMES,	   /* exact times and no sizes */
	PROBES_KINDS,
};

static void probe(struct random *r, struct gc_cycle *c, enum probes kind)
{
	if (kind == PROBES_NO_NUMBERS)
		c->number = 0;
	if (kind == PROBES_TIMES)
		c->heap0 = c->heap1 = c->heap2 = c->procs = 0;
	if (kind != PROBES_EVENTS)
		return;
	c->start += (uint64_t)((double)(c->mark - c->start) * random_uniform(r));
	c->mark_term += (uint64_t)((double)(c->end - c->mark_term) * random_uniform(r));
	c->end += (uint64_t)random_exponential(r, 5e4);
	c->mark = 0;
	c->heap2 = 0;
	c->procs = 0;
	c->heap0 += (uint64_t)random_between(r, 0, 1 << 19);
}

/* A trace that holds cycles first..last of the process. */
static uint32_t trace_add(struct model *model, struct random *r, const struct sim *sim,
			  size_t first, size_t last, enum probes kind)
{
	uint32_t process = (uint32_t)model->n_processes;

	xgrow(model->processes, model->cap_processes, model->n_processes + 1);
	model->processes[model->n_processes++] = (struct process){
		.pid = 1000 + process,
		.go_version = xstrdup("go1.27.3"),
		.start = sim->init - (uint64_t)random_between(r, 1e6, 2e7),
		.attached = first > 0,
	};
	for (size_t i = first; i <= last && i < sim->n; i++) {
		xgrow(model->cycles, model->cap_cycles, model->n_cycles + 1);
		model->cycles[model->n_cycles] = sim->cycles[i];
		model->cycles[model->n_cycles].process = process;
		probe(r, &model->cycles[model->n_cycles++], kind);
	}
	return process;
}

/* The log as text, and which process and cycle each of its lines really is. */
struct sim_log {
	struct buffer text;
	struct line_truth {
		int process; /* -1: none of the trace */
		uint64_t time;
		bool renumbered;
	} truth[4096];
	size_t n;
};

static void log_add(struct sim_log *log, const struct sim *sim, size_t i, int process, int64_t shift)
{
	struct gctrace_entry entry = sim->lines[i];
	char line[700];

	entry.number += (uint64_t)shift;
	gctext_print(&entry, line, sizeof(line));
	buffer_append(&log->text, line, strlen(line));
	buffer_u8(&log->text, '\n');
	assert_true(log->n < 4096);
	log->truth[log->n++] =
		(struct line_truth){process, sim->cycles[i].start, shift != 0};
}

static void align_log(struct model *model, struct sim_log *log)
{
	struct gctrace_log parsed;

	gctrace_log_parse(log->text.data, log->text.len, &parsed);
	assert_int_equal(parsed.n_entries, log->n);
	align_gctrace_log(model, "gc.log", &parsed);
	gctrace_log_free(&parsed);
	buffer_free(&log->text);
}

static void print_alignments(const struct model *model)
{
	for (size_t i = 0; i < model->n_alignments; i++) {
		const struct gctrace_alignment *a = &model->alignments[i];

		print_message("process %d gc %d-%d lines %zu matched %zu unmatched %zu aligned %d "
			      "offset %lld bound %llu method %s problem %s note %s\n",
			      (int)a->process, (int)a->first_gc, (int)a->last_gc, a->lines,
			      a->matched, a->unmatched, a->aligned, (long long)a->offset,
			      (unsigned long long)a->bound, a->method ? a->method : "-",
			      a->problem ? a->problem : "-", a->note ? a->note : "-");
	}
}

struct outcome {
	size_t aligned, matched, wrong, placed, misplaced;
	uint64_t bound; /* the widest */
	int64_t off;	/* by how much an offset is out of its bound, if one is */
};

/* Compares with the truth: sims[p] is the process p of the trace. */
static struct outcome check(const struct model *model, const struct sim_log *log,
			    const struct sim *const *sims)
{
	struct outcome outcome = {0};

	for (size_t i = 0; i < model->n_alignments; i++) {
		const struct gctrace_alignment *a = &model->alignments[i];
		int64_t off;

		assert_true(a->aligned || a->problem);
		if (!a->aligned)
			continue;
		assert_true(a->process < model->n_processes);
		off = a->offset - (int64_t)sims[a->process]->init;
		if ((uint64_t)(off < 0 ? -off : off) > a->bound) {
			outcome.off = off;
		}
		outcome.aligned++;
		outcome.bound = a->bound > outcome.bound ? a->bound : outcome.bound;
	}
	for (size_t i = 0; i < model->n_gctrace; i++) {
		const struct gctrace_point *point = &model->gctrace[i];
		const struct gctrace_alignment *a = &model->alignments[point->alignment];
		const struct line_truth *truth = &log->truth[point->line - 1];
		int64_t off = (int64_t)(point->time - truth->time);

		outcome.matched += point->matched;
		outcome.wrong += point->matched && (truth->process != (int)a->process);
		if (!point->time)
			continue;
		outcome.placed++;
		outcome.misplaced += truth->process != (int)a->process ||
				     (uint64_t)(off < 0 ? -off : off) > a->bound + MS / 2 + 1;
	}
	return outcome;
}

static const struct style styles[] = {
	{.period = 2e6, .jitter = 0.8, .heap = 6e6},  {.period = 3e7, .jitter = 0.9, .heap = 8e7},
	{.period = 1e8, .jitter = 0.02, .heap = 4e8}, {.period = 5e9, .jitter = 0.5, .heap = 3e7},
	{.period = 1e9, .jitter = 0.9, .heap = 2e9},  {.period = 8e5, .jitter = 0.5, .heap = 5e6},
};
#define STYLES (sizeof(styles) / sizeof(styles[0]))

static uint64_t random_init(struct random *r)
{
	return (uint64_t)random_between(r, 1e9, 1e15);
}

/* A clean log of a process recorded from its birth. */
static void clean(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 24; seed++) {
		struct random r = {seed};
		struct sim sim = simulate(&r, random_init(&r), 200, styles[seed % STYLES]);
		const struct sim *sims[] = {&sim};
		enum probes kind = (enum probes)(seed / STYLES % PROBES_KINDS);
		struct sim_log *log = xcalloc(1, sizeof(*log));
		struct model model;
		struct outcome outcome;

		model_init(&model);
		trace_add(&model, &r, &sim, 0, 199, kind);
		for (size_t i = 0; i < sim.n; i++)
			log_add(log, &sim, i, 0, 0);
		align_log(&model, log);
		outcome = check(&model, log, sims);
		assert_int_equal(model.n_alignments, 1);
		assert_int_equal(outcome.aligned, 1);
		assert_int_equal(outcome.matched, 200);
		assert_int_equal(outcome.wrong, 0);
		assert_int_equal(outcome.misplaced, 0);
		assert_int_equal(model.n_gctrace, 200);
		assert_string_equal(model.alignments[0].method, "GC events");
		assert_null(model.alignments[0].problem);
		assert_int_equal(model.alignments[0].unmatched, 0);
		assert_true(outcome.bound <= (kind == PROBES_EVENTS ? 100000 : 30000));
		model_free(&model);
		sim_free(&sim);
		free(log);
	}
}


/* What may happen to a log, at random. */
struct damage {
	double dropped, doubled, renumbered;
};

static void log_process(struct sim_log *log, struct random *r, const struct sim *sim, size_t first,
			size_t last, int process, struct damage damage)
{
	for (size_t i = first; i <= last && i < sim->n; i++) {
		int64_t shift = 0;

		if (random_uniform(r) < damage.dropped)
			continue;
		if (random_uniform(r) < damage.renumbered)
			shift = (int64_t)random_between(r, 1, 6) *
				(i > 6 && random_u64(r) % 2 ? -1 : 1);
		log_add(log, sim, i, process, shift);
		if (random_uniform(r) < damage.doubled)
			log_add(log, sim, i, process, shift);
	}
}

/* Several processes write in turns, as their cycles end. */
static void log_in_turns(struct sim_log *log, struct random *r, const struct sim *sims,
			 const int *processes, size_t n, struct damage damage)
{
	size_t next[4] = {0};

	for (;;) {
		size_t best = n;

		for (size_t p = 0; p < n; p++)
			if (next[p] < sims[p].n &&
			    (best == n || sims[p].cycles[next[p]].end <
						  sims[best].cycles[next[best]].end))
				best = p;
		if (best == n)
			return;
		log_process(log, r, &sims[best], next[best], next[best], processes[best], damage);
		next[best]++;
	}
}

static struct damage random_damage(struct random *r)
{
	double hardness = random_uniform(r) * 0.3;

	return (struct damage){.dropped = hardness * random_uniform(r),
			       .doubled = hardness * random_uniform(r),
			       .renumbered = hardness * random_uniform(r)};
}

enum scenario {
	ONE_DAMAGED,	/* lines lost, doubled, misnumbered */
	LOG_LONGER,	/* the trace covers the middle of the log */
	LOG_SHORTER,	/* the log covers the middle of the trace */
	TWO_IN_TURNS,	/* both are in the trace */
	STRANGER_TURNS, /* one of them is */
	RESTARTED,	/* two lives, both in the trace */
	RESTARTED_ONE,	/* two lives, of which the trace has the second */
	TWINS_IN_TURNS, /* two that were started at once and do the same */
	SHIFTED,	/* all numbers are wrong by one */
	STRANGER,	/* a log of another program alone */
	SCENARIOS,
};

static bool run_scenario(enum scenario scenario, uint64_t seed)
{
	struct random r = {seed * 1000 + scenario};
	enum probes kind = (enum probes)(random_u64(&r) % PROBES_KINDS);
	struct style style = styles[random_u64(&r) % STYLES];
	struct style other = styles[random_u64(&r) % STYLES];
	size_t n = 20 + random_u64(&r) % 300;
	uint64_t init = random_init(&r);
	struct sim sims[2] = {simulate(&r, init, n, style)};
	const struct sim *by_process[] = {&sims[0], &sims[1]};
	struct sim_log *log = xcalloc(1, sizeof(*log));
	struct damage damage = random_damage(&r), none = {0};
	int turns[] = {0, scenario == STRANGER_TURNS ? -1 : 1};
	size_t expected = 1, from = n / 4, to = n * 3 / 4;
	struct outcome outcome;
	struct model model;
	bool sure = true, good = true;

	model_init(&model);
	switch (scenario) {
	case ONE_DAMAGED:
		trace_add(&model, &r, &sims[0], 0, n - 1, kind);
		log_process(log, &r, &sims[0], 0, n - 1, 0, damage);
		break;
	case LOG_LONGER:
		trace_add(&model, &r, &sims[0], from, to, kind);
		log_process(log, &r, &sims[0], 0, n - 1, 0, none);
		break;
	case LOG_SHORTER:
		trace_add(&model, &r, &sims[0], 0, n - 1, kind);
		log_process(log, &r, &sims[0], from, to, 0, damage);
		break;
	case TWO_IN_TURNS:
	case STRANGER_TURNS:
		sims[1] = simulate(&r, init + (uint64_t)random_between(&r, 1e6, 3e9), n, other);
		trace_add(&model, &r, &sims[0], 0, n - 1, kind);
		if (scenario == TWO_IN_TURNS)
			trace_add(&model, &r, &sims[1], 0, n - 1, kind);
		log_in_turns(log, &r, sims, turns, 2, none);
		expected = scenario == TWO_IN_TURNS ? 2 : 1;
		break;
	case RESTARTED:
	case RESTARTED_ONE:
		sims[1] = simulate(&r, sims[0].cycles[n - 1].end + 10 * MS, n, style);
		if (scenario == RESTARTED) {
			trace_add(&model, &r, &sims[0], 0, n - 1, kind);
			expected = 2;
		} else {
			by_process[0] = &sims[1];
		}
		trace_add(&model, &r, &sims[1], 0, n - 1, kind);
		log_process(log, &r, &sims[0], 0, n - 1, scenario == RESTARTED ? 0 : -1, none);
		log_process(log, &r, &sims[1], 0, n - 1, scenario == RESTARTED ? 1 : 0, none);
		break;
	case TWINS_IN_TURNS:
		sims[1] = twin(&r, &sims[0], init + (uint64_t)random_between(&r, 1e5, 3e6));
		trace_add(&model, &r, &sims[0], 0, n - 1, kind);
		trace_add(&model, &r, &sims[1], 0, n - 1, kind);
		log_in_turns(log, &r, sims, turns, 2, none);
		expected = 2;
		sure = kind == PROBES_EXACT || kind == PROBES_TIMES;
		break;
	case SHIFTED:
		trace_add(&model, &r, &sims[0], 0, n - 1, kind);
		for (size_t i = 0; i < n; i++)
			log_add(log, &sims[0], i, 0, 1);
		break;
	default:
		sims[1] = simulate(&r, init + (uint64_t)random_between(&r, -1e9, 3e9), n,
				   seed % 2 ? other : style);
		trace_add(&model, &r, &sims[0], 0, n - 1, kind);
		log_process(log, &r, &sims[1], 0, n - 1, -1, none);
		expected = 0;
		break;
	}
	align_log(&model, log);
	outcome = check(&model, log, by_process);
	if ((outcome.aligned != expected && (sure || outcome.aligned > expected)) ||
	    outcome.wrong * 50 > outcome.matched || outcome.misplaced * 50 > outcome.placed ||
	    outcome.off || outcome.bound > MS) {
		print_alignments(&model);
		print_error("scenario %d seed %d probes %d, %zu cycles of %.1f ms: %zu of %zu "
			    "aligned, of %zu matched %zu wrong, of %zu placed %zu wrong, off by "
			    "%lld ns\n",
			    scenario, (int)seed, kind, n, style.period / 1e6, outcome.aligned,
			    expected, outcome.matched, outcome.wrong, outcome.placed,
			    outcome.misplaced, (long long)outcome.off);
		good = false;
	}
	model_free(&model);
	sim_free(&sims[0]);
	sim_free(&sims[1]);
	free(log);
	return good;
}

static void scenarios(void **state)
{
	size_t failed = 0;

	(void)state;
	for (int scenario = 0; scenario < SCENARIOS; scenario++)
		for (uint64_t seed = 1; seed <= SEEDS; seed++)
			failed += !run_scenario((enum scenario)scenario, seed);
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean),
		cmocka_unit_test(scenarios),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
