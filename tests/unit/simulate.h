#ifndef GMT_TESTS_SIMULATE_H
#define GMT_TESTS_SIMULATE_H

/*
 * Synthetic recordings of known truth: sampled objects are born and die on a time axis with GC
 * cycles of uneven length, and are counted into a model as a recorder would see it: dead objects
 * are found by the first mark that begins after their death, and what is allocated while marking
 * runs survives that mark.
 */

#include "analyze/model.h"
#include "analyze/stats.h"
#include "formats/xalloc.h"
#include "tests/unit/random.h"

#include <stdlib.h>
#include <string.h>

#define SIM_RATE 524288.0

struct sim {
	struct random random;
	double span; /* seconds recorded */
	size_t cycles;
	double *mark_start, *end; /* of each GC cycle, seconds */
	bool attached;		  /* objects may be older than the recording */
	bool tail_swept;	  /* the sweep after the last mark had finished */
	double mean_weight;	  /* bytes that an object stands for, on average */
	double min_size, max_size;
	/* Of the site that is being filled. */
	struct site *site;
	/* Where not NULL, objects go there instead. */
	void (*object)(void *context, double birth, double death, double size);
	void *context;
	uint64_t *last_found; /* by birth cycle: the greatest death cycle, cycles + 2 for alive */
};

/* A number from low to high, each power as likely as the other. */
static inline double sim_log_between(struct sim *sim, double low, double high)
{
	return low * exp(random_uniform(&sim->random) * log(high / low));
}

static inline struct sim sim_new(uint64_t seed, size_t cycles, bool attached)
{
	struct sim sim = {.random = {seed * 2654435761u + 17}, .cycles = cycles};
	double time = 0, storm, mean;

	sim.attached = attached;
	sim.span = sim_log_between(&sim, 30, 3600);
	sim.tail_swept = random_uniform(&sim.random) < 0.7;
	sim.mark_start = xcalloc(cycles, sizeof(double));
	sim.end = xcalloc(cycles, sizeof(double));
	/* A sixth of the recordings holds a run of forced cycles in quick succession. */
	storm = random_uniform(&sim.random) < 0.17 ? random_uniform(&sim.random) : 2;
	mean = 1.0 / (double)cycles;
	for (size_t i = 0; i < cycles; i++) {
		double place = (double)i / (double)cycles;
		double gap = mean * exp(0.4 * random_normal(&sim.random));

		if (place >= storm && place < storm + 0.15)
			gap *= 0.01;
		sim.mark_start[i] = time + gap * random_between(&sim.random, 0.75, 0.97);
		sim.end[i] = time += gap;
	}
	time += mean * random_uniform(&sim.random);
	for (size_t i = 0; i < cycles; i++) {
		sim.mark_start[i] *= sim.span / time;
		sim.end[i] *= sim.span / time;
	}
	sim.last_found = xcalloc(cycles + 1, sizeof(uint64_t));
	return sim;
}

static inline void sim_free(struct sim *sim)
{
	free(sim->mark_start);
	free(sim->end);
	free(sim->last_found);
}

/* The number of cycles that ended (or whose mark began) before the time. */
static inline size_t sim_cycle(const double *marks, size_t n, double time)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (marks[mid] < time)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* A model of one process with the epochs of the simulation, the last one not ended. */
static inline void sim_model(const struct sim *sim, struct model *model)
{
	struct process *process;

	model_init(model);
	model->processes = xcalloc(1, sizeof(*model->processes));
	model->n_processes = 1;
	model->first_time = 1000000000;
	model->last_time = model->first_time + (uint64_t)(sim->span * 1e9);
	process = &model->processes[0];
	process->pid = 1;
	process->mem_profile_rate = (uint64_t)SIM_RATE;
	process->attached = sim->attached;
	process->start = model->first_time;
	process->n_epochs = sim->cycles + 1;
	process->epochs = xcalloc(process->n_epochs, sizeof(*process->epochs));
	for (size_t i = 0; i < process->n_epochs; i++) {
		struct epoch *epoch = &process->epochs[i];

		epoch->first_cycle = epoch->last_cycle = i + 5;
		if (i < sim->cycles)
			epoch->end_time = model->first_time + (uint64_t)(sim->end[i] * 1e9);
	}
}

static inline void sim_begin_site(struct sim *sim, struct model *model)
{
	size_t n = sim->cycles + 1;

	xgrow(model->sites, model->cap_sites, model->n_sites + 1);
	sim->site = &model->sites[model->n_sites++];
	memset(sim->site, 0, sizeof(*sim->site));
	sim->site->stack = (uint32_t)model->n_sites - 1;
	sim->site->born = xcalloc(n, sizeof(struct tally));
	sim->site->died = xcalloc(n, sizeof(struct tally));
	sim->site->died_unseen = xcalloc(n, sizeof(struct tally));
	sim->site->alive = xcalloc(n, sizeof(struct tally));
	sim->site->generations = xcalloc(n, sizeof(uint32_t));
	sim->min_size = sim_log_between(sim, 16, 65536);
	sim->max_size = sim->min_size * (random_uniform(&sim->random) < 0.5 ? 1 : 8);
	sim->mean_weight = (stats_sample_weight(sim->min_size, SIM_RATE) +
			    stats_sample_weight(sim->max_size, SIM_RATE)) /
			   2;
	memset(sim->last_found, 0, n * sizeof(uint64_t));
}

static inline void sim_count(struct tally *tally, double weight)
{
	tally->objects++;
	tally->est_bytes += weight;
}

/* One sampled object of this size, reachable from birth to death (INFINITY: for ever). */
static inline void sim_sized(struct sim *sim, double birth, double death, double size)
{
	struct site *site = sim->site;
	double weight = stats_sample_weight(size, SIM_RATE);
	size_t found = sim_cycle(sim->mark_start, sim->cycles, fmax(birth, death)) + 1;
	bool dead = found < sim->cycles || (found == sim->cycles && sim->tail_swept);
	uint64_t time = 1000000000 + (uint64_t)(fmax(birth, 0) * 1e9);
	size_t cycle, age;

	if (birth >= sim->span)
		return;
	if (sim->object) {
		sim->object(sim->context, birth, death, size);
		return;
	}
	if (birth < 0) {
		if (sim->attached && dead && death > 0) {
			site->unmatched_deaths++;
			sim_count(&site->died_unseen[found], weight);
		}
		return;
	}
	cycle = sim_cycle(sim->end, sim->cycles, birth);
	site->births++;
	site->births_sampled_bytes += (uint64_t)size;
	site->est_births_bytes += weight;
	if (!site->first_birth || time < site->first_birth)
		site->first_birth = time;
	if (time > site->last_birth)
		site->last_birth = time;
	site->min_size = (uint64_t)sim->min_size;
	site->max_size = (uint64_t)sim->max_size;
	sim_count(&site->born[cycle], weight);
	if (dead) {
		age = found - cycle;
		site->deaths++;
		site->deaths_sampled_bytes += (uint64_t)size;
		sim_count(&site->died[found], weight);
		site->died_at_age[age < MODEL_AGES ? age : MODEL_AGES - 1]++;
		if (found > sim->last_found[cycle])
			sim->last_found[cycle] = found;
		return;
	}
	age = sim->cycles - cycle;
	site->live++;
	site->live_sampled_bytes += (uint64_t)size;
	site->est_live_bytes += weight;
	site->est_live_variance += stats_sample_variance(size, SIM_RATE);
	site->est_live_objects += weight / size;
	if (!site->oldest_live || time < site->oldest_live)
		site->oldest_live = time;
	sim_count(&site->alive[cycle], weight);
	site->live_at_age[age < MODEL_AGES ? age : MODEL_AGES - 1]++;
	sim->last_found[cycle] = sim->cycles + 2;
}

/* One of the site's sizes. */
static inline void sim_object(struct sim *sim, double birth, double death)
{
	bool small = random_uniform(&sim->random) < 0.5;

	sim_sized(sim, birth, death, small ? sim->min_size : sim->max_size);
}

static inline void sim_end_site(struct sim *sim)
{
	for (size_t birth = 0; birth <= sim->cycles; birth++)
		for (size_t e = birth; e <= sim->cycles && e < sim->last_found[birth]; e++)
			sim->site->generations[e]++;
	/* As where a site has none of them. */
	if (!sim->site->live) {
		free(sim->site->alive);
		sim->site->alive = NULL;
	}
	if (!sim->site->unmatched_deaths) {
		free(sim->site->died_unseen);
		sim->site->died_unseen = NULL;
	}
}

/* Merges neighbouring epochs of a filled model, `by` into one, as a long recording has them. */
static inline void sim_merge(struct model *model, size_t by)
{
	struct process *process = &model->processes[0];
	size_t n = (process->n_epochs + by - 1) / by;

	for (size_t to = 0; to < n; to++) {
		size_t last = (to + 1) * by < process->n_epochs ? (to + 1) * by : process->n_epochs;
		struct epoch epoch = process->epochs[to * by];

		epoch.last_cycle = process->epochs[last - 1].last_cycle;
		epoch.end_time = process->epochs[last - 1].end_time;
		process->epochs[to] = epoch;
		for (size_t s = 0; s < model->n_sites; s++) {
			struct site *site = &model->sites[s];
			struct tally *tallies[] = {site->born, site->died, site->died_unseen,
						   site->alive};

			for (size_t t = 0; t < 4; t++) {
				struct tally sum = {0};

				if (!tallies[t])
					continue;
				for (size_t from = to * by; from < last; from++) {
					sum.objects += tallies[t][from].objects;
					sum.est_bytes += tallies[t][from].est_bytes;
				}
				tallies[t][to] = sum;
			}
			site->generations[to] = site->generations[last - 1];
		}
	}
	process->n_epochs = n;
}

#endif
