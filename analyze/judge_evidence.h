#ifndef GMT_ANALYZE_JUDGE_EVIDENCE_H
#define GMT_ANALYZE_JUDGE_EVIDENCE_H

/*
 * What the counts of one site say, as figures: how its live objects went, which of them are old,
 * whether the old are being freed, whether growth goes on. No verdict is passed here.
 *
 * Which objects are known to live. The runtime's profile cycle c counts mark terminations. What is
 * born in cycle c is first put to the test by the mark that ends c (where it was born before that
 * mark began; what is allocated while a mark runs survives it untested) and surely by the one that
 * ends c + 1. What the mark that ends cycle e finds dead is swept, and so stamped, in cycle e + 1,
 * and the sweep is over before the next mark begins. So the state that the end of cycle e leaves is
 *	born in cycles <= e, less dead in cycles <= e + 1,
 * which is also what a heap profile shows two cycles later, and it is known once cycle e + 1 has
 * ended too. The births of the last cycles are not proven alive: what is called old below has seen
 * three cycles at least.
 */

#include "analyze/judge.h"

/*
 * The epochs of one process that have ended, on a time axis in seconds since it was first seen.
 * Sites of the Go heap have GC cycles for epochs; all others have slices of time. What is said of
 * cycles below holds for slices too, but that a death belongs to the slice it is seen in: the state
 * that the end of a slice leaves is known at once.
 */
struct judge_axis {
	bool by_time;	/* slices */
	bool counted;	/* between readings of the bucket table, which hold no garbage */
	size_t n;	/* epochs that ended */
	double *end;	/* of each; and of the recording, where n_births > n */
	double *cycles; /* in each */
	double *age;	/* of what was born in each, at the last end: in cycles, at least */
	double n_cycles;
	double span; /* seconds to the last end */
	/* The epochs of which all births are known: also the one that the recording's end cut off.
	 * Its share of the time; of its deaths nothing is known. */
	size_t n_births;
	double tail;
	bool attached;
	struct tally *none; /* zeros, for what a site has not */
};

/* Of a process's sites of the Go heap, or of all its others (by_time). */
void judge_axis_init(struct judge_axis *axis, const struct model *model,
		     const struct process *process, bool by_time);
void judge_axis_free(struct judge_axis *axis);
/* The epochs after one whose deaths belong to the state that this one leaves. */
size_t judge_axis_lag(const struct judge_axis *axis);
/* When epoch i began. */
double judge_axis_begin(const struct judge_axis *axis, size_t i);

/* The live objects of a site at the ends of its epochs. Where the process was attached to, what it
 * held before is not in it: then only changes mean anything. */
struct judge_series {
	size_t n;
	double *time, *objects, *bytes;
};

struct judge_evidence {
	const struct site *site;
	const struct judge_axis *axis;
	const struct tally *born, *died, *unseen, *alive; /* of the site, never NULL */
	struct judge_series live;
	/* Births up to the last mark of which all is known, and what of them it left alive. */
	double born_seen, alive_objects, alive_bytes;
	/* The old: of at least old_age cycles at the last end, so born before epoch old_end, and
	 * not in the warm-up, which is over where epoch warm_end begins. */
	double old_age;
	size_t warm_end, old_end;
	double window;	       /* seconds in which the old were born */
	double survivors;      /* old objects that are alive */
	double survivor_bytes; /* their estimate */
	double survivor_size;  /* bytes that one of them stands for, as their contraharmonic mean */
	double spread;	       /* cycles among which their births are spread */
	double died_old;       /* found dead at old age; of these without a birth seen: */
	double died_unseen, unseen_bytes;
	double unseen_window; /* seconds in which these were found */
	double clumping;      /* variance of the survivors' births over that of independent ones */
	double jitter;	      /* variance of the live objects from one point to the next */
	double settled;	      /* log-likelihood that a faster beginning has ended; 0: none has */
	/* Likelihoods that the growth has ended over that it goes on: from the births of the
	 * survivors; from the live objects, where they can tell, and with the places where they
	 * cannot counted as one. And that the old fade over that they do not. */
	double stopped, flat, flat_or_blind, faded;
	double evicting; /* likelihood that as many go of late as come, over that they stay */
	double slowing;	 /* likelihood that it got ever slower from the start, over one that settled
			  */
	double born_kept; /* of what was born in the window of the old, the share that lives */
	double blind;	  /* share of the time at the end that tells nothing of it */
	double not_freed; /* probability that few of the old will be freed */
	double all_kept;  /* the same, with what was born in the warm-up */
	double onset;	  /* seconds after which the old survivors began to be born; 0: at once */
	double p_value;	  /* of so many old survivors where as many of the old die as come */
	/* Growth of live bytes, bytes a second, with a 95 % interval; kept: by the old survivors,
	 * whom churn does not disturb, else by the live bytes. */
	double growth, growth_low, growth_high;
	bool kept;
	bool bounded; /* it cannot grow without something else that does (fold_is_overflow) */
	/* The shape of the live objects: lowest, greatest, end, the greatest fall, the share
	 * of the time after which nine tenths of the end were reached for good, the rise over the
	 * last half, and the last quarter, and their standard errors. */
	double lowest, peak, last, fall, reached;
	double half_rise, half_error, quarter_rise, quarter_error;
	/* By how much the objects rose after the first tenth of the time, and its standard error;
	 * of such growth, the share that took the place of what went at other sites. */
	double drift, drift_error, replaced;
	double replaced_late;	 /* the same of the rise over the last half */
	double drop_z;		 /* the fall from the peak to the end in standard errors */
	double generations_rise; /* share of the last half's epochs in which they rose */
	/* How often the live bytes rose by the replacement of what was there with something larger,
	 * and nothing else; 0: this is no such site. The odds that this has ended, and the
	 * probability that chance shows it. */
	size_t regrown;
	double regrowth_ended, regrowth_p;
	uint32_t generations;
	double survival; /* Kaplan-Meier, at survival_age */
	uint32_t survival_age;
	uint32_t oldest_death; /* greatest age at death, cycles; 0: none died */
};

/* Weighs a site. The axis must outlive the evidence; of live only n remains. */
void judge_evidence_init(struct judge_evidence *evidence, const struct site *site,
			 const struct judge_axis *axis);

/* Parts of judge_evidence_init. The sums over the window from warm_end to old_end: */
void judge_sum_window(struct judge_evidence *evidence);
/* Cuts off a beginning in which survivors were born at a much higher rate than after it, or at a
 * much lower one. */
void judge_cut_warm_up(struct judge_evidence *evidence);
/* Whether the growth goes on, by the births of the survivors: clumping, stopped, slowing, blind,
 * faded. */
void judge_births(struct judge_evidence *evidence);
/* The same by the live objects, after it: jitter, flat, evicting. */
void judge_continuing(struct judge_evidence *evidence);
/* growth, with its interval. */
void judge_growth(struct judge_evidence *evidence);
/* Whether the site holds arrays that are replaced by ever larger ones: regrown and its like; then
 * the growth is by these. */
void judge_regrowth(struct judge_evidence *evidence);
/* By how much the live objects rose from point i to the last, and the variance that chance gives
 * it. */
double judge_net_rise(const struct judge_evidence *evidence, size_t i, double *variance);
/* The first point at or after a share of the time. */
size_t judge_point_at(const struct judge_evidence *evidence, double share);
/* replaced and replaced_late, of each of n sites. */
void judge_replaced(struct judge_evidence *evidence, size_t n);
/* The objects that site tallies hold over the epochs from..to, exclusive. */
double judge_sum_objects(const struct tally *tally, size_t from, size_t to);

#endif
