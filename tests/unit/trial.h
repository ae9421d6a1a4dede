#ifndef GMT_TESTS_TRIAL_H
#define GMT_TESTS_TRIAL_H

/* Recordings of one simulated site each, judged: how often is the judgement right? */

#include "analyze/judge.h"
#include "tests/unit/families.h"

/* Of each kind of site; GMT_JUDGE_SEEDS asks for another number. */
static inline size_t seeds(void)
{
	const char *text = getenv("GMT_JUDGE_SEEDS");

	return text ? strtoul(text, NULL, 10) : 600;
}

/* One recording with one site of a kind. */
struct trial {
	struct sim sim;
	struct model model;
	double growth; /* the truth, bytes a second */
	const struct candidate *candidate;
};

static inline void trial_run(struct trial *trial, size_t kind, size_t seed, double few, double many)
{
	struct random random = {seed * 77 + kind * 1000003};
	size_t cycles = (size_t)(few * exp(random_uniform(&random) * log(many / few)));

	trial->sim = sim_new(seed + kind * 100000, cycles, random_uniform(&random) < 0.5);
	sim_model(&trial->sim, &trial->model);
	sim_begin_site(&trial->sim, &trial->model);
	trial->growth = sim_kinds[kind].fill(&trial->sim);
	sim_end_site(&trial->sim);
	trial->model.processes[0].attached = trial->sim.attached;
	judge(&trial->model, NULL);
	trial->candidate = trial->model.n_candidates ? &trial->model.candidates[0] : NULL;
}

static inline void trial_free(struct trial *trial)
{
	model_free(&trial->model);
	sim_free(&trial->sim);
}

static inline bool called_leak(enum verdict verdict)
{
	return verdict == VERDICT_LEAK || verdict == VERDICT_LIKELY_LEAK;
}

/* The number of a kind, by what fills it. */
static inline size_t kind_of(sim_family fill)
{
	size_t kind = 0;

	while (sim_kinds[kind].fill != fill)
		kind++;
	return kind;
}

/* Of seeds() recordings of that kind, in how many the verdict `is` so. */
static inline size_t trials_where(sim_family fill, double few, double many,
				  bool (*is)(enum verdict verdict))
{
	size_t kind = kind_of(fill), count = 0;

	for (size_t seed = 0; seed < seeds(); seed++) {
		struct trial trial;

		trial_run(&trial, kind, seed, few, many);
		count += trial.candidate && is(trial.candidate->verdict);
		trial_free(&trial);
	}
	return count;
}

/* Bounds on a count of n: what a true share at the target itself stays within 99 times of 100. */
static inline double at_least(double share, double n)
{
	return share * n - 2.326 * sqrt(share * (1 - share) * n);
}

static inline double at_most(double share, double n)
{
	return share * n + 2.326 * sqrt(share * (1 - share) * n) + 0.5;
}

/* A model of one process with n cycles of a second each, and one site without objects. */
static inline struct sim plain_sim(struct model *model, size_t n)
{
	struct sim sim = sim_new(1, n, false);

	sim.span = (double)n + 0.5;
	sim.tail_swept = true;
	for (size_t i = 0; i < n; i++) {
		sim.end[i] = (double)i + 1;
		sim.mark_start[i] = (double)i + 0.9;
	}
	sim_model(&sim, model);
	sim_begin_site(&sim, model);
	sim.min_size = sim.max_size = 4096;
	return sim;
}

#endif
