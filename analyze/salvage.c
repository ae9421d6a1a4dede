#include "analyze/salvage.h"

#include "formats/note.h"
#include "formats/perfdata.h"
#include "formats/tracing_data.h"
#include "formats/xalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Records that perf writes into the data of a file form: bulk lies behind the first of them. */
#define AUXTRACE_INFO 70
#define AUXTRACE      71

#define LEVEL 1 /* of compression */

struct salvage {
	const char *path;
	struct perfdata_reader *reader;
	const struct perfdata_info *info;
	struct perfdata_writer *writer;
	uint64_t records, samples, first, last;
};

/* ---- Whether it can be done -------------------------------------------------------------- */

static bool has_tracepoints(const struct perfdata_info *info)
{
	for (size_t i = 0; i < info->n_events; i++)
		if (info->events[i].attr.type == PERF_TYPE_TRACEPOINT)
			return true;
	return false;
}

static struct error *check_formats(const struct salvage *s)
{
	struct tracing_data *tracing;

	if (!s->info->tracing_data)
		return error_remedy(
			error_new("%s: the formats of its tracepoints stood behind its data and "
				  "are lost, and without them nobody can tell what its events hold",
				  s->path),
			"copy the file again, whole");
	TRY(error_context(
		tracing_data_parse(s->info->tracing_data, s->info->tracing_data_len, &tracing),
		"%s", s->path));
	tracing_data_free(tracing);
	return NULL;
}

static struct error *check(const struct salvage *s)
{
	if (s->info->swapped)
		return error_remedy(error_new("%s: was written on a machine of the other byte "
					      "order",
					      s->path),
				    "salvage it on a machine like that");
	if (!s->info->n_events)
		return error_new("%s: no event is described in it", s->path);
	return has_tracepoints(s->info) ? check_formats(s) : NULL;
}

/* ---- What is missing --------------------------------------------------------------------- */

static const struct perfdata_event *note_event(const struct perfdata_info *info)
{
	for (size_t i = 0; i < info->n_events; i++) {
		const struct perfdata_event *event = &info->events[i];

		if (event->name && !strcmp(event->name, NOTE_EVENT_NAME) && event->n_ids)
			return event;
	}
	return NULL;
}

/* A field of a sample: in the order in which samples have them. */
static void put_field(struct buffer *out, uint64_t sample_type, uint64_t bit, uint64_t value)
{
	if (sample_type & bit)
		buffer_u64(out, value);
}

/* A sample of the event that notes are samples of; false: it has fields that nothing is known for.
 */
static bool put_sample(struct buffer *out, const struct perfdata_event *event, uint64_t time,
		       const struct buffer *payload)
{
	const uint64_t known = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID |
			       PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR | PERF_SAMPLE_ID |
			       PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD |
			       PERF_SAMPLE_RAW;
	uint64_t type = event->attr.sample_type;
	size_t padding = (8 - (payload->len + 4) % 8) % 8;
	struct perf_event_header header = {
		.type = PERF_RECORD_SAMPLE,
		.misc = PERF_RECORD_MISC_USER,
	};

	if (type & ~known || !(type & PERF_SAMPLE_RAW))
		return false;
	buffer_append(out, &header, sizeof(header));
	put_field(out, type, PERF_SAMPLE_IDENTIFIER, event->ids[0]);
	put_field(out, type, PERF_SAMPLE_IP, 0);
	put_field(out, type, PERF_SAMPLE_TID, 0);
	put_field(out, type, PERF_SAMPLE_TIME, time);
	put_field(out, type, PERF_SAMPLE_ADDR, 0);
	put_field(out, type, PERF_SAMPLE_ID, event->ids[0]);
	put_field(out, type, PERF_SAMPLE_STREAM_ID, event->ids[0]);
	put_field(out, type, PERF_SAMPLE_CPU, 0);
	put_field(out, type, PERF_SAMPLE_PERIOD, 1);
	buffer_u32(out, (uint32_t)(payload->len + padding));
	buffer_append(out, payload->data, payload->len);
	for (size_t i = 0; i < padding; i++)
		buffer_u8(out, 0);
	header.size = (uint16_t)out->len;
	memcpy(out->data, &header, sizeof(header));
	return true;
}

static struct error *write_remark(const struct salvage *s, const char *text)
{
	const struct perfdata_event *event = note_event(s->info);
	struct buffer payload = {0}, record = {0};
	struct error *err = NULL;

	if (!event)
		return NULL;
	note_put_text(&payload, &(struct note_text){.text = text});
	if (put_sample(&record, event, s->last, &payload))
		err = perfdata_write(s->writer, record.data, record.len);
	buffer_free(&payload);
	buffer_free(&record);
	return err;
}

/* NULL: nothing is. */
static char *missing(const struct salvage *s)
{
	const char *damage = perfdata_damage(s->reader);

	if (!damage && !s->info->truncated)
		return NULL;
	return xasprintf("loss: this is what `analyze --salvage` found of a trace: %" PRIu64
			 " records, and nothing of what came behind them%s%s%s%s",
			 s->records, s->info->symtab ? "" : ", the table of names among it",
			 damage ? " (" : "", damage ? damage : "", damage ? ")" : "");
}

/* ---- Copying ----------------------------------------------------------------------------- */

static void see_time(struct salvage *s, const struct perf_event_header *header)
{
	struct perfdata_sample sample;

	if (header->type != PERF_RECORD_SAMPLE || !perfdata_sample(s->reader, header, &sample))
		return;
	s->samples++;
	if (!sample.time)
		return;
	if (!s->first || sample.time < s->first)
		s->first = sample.time;
	if (sample.time > s->last)
		s->last = sample.time;
}

static struct error *copy_records(struct salvage *s)
{
	size_t n_events = s->info->n_events;
	struct perfdata_record record;

	for (;;) {
		perfdata_next(s->reader, &record);
		if (!record.header)
			return NULL;
		if (record.header->type == AUXTRACE_INFO || record.header->type == AUXTRACE)
			return error_new("%s: holds AUX area data, which are not copied", s->path);
		if (s->info->n_events != n_events)
			return error_new("%s: describes events in its midst", s->path);
		/* No record has another length: this is none, nor is what follows. */
		if (record.header->size % sizeof(uint64_t))
			return NULL;
		if (record.header->type == PERFDATA_FINISHED_ROUND) {
			TRY(perfdata_write_round(s->writer));
			continue;
		}
		s->records++;
		see_time(s, record.header);
		TRY(perfdata_write(s->writer, record.header, record.header->size));
	}
}

/* The sections that recorders write at the end, where these are there. */
static void copy_late(struct salvage *s)
{
	const struct {
		enum perfdata_feature feature;
		const uint8_t *body;
		size_t len;
	} late[] = {
		{PERFDATA_FEAT_SYMTAB, s->info->symtab, s->info->symtab_len},
		{PERFDATA_FEAT_DUMPS, s->info->dumps, s->info->dumps_len},
		{PERFDATA_FEAT_UNWIND, s->info->unwind, s->info->unwind_len},
	};
	size_t len;
	const uint8_t *build_ids = perfdata_feature_body(s->reader, PERFDATA_FEAT_BUILD_ID, &len);

	if (build_ids)
		perfdata_writer_feature(s->writer, PERFDATA_FEAT_BUILD_ID, build_ids, len);
	for (size_t i = 0; i < sizeof(late) / sizeof(*late); i++)
		if (late[i].body && late[i].len)
			perfdata_writer_feature(s->writer, late[i].feature, late[i].body,
						late[i].len);
}

static struct error *write_trace(struct salvage *s, int fd, struct log *log)
{
	static char *no_words[] = {NULL};
	const struct perfdata_writer_options options = {
		.fd = fd,
		.compression_level = LEVEL,
		.events = s->info->events,
		.n_events = s->info->n_events,
		.version = "",
		.cmdline = no_words,
		.tracing_data = s->info->tracing_data,
		.tracing_data_len = s->info->tracing_data_len,
		.like = s->reader,
	};
	struct error *err;
	char *text;

	TRY(perfdata_writer_new(&options, &s->writer));
	err = copy_records(s);
	if (!err && !s->samples)
		err = error_remedy(error_new("%s: no whole event is left of it", s->path),
				   "if it was copied, copy it again");
	text = missing(s);
	if (!err && text)
		err = write_remark(s, text);
	if (err) {
		perfdata_writer_leave(s->writer);
		free(text);
		return err;
	}
	copy_late(s);
	if (s->first)
		perfdata_writer_times(s->writer, s->first, s->last);
	err = perfdata_writer_finish(s->writer);
	if (!err)
		log_info(log, "%" PRIu64 " records, %" PRIu64 " of them samples over %.1f s",
			 s->records, s->samples, (double)(s->last - s->first) / 1e9);
	if (!err)
		log_info(log, "%s", text ? text : "nothing was missing");
	free(text);
	return err;
}

/* The file is there when it is whole, and not before. */
static struct error *write_file(struct salvage *s, const char *output, struct log *log)
{
	char *temporary = xasprintf("%s.%ld.tmp", output, (long)getpid());
	int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct error *err = NULL;

	if (fd < 0)
		err = error_errno(errno, "%s: cannot be written", output);
	else
		err = write_trace(s, fd, log);
	if (fd >= 0 && close(fd) && !err)
		err = error_errno(errno, "%s: cannot be written", output);
	if (!err && rename(temporary, output))
		err = error_errno(errno, "%s: cannot be written", output);
	if (err && fd >= 0)
		unlink(temporary);
	free(temporary);
	return err;
}

struct error *salvage_trace(const char *trace, const char *output, struct log *log)
{
	struct salvage s = {.path = trace};
	struct error *err;

	if (access(output, F_OK) == 0)
		return error_remedy(error_new("%s: is there already", output),
				    "name a file that is not");
	TRY(perfdata_open(trace, &s.reader));
	s.info = perfdata_info(s.reader);
	err = check(&s);
	if (!err)
		err = write_file(&s, output, log);
	perfdata_close(s.reader);
	return err;
}
