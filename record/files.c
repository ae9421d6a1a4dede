#include "record/recording.h"

#include "formats/xalloc.h"
#include "record/output.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct error *open_next(struct recording *r)
{
	const struct record_options *options = r->options;

	if (options_to_pipe(options)) {
		r->file.path = xstrdup("standard output");
		r->file.fd = STDOUT_FILENO;
		return NULL;
	}
	if (options_numbered(options)) {
		r->file.number = r->written.number + 1;
		r->file.path = output_numbered(options->output, r->file.number);
	} else {
		r->file.path = xstrdup(options->output);
	}
	return output_create(r->file.path, &r->file.fd);
}

static void close_file(struct recording *r)
{
	if (r->writer)
		perfdata_writer_leave(r->writer);
	r->writer = NULL;
	if (r->file.fd > STDOUT_FILENO)
		close(r->file.fd);
	free(r->file.path);
	r->file.path = NULL;
	r->file.fd = -1;
}

struct error *files_open(struct recording *r)
{
	struct perfdata_writer_options options = {
		.pipe = options_to_pipe(r->options),
		.compression_level = r->options->compression_level,
		.version = GMT_VERSION,
		.cmdline = r->options->argv,
		.tracing_data = r->tracing_data.data,
		.tracing_data_len = r->tracing_data.len,
	};
	struct error *err;

	TRY(open_next(r));
	options.fd = r->file.fd;
	options.events = session_events(r->session, &options.n_events);
	err = error_context(perfdata_writer_new(&options, &r->writer), "%s", r->file.path);
	if (err) {
		/* A file without so much as its header is of no use to anybody. */
		if (!options.pipe)
			unlink(r->file.path);
		close_file(r);
	}
	return err;
}

/* Of the present file. */
static uint64_t present_bytes(const struct recording *r)
{
	uint64_t raw, packed;
	struct stat st;

	if (r->file.fd < 0)
		return 0;
	if (!options_to_pipe(r->options))
		return fstat(r->file.fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	if (!r->writer)
		return r->file.bytes;
	perfdata_writer_stats(r->writer, &raw, &packed);
	return packed;
}

uint64_t files_bytes(const struct recording *r)
{
	return r->written.bytes + present_bytes(r);
}

struct error *files_complete(struct recording *r, const struct buffer *dumps)
{
	struct error *err;

	/* The next file could not be begun. */
	if (!r->writer)
		return NULL;
	emit_flush(r);
	if (!r->failure && !options_to_pipe(r->options)) {
		emit_symbols(r);
		if (dumps->len)
			perfdata_writer_feature(r->writer, PERFDATA_FEAT_DUMPS, dumps->data,
						dumps->len);
	}
	r->file.bytes = present_bytes(r);
	err = error_context(perfdata_writer_finish(r->writer), "%s", r->file.path);
	r->writer = NULL;
	return err;
}

/* The file is closed here; how much it will have is known up to its symbols. */
static void leave_file(struct recording *r)
{
	r->written.bytes = files_bytes(r);
	r->written.number = r->file.number;
	close_file(r);
}

/* In the new process: what it says goes to standard error, as everything does. */
static void be_helper(struct recording *r, const struct buffer *dumps,
		      struct error *complete(struct recording *r, const struct buffer *dumps))
{
	struct error *err;

	/* The rings are the recorder's. */
	if (setpriority(PRIO_PROCESS, 0, 10) != 0)
		errno = 0;
	err = complete(r, dumps);
	if (!err) {
		err = r->failure;
		r->failure = NULL;
	}
	if (err)
		log_warn(r->log, "%s; %s", error_message(err),
			 error_remedy_text(err) ? error_remedy_text(err) : "it is incomplete");
	fflush(r->log->out);
	_exit(err ? EXIT_RECORD_FAILED : 0);
}

void files_complete_aside(struct recording *r, const struct buffer *dumps,
			  struct error *complete(struct recording *r, const struct buffer *dumps))
{
	pid_t pid = fork();

	if (pid == 0)
		be_helper(r, dumps, complete);
	if (pid > 0) {
		r->helper = pid;
	} else {
		/* It takes longer, and the rings may overflow: but nothing is left undone. */
		emit_failed(r, complete(r, dumps));
	}
	leave_file(r);
}

bool files_busy(struct recording *r, bool wait)
{
	int status;
	pid_t pid;

	if (!r->helper)
		return false;
	do {
		pid = waitpid(r->helper, &status, wait ? 0 : WNOHANG);
	} while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return true;
	if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		r->failed_files++;
	r->helper = 0;
	return false;
}

/* The numbered files that are there. */
static uint32_t count_files(const struct recording *r, uint64_t *bytes)
{
	uint32_t last = r->file.number > r->written.number ? r->file.number : r->written.number;
	uint32_t n = 0;

	*bytes = 0;
	for (uint32_t i = r->first_number; i <= last; i++) {
		char *path = output_numbered(r->options->output, i);
		struct stat st;

		if (stat(path, &st) == 0) {
			*bytes += (uint64_t)st.st_size;
			n++;
		}
		free(path);
	}
	return n;
}

void files_summary(const struct recording *r)
{
	double events = (double)session_counts(r->session)->bytes / 1e3;
	const char *output = r->options->output;
	uint64_t bytes;
	uint32_t n;

	if (!options_numbered(r->options)) {
		log_info(r->log, "%s: %.1f kB for %.1f kB of events", r->file.path,
			 (double)files_bytes(r) / 1e3, events);
		if (!r->failure && !options_to_pipe(r->options))
			log_info(r->log, "next: analyze %s", output);
		return;
	}
	n = count_files(r, &bytes);
	log_info(r->log, "%s.%06u and on: %u file%s, %.1f kB, for %.1f kB of events", output,
		 r->first_number, n, n == 1 ? "" : "s", (double)bytes / 1e3, events);
	if (r->failure || !n)
		return;
	if (r->options->snapshot)
		log_info(r->log, "next: analyze one of them, each is complete by itself");
	else
		log_info(r->log, "next: analyze %s.*, or some of them", output);
}

void files_free(struct recording *r)
{
	files_busy(r, true);
	if (r->writer) {
		error_free(perfdata_writer_finish(r->writer));
		r->writer = NULL;
	}
	close_file(r);
	for (size_t i = 0; r->conditions && i < r->n_targets * r->options->n_conditions; i++)
		snapshot_watch_free(r->conditions[i]);
	free(r->conditions);
	flight_free(r->flight);
	names_free(r->names);
	buffer_free(&r->tracing_data);
	buffer_free(&r->kernel_map);
}
