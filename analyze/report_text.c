#include "analyze/report_text.h"

#include "analyze/report_text_parts.h"
#include "formats/xalloc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_PROCESSES 3 /* with a section of their own, unless verbose */

const char *report_style(const struct report *report, enum report_style style)
{
	static const char *const sequences[] = {
		[STYLE_HEADING] = "\033[1m", [STYLE_BAD] = "\033[1;31m", [STYLE_WARN] = "\033[33m",
		[STYLE_GOOD] = "\033[32m",   [STYLE_FAINT] = "\033[2m",
	};

	return report->options.colour ? sequences[style] : "";
}

const char *report_plain(const struct report *report)
{
	return report->options.colour ? "\033[0m" : "";
}

void report_heading(const struct report *report, const char *text)
{
	fprintf(report->out, "\n%s%s%s\n", report_style(report, STYLE_HEADING), text,
		report_plain(report));
}

void report_put(const struct report *report, const char *text, size_t width)
{
	char *safe = width ? units_shorten(text, width) : units_printable(text);

	fputs(safe, report->out);
	free(safe);
}

static void put_spaces(FILE *out, size_t n)
{
	fprintf(out, "%*s", (int)n, "");
}

/* Prints words, separated by blanks, from the column on where the line stands; the first one joins
 * on to what is there. */
static void wrap_words(const struct report *report, char *words, size_t column, size_t indent)
{
	bool first = true;

	for (char *word = words, *end; *word; word = end) {
		size_t width;
		char kept;

		word += strspn(word, " ");
		end = word + strcspn(word, " ");
		kept = *end;
		*end = '\0';
		width = units_columns(word);
		if (!first && column + 1 + width > report->options.width) {
			fputc('\n', report->out);
			put_spaces(report->out, indent);
			column = indent;
		} else if (!first) {
			fputc(' ', report->out);
			column++;
		}
		fputs(word, report->out);
		column += width;
		*end = kept;
		first = false;
	}
	fputc('\n', report->out);
}

static void wrap_text(const struct report *report, size_t column, size_t indent, const char *fmt,
		      va_list ap)
{
	char *text, *safe;

	if (vasprintf(&text, fmt, ap) < 0)
		text = xstrdup(fmt);
	safe = units_printable(text);
	wrap_words(report, safe, column, indent);
	free(text);
	free(safe);
}

void report_wrap(const struct report *report, size_t first_indent, size_t indent, const char *fmt,
		 ...)
{
	va_list ap;

	put_spaces(report->out, first_indent);
	va_start(ap, fmt);
	wrap_text(report, first_indent, indent, fmt, ap);
	va_end(ap);
}

void report_wrap_on(const struct report *report, size_t column, size_t indent, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	wrap_text(report, column, indent, fmt, ap);
	va_end(ap);
}

struct units_text report_time(const struct report *report, uint64_t time)
{
	uint64_t first = report->model->first_time;

	if (time <= first)
		return (struct units_text){"0s"};
	return units_duration(time - first);
}

bool report_shows_process(const struct report *report, size_t place)
{
	return place < report->model->n_processes &&
	       (report->options.verbose || place == 0 ||
		(place < MOST_PROCESSES && report->births[report->order[place]]));
}

char *report_place(const struct symtab_frame *frame, size_t width)
{
	char *path, *place;
	const char *from;
	size_t room;

	if (!frame->file[0])
		return xstrdup("");
	path = units_printable(frame->file);
	place = frame->line ? xasprintf(":%" PRIu32, frame->line) : xstrdup("");
	room = width > strlen(place) ? width - strlen(place) : 0;
	/* Whole directories are left out, from the front; of the file's name nothing is. */
	for (from = path;
	     units_columns(from) + (from == path ? 0 : 3) > room && strchr(from + 1, '/');)
		from = strchr(from + 1, '/');
	if (from != path && units_columns(from) + 3 > room)
		from++;
	{
		char *text =
			xasprintf("%s%s%s", from != path && *from == '/' ? "..." : "", from, place);

		free(path);
		free(place);
		return text;
	}
}

/* ---- What was recorded ------------------------------------------------------------------ */

static void put_wall_time(FILE *out, const struct model *model)
{
	uint64_t wall = model_wall_time(model, model->first_time);
	time_t seconds = (time_t)(wall / 1000000000);
	char text[32];
	struct tm tm;

	if (wall && gmtime_r(&seconds, &tm) &&
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm))
		fprintf(out, " %s,", text);
}

static void print_file(const struct report *report)
{
	const struct model *model = report->model;
	uint64_t span =
		model->last_time > model->first_time ? model->last_time - model->first_time : 0;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	fprintf(out, "%s: recorded", model->trace_path ? model->trace_path : "trace");
	put_wall_time(out, model);
	fprintf(out, " for %s", units_duration(span).text);
	if (model->hostname)
		fprintf(out, " on %s", model->hostname);
	if (model->osrelease)
		fprintf(out, " (Linux %s%s%s)", model->osrelease, model->arch ? ", " : "",
			model->arch ? model->arch : "");
	else if (model->arch)
		fprintf(out, " (%s)", model->arch);
	fclose(out);
	fputs(report_style(report, STYLE_HEADING), report->out);
	report_wrap(report, 0, 4, "%s", text);
	fputs(report_plain(report), report->out);
	free(text);
	if (model->cmdline)
		report_wrap(report, 0, 4, "command: %s", model->cmdline);
}

static size_t count_sites(const struct model *model, uint32_t process)
{
	size_t n = 0;

	for (size_t i = 0; i < model->n_sites; i++)
		n += model->sites[i].process == process && model->sites[i].kind == SITE_HEAP &&
		     (model->sites[i].births || model->sites[i].unmatched_deaths);
	return n;
}

static uint64_t count_cycles(const struct model *model, uint32_t process)
{
	uint64_t n = 0;

	for (size_t i = 0; i < model->n_cycles; i++)
		n += model->cycles[i].process == process;
	return n;
}

static char *sampling_text(const struct process *process)
{
	if (process->by_spans)
		return xstrdup("one sample per span");
	if (!process->mem_profile_rate)
		return xstrdup(process->runtime_init ? "heap sampling off"
						     : "heap sampling not known");
	if (process->mem_profile_rate == 1)
		return xstrdup("every object sampled");
	return xasprintf("one sample per %s", units_bytes((double)process->mem_profile_rate).text);
}

static bool is_c_only(const struct process *process)
{
	return process->native_every && !process->runtime_init &&
	       !(process->go_version && process->go_version[0]);
}

/* What C code allocated, where that was recorded. */
static void print_native(const struct report *report, uint32_t index)
{
	const struct model *model = report->model;
	const struct process *process = &model->processes[index];
	uint64_t births = 0, deaths = process->ended_unseen[SITE_NATIVE], sites = 0;
	char *thinned = xstrdup("");
	double live = 0;

	for (size_t i = 0; i < model->n_sites; i++) {
		const struct site *site = &model->sites[i];

		if (site->process != index || site->kind != SITE_NATIVE)
			continue;
		births += site->births;
		deaths += site->deaths;
		live += site->est_live_bytes;
		sites++;
	}
	if (process->native_every > 1) {
		free(thinned);
		thinned = xasprintf(", one of %" PRIu32 " below %s and all above",
				    process->native_every,
				    units_bytes((double)process->native_whole).text);
	}
	if (process->native_every)
		report_wrap(report, 4, 4,
			    "C code: %s allocations and %s frees recorded at %s sites%s; %s of "
			    "them alive at the end",
			    units_count(births).text, units_count(deaths).text,
			    units_count(sites).text, thinned, units_bytes(live).text);
	free(thinned);
}

static void print_process(const struct report *report, uint32_t index)
{
	const struct model *model = report->model;
	const struct process *process = &model->processes[index];
	char *sampling = sampling_text(process), *ended = xstrdup("");
	uint64_t deaths = 0;

	for (size_t i = 0; i < model->n_sites; i++)
		if (model->sites[i].process == index && model->sites[i].kind == SITE_HEAP)
			deaths += model->sites[i].deaths + model->sites[i].unmatched_deaths;
	if (process->end && process->end < model->last_time) {
		free(ended);
		ended = xasprintf(", ended at %s", report_time(report, process->end).text);
	}
	if (is_c_only(process)) {
		report_wrap(report, 0, 4, "process %" PRIu32 " %s, which is not Go, %s%s",
			    process->pid, process->exe ? process->exe : process->comm,
			    process->attached ? "attached to" : "recorded from its start", ended);
	} else
		report_wrap(report, 0, 4,
			    "process %" PRIu32
			    " %s (%s), %s%s: %s GC cycles, %s births and %s deaths "
			    "sampled at %s sites, %s",
			    process->pid, process->exe ? process->exe : process->comm,
			    process->go_version && process->go_version[0] ? process->go_version
									  : "Go version not known",
			    process->attached ? "attached to" : "recorded from its start", ended,
			    units_count(count_cycles(model, index)).text,
			    units_count(report->births[index]).text, units_count(deaths).text,
			    units_count(count_sites(model, index)).text, sampling);
	print_native(report, index);
	free(sampling);
	free(ended);
}

static void print_header(const struct report *report)
{
	const struct model *model = report->model;
	size_t hidden = 0;

	print_file(report);
	for (size_t i = 0; i < model->n_processes; i++) {
		if (report_shows_process(report, i))
			print_process(report, report->order[i]);
		else
			hidden++;
	}
	if (hidden)
		fprintf(report->out, "and %zu more process%s with few samples (-v shows %s)\n",
			hidden, hidden == 1 ? "" : "es", hidden == 1 ? "it" : "them");
	if (!model->n_processes)
		fputs("No process is described in this trace.\n", report->out);
}

/* ---- All of it -------------------------------------------------------------------------- */

/* Processes by births, most first; few, so that a simple sort does. */
static void order_processes(struct report *report)
{
	const struct model *model = report->model;

	report->births = xcalloc(model->n_processes + 1, sizeof(*report->births));
	report->order = xcalloc(model->n_processes + 1, sizeof(*report->order));
	for (size_t i = 0; i < model->n_sites; i++)
		if (model->sites[i].process < model->n_processes &&
		    model->sites[i].kind == SITE_HEAP)
			report->births[model->sites[i].process] += model->sites[i].births;
	for (size_t i = 0; i < model->n_processes; i++) {
		size_t at = i;

		for (; at && report->births[report->order[at - 1]] < report->births[i]; at--)
			report->order[at] = report->order[at - 1];
		report->order[at] = (uint32_t)i;
	}
}

struct error *report_text(FILE *out, const struct model *model,
			  const struct report_options *options)
{
	struct report report = {.out = out, .model = model};

	if (options)
		report.options = *options;
	if (!report.options.width)
		report.options.width = 100;
	if (report.options.width < 60)
		report.options.width = 60;
	if (!report.options.top)
		report.options.top = 5;
	order_processes(&report);
	print_header(&report);
	report_timelines(&report);
	report_memory(&report);
	report_executions(&report);
	report_goroutines(&report);
	report_goroutine_dumps(&report);
	report_candidates(&report);
	report_hot_spots(&report);
	report_faults(&report);
	report_trust(&report);
	free(report.births);
	free(report.order);
	if (fflush(out) || ferror(out))
		return error_errno(errno, "cannot write the report");
	return NULL;
}
