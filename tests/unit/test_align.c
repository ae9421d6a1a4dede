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

#define MS    1000000ull
#define SEC   1000000000ull
#define SEEDS 50

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
	bool regular;  /* each cycle is like the others: sizes, and phases to some percent */
	bool forced;   /* by a ticker that calls runtime.GC */
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

		if (style.regular) {
			a = (uint64_t)random_between(r, 30e3, 32e3);
			b = (uint64_t)random_between(r, 400e3, 420e3);
			t = (uint64_t)random_between(r, 20e3, 21e3);
		} else {
			heap *= random_between(r, 0.93, 1.08);
		}
		*c = (struct gc_cycle){.number = i + 1,
				       .start = now,
				       .mark = now + a,
				       .mark_term = now + a + b,
				       .end = now + a + b + t,
				       .heap0 = (uint64_t)(heap * 1.7),
				       .heap1 = (uint64_t)(heap * 1.8),
				       .heap2 = (uint64_t)heap,
				       .goal = (uint64_t)(heap * 2),
				       .forced = style.forced || random_u64(r) % 10 == 0,
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
		now = c->end +
		      (uint64_t)(style.period * (1 + style.jitter * random_between(r, -1, 1)));
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

static void log_add(struct sim_log *log, const struct sim *sim, size_t i, int process,
		    int64_t shift)
{
	struct gctrace_entry entry = sim->lines[i];
	char line[700];

	entry.number += (uint64_t)shift;
	gctext_print(&entry, line, sizeof(line));
	buffer_append(&log->text, line, strlen(line));
	buffer_u8(&log->text, '\n');
	assert_true(log->n < 4096);
	log->truth[log->n++] = (struct line_truth){process, sim->cycles[i].start, shift != 0};
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
	for (size_t i = 0; i < model->n_alignments && i < 8; i++) {
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
	size_t trusted; /* aligned, and it is said that they may be another's */
	uint64_t bound; /* the widest */
	int64_t off;	/* by how much an offset is out of its bound, if one is */
};

/* It is said that the lines may be another's. */
static bool is_on_trust(const struct gctrace_alignment *a)
{
	return a->problem &&
	       (strstr(a->problem, "on trust") || strstr(a->problem, "two lines fit"));
}

/* Compares with the truth: sims[p] is the process p of the trace. */
static struct outcome check(const struct model *model, const struct sim_log *log,
			    const struct sim *const *sims)
{
	struct outcome outcome = {0};

	for (size_t i = 0; i < model->n_alignments; i++) {
		const struct gctrace_alignment *a = &model->alignments[i];
		int64_t off;

		assert_true(a->aligned || a->problem);
		outcome.trusted += is_on_trust(a);
		if (!a->aligned || is_on_trust(a))
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

		if (is_on_trust(a))
			continue;
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
	{.period = 2e6, .jitter = 0.8, .heap = 6e6},
	{.period = 3e7, .jitter = 0.9, .heap = 8e7},
	{.period = 1e8, .jitter = 0.02, .heap = 4e8},
	{.period = 5e9, .jitter = 0.5, .heap = 3e7},
	{.period = 1e9, .jitter = 0.9, .heap = 2e9},
	{.period = 8e5, .jitter = 0.5, .heap = 5e6},
	/* A ticker's cycles, and a steady load's: one is like the other. */
	{.period = 1e8, .jitter = 1e-4, .heap = 3e7, .regular = true, .forced = true},
	{.period = 1e9, .jitter = 1e-5, .heap = 3e7, .regular = true, .forced = true},
	{.period = 1.2e11, .jitter = 1e-6, .heap = 4e6, .regular = true, .forced = true},
	{.period = 2e7, .jitter = 1e-2, .heap = 6e7, .regular = true},
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
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct random r = {seed};
		struct style style = styles[seed % STYLES];
		struct sim sim = simulate(&r, random_init(&r), 200, style);
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
		if (style.regular && kind == PROBES_EVENTS && outcome.trusted)
			goto end;
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
	end:
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
			    (best == n ||
			     sims[p].cycles[next[p]].end < sims[best].cycles[next[best]].end))
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
	TURNS_LONGER,	/* two in turns, and the trace covers the middle of both */
	TWINS_LONGER,	/* the same with twins */
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
	bool sure = kind != PROBES_EVENTS || (!style.regular && !other.regular), good = true;

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
	case TURNS_LONGER:
	case TWINS_LONGER:
		init += (uint64_t)random_between(&r, 1e5, 3e6);
		sims[1] = scenario == TWINS_LONGER ? twin(&r, &sims[0], init)
						   : simulate(&r, init, n, other);
		trace_add(&model, &r, &sims[0], from, to, kind);
		trace_add(&model, &r, &sims[1], from, to, kind);
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
	if (outcome.aligned > expected || (sure && outcome.aligned + outcome.trusted < expected) ||
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

/* ---- Clocks that drift apart ----------------------------------------------------------- */

/* Moves the trace's times as a clock does that runs fast by so much. */
static uint64_t drifted(uint64_t time, uint64_t from, double ppm)
{
	return time + (uint64_t)(int64_t)((double)(time - from) * ppm / 1e6);
}

static void drift(void **state)
{
	static const double rates[] = {0, 0.01, 0.3, 20, -45, 180};

	(void)state;
	for (size_t k = 0; k < sizeof(rates) / sizeof(rates[0]); k++) {
		for (uint64_t seed = 1; seed <= 4; seed++) {
			struct random r = {seed};
			struct style style = {.period = 4e8, .jitter = 0.5, .heap = 3e8};
			struct sim sim = simulate(&r, random_init(&r), 1500, style);
			struct sim_log *log = xcalloc(1, sizeof(*log));
			struct model model;
			double worst = 0;
			size_t matched = 0;

			model_init(&model);
			trace_add(&model, &r, &sim, 0, sim.n - 1, PROBES_EVENTS);
			for (size_t i = 0; i < model.n_cycles; i++) {
				struct gc_cycle *c = &model.cycles[i];

				c->start = drifted(c->start, sim.init, rates[k]);
				c->mark_term = drifted(c->mark_term, sim.init, rates[k]);
				c->end = drifted(c->end, sim.init, rates[k]);
				if (seed % 2)
					c->heap0 = c->heap1 = 0;
			}
			for (size_t i = 0; i < sim.n; i++)
				log_add(log, &sim, i, 0, 0);
			align_log(&model, log);
			assert_int_equal(model.n_gctrace, sim.n);
			for (size_t i = 0; i < model.n_gctrace; i++) {
				const struct gctrace_point *p = &model.gctrace[i];
				const struct gctrace_alignment *a = &model.alignments[p->alignment];
				uint64_t truth = drifted(sim.cycles[i].start, sim.init, rates[k]);
				double off = (double)(int64_t)(p->time - truth);

				assert_true(a->aligned);
				matched += p->matched;
				if (!p->matched)
					continue;
				off = off < 0 ? -off : off;
				worst = off > worst ? off : worst;
				if (off > (double)(a->bound + MS / 2)) {
					print_alignments(&model);
					fail_msg("%.2f ppm: off by %.0f ns, bound %d", rates[k],
						 off, (int)a->bound);
				}
				assert_true(a->bound <= 14 * MS / 10);
			}
			/* The phases themselves are longer by the fast clock. */
			assert_in_range(matched, sim.n - 3, sim.n);
			assert_true(worst < 2.1e6);
			/* 600 s: 0.01 ppm is 6 us, 0.3 ppm 180 us, 20 ppm 12 ms. */
			if (rates[k] * rates[k] > 1)
				assert_non_null(strstr(model.alignments[0].problem, "drift"));
			if (rates[k] == 0)
				assert_null(model.alignments[0].problem);
			model_free(&model);
			sim_free(&sim);
			free(log);
		}
	}
}

/* ---- What real runtimes wrote ---------------------------------------------------------- */

/* Cycles as probes read them from a real process beside the log that it wrote. */
static void recorded_pair(const char *version, uint64_t *zero, struct model *model)
{
	char *path = xasprintf("tests/data/gctrace/pair%s.cycles", version), line[400];
	FILE *f = fopen(path, "r");
	unsigned long long v[11];

	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_non_null(fgets(line, sizeof(line), f));
	*zero = strtoull(line, NULL, 10);
	while (fgets(line, sizeof(line), f)) {
		assert_int_equal(sscanf(line,
					"%llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu",
					&v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7],
					&v[8], &v[9], &v[10]),
				 11);
		xgrow(model->cycles, model->cap_cycles, model->n_cycles + 1);
		model->cycles[model->n_cycles++] = (struct gc_cycle){.number = v[0],
								     .start = v[1],
								     .mark = v[2],
								     .mark_term = v[3],
								     .end = v[4],
								     .heap0 = v[5],
								     .heap1 = v[6],
								     .heap2 = v[7],
								     .goal = v[8],
								     .forced = v[9] != 0,
								     .procs = (uint32_t)v[10]};
	}
	fclose(f);
	free(path);
	xgrow(model->processes, model->cap_processes, 1);
	model->processes[model->n_processes++] = (struct process){.pid = 100};
}

static void recorded(void **state)
{
	static const char *const versions[] = {"1.15", "1.19", "1.27"};

	(void)state;
	for (int i = 0; i < 3; i++) {
		for (int known = 0; known < 2; known++) {
			char *path = xasprintf("tests/data/gctrace/pair%s.log", versions[i]);
			struct gctrace_alignment *a;
			struct model model;
			uint64_t zero;
			int64_t off;

			model_init(&model);
			recorded_pair(versions[i], &zero, &model);
			if (known)
				model.processes[0].runtime_init = zero;
			assert_null(align_gctrace(&model, path));
			assert_int_equal(model.n_alignments, 1);
			a = &model.alignments[0];
			assert_int_equal(a->matched, 40);
			assert_int_equal(a->lines, 45);
			assert_int_equal(a->unmatched, 0);
			assert_true(a->aligned);
			off = a->offset - (int64_t)zero;
			assert_true((uint64_t)(off < 0 ? -off : off) <= a->bound);
			assert_true(a->bound < 50000);
			assert_null(a->problem);
			assert_non_null(strstr(a->note, "lengths of the GC phases agree"));
			assert_int_equal(strstr(a->note, "runtimeInitTime agrees") != NULL, known);
			model_free(&model);
			free(path);
		}
		/* Another run of another version is not taken for it. */
		{
			char *path =
				xasprintf("tests/data/gctrace/pair%s.log", versions[(i + 1) % 3]);
			struct model model;
			uint64_t zero;

			model_init(&model);
			recorded_pair(versions[i], &zero, &model);
			assert_null(align_gctrace(&model, path));
			for (size_t j = 0; j < model.n_alignments; j++)
				assert_false(model.alignments[j].aligned);
			assert_non_null(strstr(model.alignments[0].problem, "another"));
			model_free(&model);
			free(path);
		}
	}
}

/* ---- What is refused, and what is said ------------------------------------------------- */

/* A process with n cycles in the trace (of `kind`), and a log of its first `lines` lines. */
struct small {
	struct random random;
	struct sim sim;
	struct model model;
	struct sim_log *log;
};

static void small_begin(struct small *s, size_t n, enum probes kind)
{
	struct style style = {.period = 5e7, .jitter = 0.5, .heap = 1e8};

	s->random = (struct random){77};
	s->sim = simulate(&s->random, 5000 * SEC, n ? n : 20, style);
	s->log = xcalloc(1, sizeof(*s->log));
	model_init(&s->model);
	s->model.first_time = 4999 * SEC;
	trace_add(&s->model, &s->random, &s->sim, 0, n - 1, kind);
	if (!n)
		s->model.n_cycles = 0;
}

static const struct gctrace_alignment *small_align(struct small *s, size_t lines)
{
	for (size_t i = 0; i < lines; i++)
		log_add(s->log, &s->sim, i, 0, 0);
	align_log(&s->model, s->log);
	assert_int_equal(s->model.n_alignments, 1);
	assert_int_equal(s->model.n_gctrace, lines);
	return &s->model.alignments[0];
}

static void small_end(struct small *s)
{
	model_free(&s->model);
	sim_free(&s->sim);
	free(s->log);
}

static void expect_problem(const struct gctrace_alignment *a, bool aligned, const char *problem)
{
	if (a->aligned != aligned || !a->problem || !strstr(a->problem, problem))
		fail_msg("aligned %d, problem %s", a->aligned, a->problem ? a->problem : "-");
}

static void other_sizes(void **state)
{
	const struct gctrace_alignment *a;
	struct small s;

	(void)state;
	small_begin(&s, 30, PROBES_EXACT);
	for (size_t i = 0; i < 30; i++)
		s.model.cycles[i].heap2 += 3 << 20;
	a = small_align(&s, 30);
	expect_problem(a, false, "heap sizes of 30 of 30 GC cycles differ");
	assert_int_equal(a->process, UINT32_MAX);
	assert_int_equal(s.model.gctrace[7].time, 0);
	small_end(&s);
}

static void other_phases(void **state)
{
	struct small s;

	(void)state;
	small_begin(&s, 30, PROBES_EXACT);
	for (size_t i = 0; i < 30; i++)
		s.model.cycles[i].mark += 2 * MS / 10;
	expect_problem(small_align(&s, 30), false, "phases are not as long");
	small_end(&s);
}

static void other_runtime_start(void **state)
{
	struct small s;

	(void)state;
	small_begin(&s, 30, PROBES_EXACT);
	s.model.processes[0].runtime_init = s.sim.init + 3 * MS;
	expect_problem(small_align(&s, 30), false, "from where the process has it");
	small_end(&s);
}

static void few_lines(void **state)
{
	const struct gctrace_alignment *a;
	struct small s;

	(void)state;
	/* The phases vouch for a single line. */
	small_begin(&s, 30, PROBES_EXACT);
	a = small_align(&s, 1);
	expect_problem(a, true, "rests on 1 GC cycle only");
	assert_true(a->bound <= MS / 2);
	small_end(&s);
	/* So does the start of a process that was recorded from its birth. */
	small_begin(&s, 30, PROBES_EVENTS);
	expect_problem(small_align(&s, 1), true, "rests on 1 GC cycle only");
	small_end(&s);
	/* Nothing does where it was not. */
	small_begin(&s, 30, PROBES_EVENTS);
	s.model.processes[0].attached = true;
	expect_problem(small_align(&s, 1), false, "ambiguous: only 1 line");
	small_end(&s);
	small_begin(&s, 30, PROBES_EVENTS);
	s.model.processes[0].attached = true;
	s.model.processes[0].runtime_init = s.sim.init;
	expect_problem(small_align(&s, 1), true, "rests on 1 GC cycle only");
	small_end(&s);
	small_begin(&s, 30, PROBES_EVENTS);
	a = small_align(&s, 3);
	assert_true(a->aligned && !a->problem);
	small_end(&s);
}

static void no_cycles(void **state)
{
	const struct gctrace_alignment *a;
	struct small s;

	(void)state;
	small_begin(&s, 0, PROBES_EXACT);
	a = small_align(&s, 10);
	expect_problem(a, true, "placed by the start of the process");
	assert_string_equal(a->method, "process start");
	assert_int_equal(a->bound, 50 * MS);
	assert_int_equal(a->process, 0);
	assert_in_range(s.sim.init, (uint64_t)a->offset - a->bound, (uint64_t)a->offset + a->bound);
	assert_false(s.model.gctrace[3].matched);
	assert_int_not_equal(s.model.gctrace[3].time, 0);
	small_end(&s);

	small_begin(&s, 0, PROBES_EXACT);
	s.model.processes[0].runtime_init = s.sim.init;
	a = small_align(&s, 10);
	expect_problem(a, true, "taken on trust");
	assert_string_equal(a->method, "runtime start");
	assert_int_equal(a->offset, s.sim.init);
	small_end(&s);

	/* What is known of a process that ran before is when it was attached to. */
	small_begin(&s, 0, PROBES_EXACT);
	s.model.processes[0].attached = true;
	s.model.processes[0].start = s.model.first_time + 5 * SEC;
	expect_problem(small_align(&s, 10), false, "start of the process is not known");
	small_end(&s);

	small_begin(&s, 0, PROBES_EXACT);
	trace_add(&s.model, &s.random, &s.sim, 1, 0, PROBES_EXACT);
	expect_problem(small_align(&s, 10), false, "which of its processes");
	small_end(&s);

	small_begin(&s, 0, PROBES_EXACT);
	free(s.model.processes[0].go_version);
	s.model.n_processes = 0;
	expect_problem(small_align(&s, 10), false, "no process in the trace");
	small_end(&s);
}

/* The trace begins after the log's end: the runtime's start, and the order, can still be right. */
static void no_common_cycle(void **state)
{
	const struct gctrace_alignment *a;
	struct small s;

	(void)state;
	for (int wrong = 0; wrong < 3; wrong++) {
		small_begin(&s, 60, PROBES_EXACT);
		s.model.n_cycles = 20;
		memmove(s.model.cycles, s.model.cycles + 40, 20 * sizeof(s.model.cycles[0]));
		if (wrong < 2)
			s.model.processes[0].runtime_init = s.sim.init + (wrong ? 10 * SEC : 0);
		a = small_align(&s, 30);
		if (!wrong)
			assert_string_equal(a->method, "runtime start");
		expect_problem(a, !wrong, "no GC cycle");
		small_end(&s);
	}
}

static void points(void **state)
{
	const struct gctrace_alignment *a;
	const struct gctrace_point *p;
	const struct gctrace_entry *e;
	struct small s;

	(void)state;
	small_begin(&s, 30, PROBES_EXACT);
	a = small_align(&s, 30);
	p = &s.model.gctrace[4];
	e = &s.sim.lines[4];
	assert_int_equal(p->alignment, 0);
	assert_int_equal(p->number, 5);
	assert_int_equal(p->line, 5);
	assert_int_equal(p->time, (uint64_t)a->offset + e->time / MS * MS + MS / 2);
	assert_float_equal(p->percent, 3, 1e-9);
	assert_float_equal(p->mark_ms, (double)e->clock[1] / 1e6, p->mark_ms / 9);
	assert_float_equal(p->pause_ms, (double)(e->clock[0] + e->clock[2]) / 1e6, p->pause_ms / 9);
	assert_float_equal(p->assist_ms, (double)e->cpu[1] / 1e6, p->assist_ms / 9);
	assert_int_equal(p->heap_start, e->heap_start >> 20 << 20);
	assert_int_equal(p->heap_peak, e->heap_peak >> 20 << 20);
	assert_int_equal(p->heap_live, e->heap_live >> 20 << 20);
	assert_int_equal(p->goal, e->goal >> 20 << 20);
	assert_int_equal(p->procs, 4);
	assert_int_equal(p->forced, e->forced);
	assert_true(p->matched);
	small_end(&s);
}

/* Values from the edges of their types, as a damaged trace or a hostile log has them. */
static uint64_t extreme(struct random *r)
{
	static const uint64_t edges[] = {
		0,	    1,		2,	    MS - 1,	   MS,
		1ull << 31, UINT32_MAX, INT64_MAX,  1ull << 63,	   UINT64_MAX,
		5 * SEC,    6 * SEC,	5000 * SEC, INT64_MAX / 8, 7};

	return edges[random_u64(r) % (sizeof(edges) / sizeof(edges[0]))] + random_u64(r) % 3 - 1;
}

static void hostile(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		struct random r = {seed};
		struct gctrace_entry lines[20] = {0};
		struct gctrace_log log = {.entries = lines, .n_entries = random_u64(&r) % 20};
		struct gc_cycle cycles[20] = {0};
		struct process processes[3] = {0};
		struct model model = {.cycles = cycles,
				      .n_cycles = random_u64(&r) % 20,
				      .processes = processes,
				      .n_processes = random_u64(&r) % 4,
				      .first_time = extreme(&r)};

		for (size_t i = 0; i < 20; i++) {
			struct gctrace_entry *e = &lines[i];
			struct gc_cycle *c = &cycles[i];

			*e = (struct gctrace_entry){.kind = random_u64(&r) % 8 ? GCTRACE_GC
									       : GCTRACE_GC_FORCED,
						    .number = extreme(&r),
						    /* The parser takes no more than this. */
						    .time = extreme(&r) % (1000000000 * SEC),
						    .line = i + 1,
						    .heap_live = extreme(&r),
						    .procs = extreme(&r)};
			*c = (struct gc_cycle){.process = (uint32_t)random_u64(&r) % 4,
					       .number = extreme(&r),
					       .start = extreme(&r),
					       .mark = extreme(&r),
					       .mark_term = extreme(&r),
					       .end = extreme(&r),
					       .heap2 = extreme(&r)};
			for (int j = 0; j < 3; j++)
				e->clock[j] = extreme(&r);
			if (random_u64(&r) % 2)
				e->number = c->number = i;
		}
		for (size_t i = 0; i < 3; i++)
			processes[i] = (struct process){.start = extreme(&r),
							.runtime_init = extreme(&r),
							.attached = random_u64(&r) % 2};
		align_gctrace_log(&model, "gc.log", &log);
		for (size_t i = 0; i < model.n_gctrace; i++)
			assert_true(model.gctrace[i].alignment < model.n_alignments);
		model.cycles = NULL;
		model.processes = NULL;
		model.n_processes = 0;
		model_free(&model);
	}
}

static void unreadable(void **state)
{
	struct model model;
	struct error *err;

	(void)state;
	model_init(&model);
	err = align_gctrace(&model, "tests/unit/gctext.h");
	assert_non_null(err);
	assert_non_null(strstr(error_remedy_text(err), "GODEBUG=gctrace=1"));
	error_free(err);
	assert_int_equal(model.n_alignments, 0);
	model_free(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean),
		cmocka_unit_test(scenarios),
		cmocka_unit_test(drift),
		cmocka_unit_test(recorded),
		cmocka_unit_test(other_sizes),
		cmocka_unit_test(other_phases),
		cmocka_unit_test(other_runtime_start),
		cmocka_unit_test(few_lines),
		cmocka_unit_test(no_cycles),
		cmocka_unit_test(no_common_cycle),
		cmocka_unit_test(points),
		cmocka_unit_test(unreadable),
		cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
