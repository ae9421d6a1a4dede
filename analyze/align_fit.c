#include "analyze/align_fit.h"

#include "analyze/align_drift.h"
#include "analyze/align_pair.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define MAX_PAIRS 4000000 /* of lines and cycles that are compared without numbers */
#define SETTLED	  3	  /* lines that do not agree by chance */

struct fitting {
	const struct gctrace_entry *const *lines;
	size_t n_lines;
	const struct gc_cycle *const *cycles, *const *by_number; /* in order of time, of number */
	size_t n_cycles;
	struct align_pair *pairs; /* by number, then by line */
	size_t n_pairs, cap_pairs;
	struct align_fit *fit;
};

static int by_number(const void *a, const void *b)
{
	const struct align_pair *x = a, *y = b;

	return x->number != y->number ? (x->number > y->number) - (x->number < y->number)
				      : (x->line > y->line) - (x->line < y->line);
}

static void add_pair(struct fitting *f, size_t line, size_t cycle, const struct align_pair *pair)
{
	xgrow(f->pairs, f->cap_pairs, f->n_pairs + 1);
	f->pairs[f->n_pairs] = *pair;
	f->pairs[f->n_pairs].line = line;
	f->pairs[f->n_pairs].cycle = cycle;
	f->n_pairs++;
}

/* Pairs each line with the cycles of its number, or of one that lies `shift` above. */
static void pair_by_number(struct fitting *f, int64_t shift)
{
	const struct gc_cycle *const *sorted = f->by_number;

	for (size_t i = 0; i < f->n_lines; i++) {
		uint64_t number = f->lines[i]->number + (uint64_t)shift;
		size_t low = 0, high = f->n_cycles;
		struct align_pair pair;

		while (low < high) {
			size_t mid = low + (high - low) / 2;

			if (sorted[mid]->number < number)
				low = mid + 1;
			else
				high = mid;
		}
		for (; low < f->n_cycles && number && sorted[low]->number == number; low++) {
			f->fit->compared[i] = true;
			if (align_pair_make(f->lines[i], sorted[low], &pair))
				add_pair(f, i, low, &pair);
		}
	}
	if (f->n_pairs)
		qsort(f->pairs, f->n_pairs, sizeof(f->pairs[0]), by_number);
}

/* The end of the run of pairs with the number of pairs[i]. */
static size_t run_end(const struct align_pair *pairs, size_t n, size_t i)
{
	size_t end = i + 1;

	while (end < n && pairs[end].number == pairs[i].number)
		end++;
	return end;
}

/* How many numbers there are, and for how many a pair has what is asked for. */
static size_t count_numbers(const struct align_pair *pairs, size_t n, enum align_phases phases)
{
	size_t count = 0;

	for (size_t i = 0, end; i < n; i = end) {
		bool any = false;

		end = run_end(pairs, n, i);
		for (size_t j = i; j < end; j++)
			any = any || pairs[j].phases == phases;
		count += any;
	}
	return count;
}

/*
 * Keeps the pairs that nothing contradicts, in *kept (as many as f->pairs). The phases are as good
 * as a signature, printed to two digits: where some agree, those that differ are others' lines.
 * *strangers: none or too few agree.
 */
static size_t keep_possible(const struct fitting *f, struct align_pair *kept, bool *strangers)
{
	size_t agree = count_numbers(f->pairs, f->n_pairs, PHASES_AGREE);
	size_t differ = count_numbers(f->pairs, f->n_pairs, PHASES_DIFFER);
	bool sign = agree && agree * 5 >= agree + differ;
	size_t n = 0;

	*strangers = !sign && differ;
	f->fit->phases_agree = sign;
	for (size_t i = 0, end; i < f->n_pairs; i = end) {
		size_t possible = 0;

		end = run_end(f->pairs, f->n_pairs, i);
		for (size_t j = i; j < end; j++)
			possible += !f->pairs[j].sizes_differ;
		f->fit->comparable++;
		f->fit->sizes_differ += !possible;
		for (size_t j = i; j < end; j++)
			if (!f->pairs[j].sizes_differ && !f->pairs[j].impossible &&
			    !(sign && f->pairs[j].phases == PHASES_DIFFER))
				kept[n++] = f->pairs[j];
	}
	return n;
}

static bool meets(const struct align_pair *pair, const struct align_peak *peak)
{
	return pair->low <= peak->high && pair->high >= peak->low;
}

/* Counts the numbers whose pairs meet the peak, and those where several lines do. */
static void count_agreeing(struct align_fit *fit, const struct align_pair *pairs, size_t n,
			   const struct align_peak *peak)
{
	fit->agreeing = fit->doubtful = 0;
	for (size_t i = 0, end; i < n; i = end) {
		size_t meeting = 0;

		end = run_end(pairs, n, i);
		for (size_t j = i; j < end; j++)
			meeting += meets(&pairs[j], peak);
		fit->agreeing += meeting > 0;
		fit->doubtful += meeting > 1;
	}
}

static void add_piece(struct align_fit *fit, int64_t low, int64_t high, uint64_t until)
{
	xgrow(fit->pieces, fit->cap_pieces, fit->n_pieces + 1);
	fit->pieces[fit->n_pieces++] = (struct align_piece){low, high, until};
}

static void mark_matched(struct fitting *f, const struct align_pair *pair)
{
	struct align_fit *fit = f->fit;
	uint64_t number = f->lines[pair->line]->number;

	fit->matched[pair->line] = true;
	if (!fit->first_number || number < fit->first_number)
		fit->first_number = number;
	if (number > fit->last_number)
		fit->last_number = number;
}

static void forget_matched(struct fitting *f)
{
	memset(f->fit->matched, 0, f->n_lines * sizeof(f->fit->matched[0]));
	f->fit->first_number = f->fit->last_number = 0;
}

/*
 * One zero for all. Where lines of others are about, one of them may by chance meet the right
 * place and narrow it wrongly: then not all that meet there need to agree, and where many are
 * doubtful half of them must.
 */
static void fit_one_zero(struct fitting *f, const struct align_pair *pairs, size_t n)
{
	struct align_fit *fit = f->fit;
	struct align_peak peak = align_pair_peak(pairs, n, 0);
	size_t slack = 0;

	count_agreeing(fit, pairs, n, &peak);
	if (fit->doubtful * 20 > fit->agreeing)
		slack = peak.votes / 2;
	else if (!fit->phases_agree && n > fit->agreeing)
		slack = 1 + peak.votes / 50;
	if (slack)
		peak = align_pair_peak(pairs, n, slack);
	count_agreeing(fit, pairs, n, &peak);
	fit->rival = peak.rival;
	add_piece(fit, peak.low, peak.high, UINT64_MAX);
	for (size_t i = 0, end; i < n; i = end) {
		size_t meeting = 0, last = i;

		end = run_end(pairs, n, i);
		for (size_t j = i; j < end; j++) {
			if (meets(&pairs[j], &peak)) {
				meeting++;
				last = j;
			}
		}
		if (meeting == 1)
			mark_matched(f, &pairs[last]);
	}
}

/*
 * One zero does not do for all: tries whether it moves slowly. It must do for nearly all where the
 * one leaves out many, and for all where it leaves out few: those may be others' lines.
 */
static bool fit_drift(struct fitting *f, const struct align_pair *pairs, size_t n)
{
	struct align_fit *fit = f->fit;
	bool few = fit->agreeing * 10 >= fit->comparable * 9;
	size_t least = few ? fit->comparable : fit->comparable - fit->comparable / 10;
	struct align_drift drift;

	align_drift_find(f->lines, pairs, n, f->cycles[0]->heap2 != 0, &drift);
	if (!drift.plausible || drift.n_chain <= fit->agreeing || drift.n_chain < least) {
		align_drift_free(&drift);
		return false;
	}
	forget_matched(f);
	for (size_t i = 0; i < drift.n_chain; i++)
		mark_matched(f, &pairs[drift.chain[i]]);
	fit->n_pieces = 0;
	for (size_t i = 0; i < drift.n_pieces; i++)
		add_piece(fit, drift.pieces[i].low, drift.pieces[i].high, drift.pieces[i].until);
	fit->agreeing = drift.n_chain;
	fit->rival = fit->doubtful = 0;
	align_drift_free(&drift);
	return true;
}

/* ---- Numbers that are unknown or wrong ------------------------------------------------- */

static bool is_possible(const struct align_pair *pair)
{
	return !pair->sizes_differ && !pair->impossible && pair->phases != PHASES_DIFFER;
}

/* Pairs any line with any cycle that nothing contradicts; of many lines, some. */
static void pair_all(struct fitting *f)
{
	size_t step = 1 + f->n_lines * f->n_cycles / MAX_PAIRS;

	for (size_t i = 0; i < f->n_lines; i += step) {
		for (size_t j = 0; j < f->n_cycles; j++) {
			struct align_pair pair;

			if (align_pair_make(f->lines[i], f->cycles[j], &pair) && is_possible(&pair))
				add_pair(f, i, j, &pair);
		}
	}
}

/*
 * How many lines and cycles lie where both are: the lesser of the two. Such lines could have been
 * matched, and are marked so.
 */
static size_t count_overlap(struct fitting *f, int64_t zero)
{
	int64_t first_line = INT64_MAX, last_line = INT64_MIN;
	int64_t step = (int64_t)GCTRACE_TIME_RESOLUTION;
	int64_t first_cycle = (int64_t)align_cycle_time(f->cycles[0]);
	int64_t last_cycle = (int64_t)align_cycle_time(f->cycles[f->n_cycles - 1]);
	size_t lines = 0, cycles = 0;

	for (size_t i = 0; i < f->n_lines; i++) {
		int64_t at = zero + (int64_t)f->lines[i]->time;

		f->fit->compared[i] = at + step >= first_cycle && at <= last_cycle + step;
		lines += f->fit->compared[i];
		first_line = at < first_line ? at : first_line;
		last_line = at > last_line ? at : last_line;
	}
	for (size_t i = 0; i < f->n_cycles; i++) {
		int64_t at = (int64_t)align_cycle_time(f->cycles[i]);

		cycles += at + step >= first_line && at <= last_line + step;
	}
	return lines < cycles ? lines : cycles;
}

/* Replaces the pairs by those that meet the peak, one for each line at the most. */
static void pair_at(struct fitting *f, const struct align_peak *peak)
{
	f->n_pairs = 0;
	for (size_t i = 0; i < f->n_lines; i++) {
		size_t low = 0, high = f->n_cycles;

		/* What is known of a cycle is never earlier than its beginning. */
		while (low < high) {
			size_t mid = low + (high - low) / 2;

			if ((int64_t)align_cycle_time(f->cycles[mid]) - peak->low <
			    (int64_t)f->lines[i]->time)
				low = mid + 1;
			else
				high = mid;
		}
		for (size_t j = low; j < f->n_cycles && j < low + 4; j++) {
			struct align_pair pair;

			if (align_pair_make(f->lines[i], f->cycles[j], &pair) &&
			    meets(&pair, peak) && is_possible(&pair)) {
				add_pair(f, i, j, &pair);
				break;
			}
		}
	}
}

/* The commonest difference of the numbers, and whether nearly all have it. */
static bool find_shift(struct fitting *f)
{
	size_t best = 0;

	for (size_t i = 0; i < f->n_pairs && i < 256; i++) {
		int64_t shift = (int64_t)(f->pairs[i].number - f->lines[f->pairs[i].line]->number);
		size_t count = 0;

		for (size_t j = 0; j < f->n_pairs; j++)
			count += (int64_t)(f->pairs[j].number -
					   f->lines[f->pairs[j].line]->number) == shift;
		if (count > best) {
			best = count;
			f->fit->shift = shift;
		}
	}
	return best * 10 >= f->n_pairs * 9;
}

/* How many lines claim a cycle that another line claims too. */
static size_t count_repeated(const struct fitting *f)
{
	uint8_t *claimed = xcalloc(f->n_cycles, 1);
	size_t repeated = 0;

	for (size_t i = 0; i < f->n_pairs; i++) {
		repeated += claimed[f->pairs[i].cycle];
		claimed[f->pairs[i].cycle] = 1;
	}
	free(claimed);
	return repeated;
}

static bool fit_without_numbers(struct fitting *f, bool numbered)
{
	struct align_fit *fit = f->fit;
	struct align_peak peak;
	size_t overlap, repeated, phases = 0;

	pair_all(f);
	if (!f->n_pairs)
		return false;
	peak = align_pair_peak(f->pairs, f->n_pairs, 0);
	fit->rival = peak.rival;
	fit->verdict = peak.rival * 2 > peak.votes ? ALIGN_AMBIGUOUS : ALIGN_GOOD;
	pair_at(f, &peak);
	if (!f->n_pairs)
		return false;
	for (size_t i = 0; i < f->n_pairs; i++)
		phases += f->pairs[i].phases == PHASES_AGREE;
	overlap = count_overlap(f, peak.low);
	if (f->n_pairs < (phases ? SETTLED : 8) || f->n_pairs * 10 < overlap * 8)
		return false;
	if (numbered && !find_shift(f))
		return false;
	repeated = count_repeated(f);
	if (repeated * 4 > f->n_pairs)
		fit->verdict = ALIGN_AMBIGUOUS;
	/* Chance has many more pairs to play with here. */
	peak = align_pair_peak(f->pairs, f->n_pairs, phases ? 0 : 1 + f->n_pairs / 20);
	fit->comparable = overlap > f->n_pairs ? overlap : f->n_pairs;
	fit->agreeing = f->n_pairs;
	fit->phases_agree = phases > 0;
	fit->sizes_differ = 0;
	fit->doubtful = repeated;
	fit->n_pieces = 0;
	add_piece(fit, peak.low, peak.high, UINT64_MAX);
	forget_matched(f);
	for (size_t i = 0; i < f->n_pairs; i++)
		mark_matched(f, &f->pairs[i]);
	return true;
}

/* ---- Judging --------------------------------------------------------------------------- */

static enum align_verdict judge(const struct align_fit *fit, bool strangers)
{
	bool most = fit->agreeing * 10 >= fit->comparable * 8;
	bool half = fit->agreeing * 2 >= fit->comparable;

	if (fit->sizes_differ * 2 > fit->comparable)
		return ALIGN_SIZES_DIFFER;
	if (!half || (fit->agreeing < 8 && !most && !fit->phases_agree))
		return ALIGN_TIMES_DIFFER;
	if (strangers)
		return ALIGN_PHASES_DIFFER;
	if ((fit->rival >= fit->agreeing && fit->agreeing > 1) || fit->doubtful * 2 > fit->agreeing)
		return ALIGN_AMBIGUOUS;
	if (fit->agreeing >= SETTLED || (fit->phases_agree && fit->agreeing > 1))
		return ALIGN_GOOD;
	return ALIGN_WEAK;
}

static void fit_by_number(struct fitting *f, int64_t shift)
{
	struct align_fit *fit = f->fit;
	struct align_pair *kept;
	bool strangers;
	size_t n;

	f->n_pairs = fit->n_pieces = 0;
	fit->comparable = fit->agreeing = fit->sizes_differ = fit->rival = fit->doubtful = 0;
	fit->shift = shift;
	fit->verdict = ALIGN_NOTHING_COMMON;
	memset(fit->compared, 0, f->n_lines * sizeof(fit->compared[0]));
	forget_matched(f);
	pair_by_number(f, shift);
	if (!f->n_pairs)
		return;
	kept = xreallocarray(NULL, f->n_pairs, sizeof(kept[0]));
	n = keep_possible(f, kept, &strangers);
	if (n) {
		fit_one_zero(f, kept, n);
		if (fit->agreeing < fit->comparable)
			fit_drift(f, kept, n);
	}
	fit->verdict = judge(fit, strangers);
	free(kept);
}

static bool is_clean(const struct align_fit *fit)
{
	return fit->phases_agree || fit->comparable < 8 ||
	       fit->agreeing * 100 >= fit->comparable * 97;
}

/*
 * Where cycles follow each other within a millisecond or two, lines with wrong numbers fit too,
 * though not as well. Before a fit that is not clean is believed it is compared with others.
 */
static void fit_neighbours(struct fitting *f)
{
	static const int64_t shifts[] = {1, -1, 2, -2, 3, -3};
	size_t own = f->fit->agreeing, best = 0;
	int64_t best_shift = 0;
	bool clean = false;

	if (is_clean(f->fit) || f->fit->verdict == ALIGN_AMBIGUOUS)
		return;
	for (size_t i = 0; i < sizeof(shifts) / sizeof(shifts[0]); i++) {
		fit_by_number(f, shifts[i]);
		if (f->fit->verdict != ALIGN_GOOD || f->fit->agreeing <= best)
			continue;
		best = f->fit->agreeing;
		best_shift = shifts[i];
		clean = is_clean(f->fit);
	}
	fit_by_number(f, best > own && clean ? best_shift : 0);
	if (best >= own && !clean && f->fit->verdict >= ALIGN_WEAK)
		f->fit->verdict = ALIGN_AMBIGUOUS;
}

/* Whether numbers that lie so far off fit nearly as well as the lines' own do. */
static bool fits_shifted(struct fitting *f, int64_t shift, size_t agreeing, size_t comparable)
{
	fit_by_number(f, shift);
	return f->fit->verdict >= ALIGN_WEAK && f->fit->agreeing * 2 >= agreeing &&
	       f->fit->agreeing * comparable * 10 >= agreeing * f->fit->comparable * 7;
}

/*
 * A ticker's cycles are as far from each other as from those of any other run: then the times
 * confirm nothing, whatever the numbers say. What only comes close together fits one number further
 * on, and not many.
 */
static void find_regular(struct fitting *f)
{
	size_t own = f->fit->agreeing, of = f->fit->comparable;
	int64_t shift = f->fit->shift, far = (int64_t)(own / 4);
	bool regular;

	if (f->fit->verdict < ALIGN_WEAK || f->fit->phases_agree || own < 2)
		return;
	regular = fits_shifted(f, shift + 1, own, of) && fits_shifted(f, shift - 1, own, of) &&
		  (far < 2 || (fits_shifted(f, shift + far, own, of) &&
			       fits_shifted(f, shift - far, own, of)));
	fit_by_number(f, shift);
	f->fit->regular = regular;
}

void align_fit_find(const struct gctrace_entry *const *lines, size_t n_lines,
		    const struct align_cycles *cycles, bool numbers_may_err, struct align_fit *fit)
{
	struct fitting f = {.lines = lines,
			    .n_lines = n_lines,
			    .cycles = cycles->by_time,
			    .by_number = cycles->by_number,
			    .n_cycles = cycles->n,
			    .fit = fit};
	enum align_verdict verdict;
	bool numbered = false;

	*fit = (struct align_fit){
		.matched = xcalloc(n_lines + 1, sizeof(fit->matched[0])),
		.compared = xcalloc(n_lines + 1, sizeof(fit->compared[0])),
	};
	numbered = cycles->n && cycles->by_number[cycles->n - 1]->number;
	fit_by_number(&f, 0);
	fit_neighbours(&f);
	find_regular(&f);
	verdict = fit->verdict;
	if (verdict <= ALIGN_TIMES_DIFFER && (numbers_may_err || !numbered) && n_lines &&
	    cycles->n) {
		f.n_pairs = 0;
		if (!fit_without_numbers(&f, numbered))
			fit->verdict = verdict;
	}
	free(f.pairs);
}

void align_fit_free(struct align_fit *fit)
{
	free(fit->matched);
	free(fit->compared);
	free(fit->pieces);
	*fit = (struct align_fit){0};
}
