#include "formats/perfdata_internal.h"

#include <string.h>

/*
 * perf's pipe form for writing: in place of header, attrs and feature table there are records, in
 * the order of perf_event__synthesize_for_pipe (tools/perf/util/synthetic-events.c, linux 6.1).
 */

#define RECORD_MAX (UINT16_MAX / 8 * 8)

#define UPDATE_NAME 2 /* PERF_EVENT_UPDATE__NAME */

static size_t begin(struct buffer *out, uint32_t type)
{
	struct perf_event_header header = {.type = type};

	buffer_append(out, &header, sizeof(header));
	return out->len - sizeof(header);
}

/* Fills in the size of the record, padded; false, and the record is gone, where it is too large. */
static bool end(struct buffer *out, size_t start)
{
	uint16_t size;

	while ((out->len - start) % 8)
		buffer_u8(out, 0);
	if (out->len - start > RECORD_MAX) {
		out->len = start;
		return false;
	}
	size = (uint16_t)(out->len - start);
	memcpy(out->data + start + offsetof(struct perf_event_header, size), &size, sizeof(size));
	return true;
}

static struct error *put_attr(struct buffer *out, const struct perfdata_event *event)
{
	size_t start = begin(out, PERFDATA_HEADER_ATTR);

	/* Whole: readers up to now take theirs from here without a look at the size. */
	perfdata_encode_attr(out, &event->attr, sizeof(event->attr));
	buffer_append(out, event->ids, event->n_ids * sizeof(*event->ids));
	if (!end(out, start))
		return error_remedy(error_new("event %s has too many ids for a pipe (%zu)",
					      event->name ? event->name : "without a name",
					      event->n_ids),
				    "write to a file");
	return NULL;
}

static void put_name(struct buffer *out, const struct perfdata_event *event)
{
	size_t start = begin(out, PERFDATA_EVENT_UPDATE);

	buffer_u64(out, UPDATE_NAME);
	buffer_u64(out, event->ids[0]);
	buffer_append(out, event->name, strlen(event->name) + 1);
	end(out, start);
}

static void put_feature(struct buffer *out, enum perfdata_feature feature,
			const struct perfdata_writer_options *options)
{
	size_t start = begin(out, PERFDATA_HEADER_FEATURE);

	buffer_u64(out, feature);
	/* What a record has no room for is left out; the names are in records of their own. */
	if (perfdata_encode_section(out, feature, options))
		end(out, start);
	else
		out->len = start;
}

static void put_tracing_data(struct buffer *out, const struct perfdata_writer_options *options)
{
	size_t start = begin(out, PERFDATA_HEADER_TRACING_DATA);

	/* The data lie behind the record; their stated size counts the padding. */
	buffer_u32(out, (uint32_t)((options->tracing_data_len + 7) / 8 * 8));
	end(out, start);
	start = out->len;
	buffer_append(out, options->tracing_data, options->tracing_data_len);
	while ((out->len - start) % 8)
		buffer_u8(out, 0);
}

struct error *perfdata_put_pipe_head(struct buffer *out,
				     const struct perfdata_writer_options *options)
{
	buffer_u64(out, PERFDATA_MAGIC);
	buffer_u64(out, PERFDATA_PIPE_SIZE);
	for (size_t i = 0; i < options->n_events; i++)
		TRY(put_attr(out, &options->events[i]));
	for (size_t i = 0; i < options->n_events; i++)
		if (options->events[i].name && options->events[i].n_ids)
			put_name(out, &options->events[i]);
	for (unsigned feature = 1; feature < PERFDATA_FEAT_BITS; feature++)
		/* The times of the samples are not known yet, and cannot be filled in later. */
		if (feature != PERFDATA_FEAT_TRACING_DATA && feature != PERFDATA_FEAT_SAMPLE_TIME)
			put_feature(out, feature, options);
	if (options->tracing_data_len)
		put_tracing_data(out, options);
	return NULL;
}

void perfdata_put_pipe_build_ids(struct buffer *out, const uint8_t *body, size_t len)
{
	struct perf_event_header header;

	/* The same records as in the section, where they have no type. */
	for (size_t at = 0; len - at >= sizeof(header); at += header.size) {
		memcpy(&header, body + at, sizeof(header));
		if (header.size < sizeof(header) || header.size > len - at)
			return;
		header.type = PERFDATA_HEADER_BUILD_ID;
		buffer_append(out, &header, sizeof(header));
		buffer_append(out, body + at + sizeof(header), header.size - sizeof(header));
	}
}
