#include "analyze/owners.h"
#include "analyze/report_text_parts.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PERIODS  12 /* rows of the table over time */
#define MOST_ACCOUNTS 3	 /* processes, unless verbose */
#define MOST_OWNERS   5	 /* columns of it; what is less goes into one */

/* ---- By owner --------------------------------------------------------------------------- */

/* The owners that have faults, most first touches first; returns how many. */
static size_t order_owners(const struct fault_account *account, enum memory_owner *order)
{
	size_t n = 0;

	for (int o = 0; o < OWNER_COUNT; o++) {
		size_t at = n;

		if (!account->owners[o].faults)
			continue;
		for (; at &&
		       account->owners[order[at - 1]].first_bytes < account->owners[o].first_bytes;
		     at--)
			order[at] = order[at - 1];
		order[at] = (enum memory_owner)o;
		n++;
	}
	return n;
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static void print_owners(const struct report *report, const struct fault_account *account)
{
	enum memory_owner order[OWNER_COUNT];
	size_t n = order_owners(account, order);

	fprintf(report->out, "  %-18s %12s %7s %10s %8s\n", "memory of", "first touch", "share",
		"faults", "major");
	for (size_t i = 0; i < n; i++) {
		const struct fault_tally *tally = &account->owners[order[i]];

		fprintf(report->out, "  %-18s %12s %7s %10s %8s\n", owner_name(order[i]),
			units_bytes((double)tally->first_bytes).text,
			units_percent(share(tally->first_bytes, account->total.first_bytes)).text,
			units_count(tally->faults).text,
			tally->major ? units_count(tally->major).text : "-");
	}
}

/* ---- Over time -------------------------------------------------------------------------- */

static uint64_t slots_sum(const struct fault_account *account, size_t from, size_t to,
			  enum memory_owner owner)
{
	uint64_t sum = 0;

	for (size_t i = from; i < to && i < account->n_slots; i++)
		sum += account->slots[i][owner];
	return sum;
}

static void print_cell(const struct report *report, uint64_t bytes)
{
	if (bytes)
		fprintf(report->out, " %12.2f", (double)bytes / 1048576);
	else
		fprintf(report->out, " %12s", "-");
}

static void print_periods(const struct report *report, const struct fault_account *account)
{
	enum memory_owner order[OWNER_COUNT];
	size_t n = order_owners(account, order), shown = n > MOST_OWNERS ? MOST_OWNERS - 1 : n;
	size_t each = (account->n_slots + MOST_PERIODS - 1) / MOST_PERIODS;

	if (account->n_slots < 2)
		return;
	report_wrap(report, 2, 4, "First touches over time, in MiB, a row per %s:",
		    units_duration(each * account->width).text);
	fprintf(report->out, "  %10s", "time");
	for (size_t i = 0; i < shown; i++)
		fprintf(report->out, " %12.12s", owner_name(order[i]));
	fprintf(report->out, "%s\n", shown < n ? "         rest" : "");
	for (size_t from = 0; from < account->n_slots; from += each) {
		uint64_t rest = 0;

		fprintf(report->out, "  %10s",
			report_time(report, account->base + from * account->width).text);
		for (size_t i = 0; i < n; i++) {
			uint64_t bytes = slots_sum(account, from, from + each, order[i]);

			if (i < shown)
				print_cell(report, bytes);
			else
				rest += bytes;
		}
		if (shown < n)
			print_cell(report, rest);
		fputc('\n', report->out);
	}
}

/* ---- By call stack ---------------------------------------------------------------------- */

static void print_sites(const struct report *report, const struct fault_account *account)
{
	const struct model *model = report->model;
	size_t shown = 0, most = report->options.verbose ? SIZE_MAX : report->options.top;

	report_wrap(report, 2, 4, "Who touches it first, by call stack:");
	for (size_t i = 0; i < model->n_fault_sites && shown < most; i++) {
		const struct fault_site *site = &model->fault_sites[i];

		if (site->process != account->process || !site->tally.first_bytes)
			continue;
		fprintf(report->out, "  %12s %6s  %-16s ",
			units_bytes((double)site->tally.first_bytes).text,
			units_percent(share(site->tally.first_bytes, account->total.first_bytes))
				.text,
			owner_name(site->owner));
		if (site->stack < model->n_stacks)
			report_frame_on(report, model_fault_frame(model, site),
					report->options.width - 41, 0);
		else
			fputs("(no call stack)\n", report->out);
		shown++;
	}
}

/* ---- Never touched ---------------------------------------------------------------------- */

/* The sites of a process with untouched memory, the largest first; to be freed. */
static const struct site **untouched_sites(const struct model *model, uint32_t process, size_t *n,
					   struct site *sum)
{
	const struct site **list = xcalloc(model->n_sites + 1, sizeof(*list));

	*n = 0;
	for (size_t i = 0; i < model->n_sites; i++) {
		const struct site *site = &model->sites[i];
		size_t at = *n;

		if (site->process != process || !site->paged_objects)
			continue;
		sum->paged_objects += site->paged_objects;
		sum->paged_est_bytes += site->paged_est_bytes;
		sum->untouched_objects += site->untouched_objects;
		sum->untouched_est_bytes += site->untouched_est_bytes;
		if (site->untouched_est_bytes <= 0)
			continue;
		for (; at && list[at - 1]->untouched_est_bytes < site->untouched_est_bytes; at--)
			list[at] = list[at - 1];
		list[at] = site;
		++*n;
	}
	return list;
}

static void print_untouched(const struct report *report, uint32_t process)
{
	struct site sum = {0};
	size_t n, most = report->options.verbose ? SIZE_MAX : report->options.top;
	const struct site **list = untouched_sites(report->model, process, &n, &sum);

	if (sum.paged_objects) {
		report_wrap(report, 2, 4,
			    "Never touched: some %s of the %s that %s sampled objects stand for "
			    "whose memory was mapped or given back while its faults were "
			    "recorded; %s of them in no page.",
			    units_bytes(sum.untouched_est_bytes).text,
			    units_bytes(sum.paged_est_bytes).text,
			    units_count(sum.paged_objects).text,
			    units_count(sum.untouched_objects).text);
	}
	for (size_t i = 0; i < n && i < most; i++) {
		fprintf(report->out, "  %12s of %12s  ",
			units_bytes(list[i]->untouched_est_bytes).text,
			units_bytes(list[i]->paged_est_bytes).text);
		report_frame_on(report, model_site_frame(report->model, list[i]),
				report->options.width - 32, 0);
	}
	free(list);
}

/* ---- All of it -------------------------------------------------------------------------- */

static uint64_t last_rss(const struct model *model, uint32_t process)
{
	uint64_t rss = 0;

	for (size_t i = 0; i < model->n_rss; i++)
		if (model->rss[i].process == process)
			rss = model->rss[i].rss;
	return rss;
}

static void print_account(const struct report *report, const struct fault_account *account)
{
	const struct process *process = &report->model->processes[account->process];
	const char *name = process->exe ? process->exe : process->comm;
	uint64_t rss = last_rss(report->model, account->process);

	report_wrap(report, 0, 4,
		    "process %" PRIu32 "%s%s: %s faults%s, of them %s major; %s touched for the "
		    "first time, %s of it mapped at the end%s%s",
		    process->pid, *name ? " " : "", name, units_count(account->total.faults).text,
		    account->is_sampled ? " (estimated from samples)" : "",
		    units_count(account->total.major).text,
		    units_bytes((double)account->total.first_bytes).text,
		    units_bytes((double)account->resident_bytes).text,
		    rss ? "; RSS at the last reading " : "",
		    rss ? units_bytes((double)rss).text : "");
	print_owners(report, account);
	print_periods(report, account);
	print_sites(report, account);
	print_untouched(report, account->process);
}

static void print_others(const struct report *report)
{
	const struct model *model = report->model;

	if (!model->n_others)
		return;
	report_heading(report, "Other events");
	for (size_t i = 0; i < model->n_others; i++) {
		const struct other_event *other = &model->others[i];
		struct units_text first = report_time(report, other->first);

		fprintf(report->out, "  %12s  ", units_count(other->count).text);
		report_put(report, other->name, 48);
		if (other->last)
			fprintf(report->out, ", from %s to %s", first.text,
				report_time(report, other->last).text);
		fputc('\n', report->out);
	}
}

static int by_first_touch(const void *a, const void *b)
{
	const struct fault_account *left = *(const struct fault_account *const *)a;
	const struct fault_account *right = *(const struct fault_account *const *)b;

	if (left->total.first_bytes != right->total.first_bytes)
		return left->total.first_bytes > right->total.first_bytes ? -1 : 1;
	return (left->process > right->process) - (left->process < right->process);
}

/* The accounts, the one with the most first touches first; to be freed. */
static const struct fault_account **order_accounts(const struct model *model)
{
	const struct fault_account **order = xcalloc(model->n_faults + 1, sizeof(*order));

	for (size_t i = 0; i < model->n_faults; i++)
		order[i] = &model->faults[i];
	qsort(order, model->n_faults, sizeof(*order), by_first_touch);
	return order;
}

static void print_accounts(const struct report *report)
{
	const struct model *model = report->model;
	const struct fault_account **order = order_accounts(model);
	size_t shown = report->options.verbose || model->n_faults <= MOST_ACCOUNTS ? model->n_faults
										   : MOST_ACCOUNTS;

	for (size_t i = 0; i < shown; i++)
		print_account(report, order[i]);
	if (shown < model->n_faults)
		fprintf(report->out, "  and %zu more processes with fewer (-v shows them)\n",
			model->n_faults - shown);
	free(order);
}

void report_faults(const struct report *report)
{
	if (report->model->n_faults) {
		report_heading(report, "Page faults: who touches memory for the first time");
		print_accounts(report);
		report_wrap(report, 2, 4,
			    "A fault counts as one page. Where one brings in more - a transparent "
			    "huge page, or pages around it in a file - RSS grows by more than is "
			    "shown.");
	}
	print_others(report);
}
