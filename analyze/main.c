/* analyze: which allocation sites of a Go program leak, from a trace, a GC log and heap dumps. */

#include "analyze/align.h"
#include "analyze/comparison.h"
#include "analyze/findings.h"
#include "analyze/gates.h"
#include "analyze/gchealth.h"
#include "analyze/gotrace.h"
#include "analyze/judge.h"
#include "analyze/load.h"
#include "analyze/metrics_scope.h"
#include "analyze/options.h"
#include "analyze/reconcile.h"
#include "analyze/report_json.h"
#include "analyze/report_text.h"
#include "analyze/report_text_gates.h"
#include "analyze/salvage.h"
#include "common/log.h"
#include "common/progress.h"
#include "formats/xalloc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* As diff and grep have it. */
enum { EXIT_WELL = 0, EXIT_GATE = 1, EXIT_TROUBLE = 2 };

/* What one log tells; the log is freed. */
static void use_log(const struct analyze_options *options, struct findings *findings,
		    const char *name, struct gctrace_log *log)
{
	if (options->n_traces)
		align_gctrace_log(&findings->model, name, log);
	gchealth_add_log(&findings->health, name, log, &options->gc);
	gctrace_log_free(log);
}

/* The lines that the recorder took from the standard error of the processes. False: none. */
static bool use_recorded_logs(const struct analyze_options *options, struct findings *findings,
			      const struct log *log)
{
	struct model *model = &findings->model;
	bool used = false;

	for (size_t i = 0; i < model->n_gctrace_texts; i++) {
		const struct gctrace_text *text = &model->gctrace_texts[i];
		char *name = xasprintf("%s, process %u", model->trace_path,
				       model->processes[text->process].pid);
		struct gctrace_log lines;

		gctrace_log_parse(text->text.data, text->text.len, &lines);
		used |= lines.n_entries != 0;
		use_log(options, findings, name, &lines);
		if (text->left_out)
			log_warn(log, "%s: %llu gctrace lines were left out: it holds too many",
				 name, (unsigned long long)text->left_out);
		free(name);
	}
	return used;
}

/* Logs that are named take the place of the lines in the trace, which may be the same. */
static struct error *read_logs(const struct analyze_options *options, const struct log *messages,
			       struct findings *findings)
{
	for (size_t i = 0; i < options->n_gctraces; i++) {
		const char *path = options->gctraces[i];
		struct gctrace_log log;

		TRY(gctrace_log_read(path, &log));
		use_log(options, findings, path, &log);
	}
	/* A log tells more than the trace of the same cycles. */
	if (!options->n_gctraces && !use_recorded_logs(options, findings, messages))
		gchealth_add_trace(&findings->health, &findings->model, &options->gc);
	return NULL;
}

/* The heap dumps come first: what was alive at their cycles is counted while the trace is read. */
static struct error *find_out(const struct analyze_options *options, struct log *log,
			      struct findings *findings)
{
	struct model *model = &findings->model;
	const struct load_options load = {.from = options->from, .to = options->to, .log = log};

	for (size_t i = 0; i < options->n_dumps; i++)
		TRY(reconcile_load(model, options->dumps[i]));
	if (options->n_traces)
		TRY(load_traces(options->traces, options->n_traces, &load, model));
	TRY(read_logs(options, log, findings));
	for (size_t i = 0; i < options->n_gotraces; i++)
		TRY(gotrace_load(model, options->gotraces[i]));
	reconcile_dumps(model);
	model->memory_limit = options->limit;
	judge(model, &(struct judge_options){.memory_limit = options->limit});
	return NULL;
}

/* A report in JSON begins with a brace, which no trace does. */
static bool is_json(const char *path)
{
	FILE *f = fopen(path, "re");
	int first = f ? getc(f) : EOF;

	if (f)
		fclose(f);
	return first == '{';
}

/* A trace as the baseline is read as by itself, without logs and dumps. */
static struct error *add_baseline(const char *path, struct log *log, struct comparison *comparison)
{
	const struct gchealth_options health = gchealth_defaults();
	const struct load_options load = {.log = log};
	struct findings before = {0};
	struct error *err;

	if (is_json(path))
		return comparison_add_json(comparison, path);
	model_init(&before.model);
	err = load_traces(&path, 1, &load, &before.model);
	if (!err) {
		gchealth_add_trace(&before.health, &before.model, &health);
		judge(&before.model, &(struct judge_options){0});
		comparison_add(comparison, &before, false);
	}
	gchealth_free(&before.health);
	model_free(&before.model);
	return err;
}

static struct error *compare(const struct analyze_options *options, struct log *log,
			     struct findings *findings)
{
	if (!options->baseline)
		return NULL;
	findings->comparison = comparison_new();
	TRY(error_context(add_baseline(options->baseline, log, findings->comparison),
			  "--baseline"));
	comparison_add(findings->comparison, findings, true);
	comparison_finish(findings->comparison);
	return NULL;
}

static bool wants_color(const struct analyze_options *options, FILE *out)
{
	const char *no_color = getenv("NO_COLOR");

	if (options->color != COLOR_AUTO)
		return options->color == COLOR_ALWAYS;
	return isatty(fileno(out)) && !(no_color && *no_color);
}

static size_t terminal_width(FILE *out)
{
	struct winsize size = {0};

	if (isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0)
		return size.ws_col;
	return 0;
}

static struct error *write_text(const struct analyze_options *options, FILE *out,
				const struct findings *findings)
{
	const struct report_options report = {
		.width = terminal_width(out),
		.top = options->top,
		.hot = options->hot,
		.near_goal = options->near_goal > 0,
		.colour = wants_color(options, out),
		.verbose = options->verbosity > 0,
	};

	if (options->n_traces)
		TRY(report_text(out, &findings->model, &report));
	if (findings->health.n) {
		fprintf(out, "%sGarbage collector%s\n", options->n_traces ? "\n" : "",
			options->n_traces ? "" : ", by its log alone");
		gchealth_print(&findings->health, out);
	}
	TRY(report_text_gates(out, findings, &report));
	return ferror(out) ? error_errno(errno, "the report cannot be written") : NULL;
}

static struct error *write_report(const struct analyze_options *options, FILE *out,
				  const struct findings *findings)
{
	switch (options->format) {
	case FORMAT_JSON:
		return report_json(out, findings);
	case FORMAT_TEXT:
		break;
	}
	return write_text(options, out, findings);
}

/* Devices and pipes are written to; only a regular file can be replaced. */
static bool is_special(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static struct error *write_special(const struct analyze_options *options,
				   const struct findings *findings)
{
	FILE *out = fopen(options->output, "we");
	struct error *err;

	if (!out)
		return error_errno(errno, "%s: cannot be written", options->output);
	err = error_context(write_report(options, out, findings), "%s", options->output);
	if (fclose(out) && !err)
		err = error_errno(errno, "%s: cannot be written", options->output);
	return err;
}

/* The report takes the place of the output file as a whole, or leaves it as it was. */
static struct error *write_file(const struct analyze_options *options,
				const struct findings *findings)
{
	char *temporary = xasprintf("%s.%ld.tmp", options->output, (long)getpid());
	FILE *out = fopen(temporary, "wxe");
	struct error *err = NULL;

	if (!out)
		err = error_errno(errno, "%s: cannot be written", options->output);
	else
		err = error_context(write_report(options, out, findings), "%s", options->output);
	if (out && fclose(out) && !err)
		err = error_errno(errno, "%s: cannot be written", options->output);
	if (!err && rename(temporary, options->output))
		err = error_errno(errno, "%s: cannot be written", options->output);
	if (err && out)
		unlink(temporary);
	free(temporary);
	return err;
}

static struct error *write_output(const struct analyze_options *options,
				  const struct findings *findings)
{
	struct error *err;

	if (options->output && strcmp(options->output, "-"))
		return is_special(options->output) ? write_special(options, findings)
						   : write_file(options, findings);
	err = write_report(options, stdout, findings);
	if (!err && fflush(stdout))
		err = error_errno(errno, "standard output");
	return err;
}

/* Whoever does not see the report is told what is the matter with the gates all the same. */
static void tell_gates(const struct analyze_options *options, const struct gates *gates,
		       struct log *log)
{
	bool seen = options->format == FORMAT_TEXT && !options->output;

	for (size_t i = 0; i < gates->n; i++) {
		const struct gate *gate = &gates->items[i];

		if (gate->result == GATE_TRIPPED && !seen)
			log_warn(log, "gate tripped: %s: %s", gate->text, gate->values);
		else if (gate->result == GATE_UNKNOWN)
			log_warn(log, "gate not decided: %s: %s", gate->text, gate->needs);
	}
}

static struct error *list_metrics(const struct findings *findings)
{
	metrics_list(stdout, findings);
	return fflush(stdout) ? error_errno(errno, "standard output") : NULL;
}

static struct error *report(const struct analyze_options *options, struct log *log,
			    struct findings *findings, int *status)
{
	gates_evaluate(findings->gates, findings);
	TRY(write_output(options, findings));
	tell_gates(options, findings->gates, log);
	if (gates_count(findings->gates, GATE_UNKNOWN))
		*status = EXIT_TROUBLE;
	if (gates_count(findings->gates, GATE_TRIPPED))
		*status = EXIT_GATE;
	return NULL;
}

static struct error *run(struct analyze_options *options, struct log *log, int *status)
{
	struct findings findings = {.gates = &options->gates};
	struct error *err;

	model_init(&findings.model);
	findings.model.near_goal = options->near_goal;
	err = find_out(options, log, &findings);
	if (!err)
		err = compare(options, log, &findings);
	progress_clear(log->progress);
	if (!err && options->action == ANALYZE_METRICS)
		err = list_metrics(&findings);
	else if (!err)
		err = report(options, log, &findings, status);
	comparison_free(findings.comparison);
	gchealth_free(&findings.health);
	model_free(&findings.model);
	return err;
}

static struct error *print(const char *text)
{
	return fputs(text, stdout) < 0 || fflush(stdout) ? error_errno(errno, "standard output")
							 : NULL;
}

int main(int argc, char *argv[])
{
	struct progress progress;
	struct log log = {.out = stderr, .progress = &progress};
	struct analyze_options options;
	struct error *err;
	int status = EXIT_WELL;

	/* A reader that has seen enough ends us without a word, whatever our parent made of it. */
	signal(SIGPIPE, SIG_DFL);
	err = analyze_options_parse(argc, argv, &options);
	log.verbosity = options.verbosity;
	progress = progress_start(stderr, !err && options.verbosity >= 0);
	if (!err) {
		switch (options.action) {
		case ANALYZE_HELP:
			err = print(analyze_help);
			break;
		case ANALYZE_VERSION:
			err = print("analyze " GMT_VERSION "\n");
			break;
		case ANALYZE_SALVAGE:
			err = salvage_trace(options.traces[0], options.salvage, &log);
			break;
		case ANALYZE_METRICS:
		case ANALYZE_REPORT:
			err = options.n_traces || options.n_gctraces ? run(&options, &log, &status)
								     : list_metrics(NULL);
			break;
		}
	}
	if (err) {
		status = EXIT_TROUBLE;
		log_error(&log, err);
	}
	error_free(err);
	analyze_options_free(&options);
	return status;
}
