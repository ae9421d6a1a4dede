#include "formats/perfdata_internal.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/*
 * The bodies of feature sections, as tools/perf/util/header.c (linux 6.1) writes them. A body is
 * not trusted: one that does not parse leaves its part of the info as it was.
 */

/* Of a section no larger than this the bytes themselves are kept, too. */
#define MAX_KEPT ((size_t)1 << 20)

/* A text with its length (rounded up) in front; NULL where it is cut. In place, or NULL. */
static const char *get_string(struct cursor *c)
{
	uint32_t len = cursor_u32(c);
	const uint8_t *text = cursor_take(c, len);

	if (text && !memchr(text, 0, len))
		c->failed = true;
	return c->failed ? NULL : (const char *)text;
}

static void read_string(struct cursor *c, char **to)
{
	const char *text = get_string(c);

	if (text && !*to)
		*to = xstrdup(text);
}

static void read_cmdline(struct cursor *c, struct perfdata_info *info)
{
	uint32_t n = cursor_u32(c);
	char **args;

	if (info->cmdline || c->failed || n > cursor_left(c) / sizeof(uint32_t))
		return;
	args = xcalloc((size_t)n + 1, sizeof(*args));
	for (uint32_t i = 0; i < n; i++) {
		const char *arg = get_string(c);

		if (!arg) {
			n = i;
			break;
		}
		args[i] = xstrdup(arg);
	}
	info->cmdline = args;
	info->n_cmdline = n;
}

void perfdata_read_attr(struct perf_event_attr *attr, const uint8_t *bytes, size_t len, bool swap)
{
	*attr = (struct perf_event_attr){0};
	memcpy(attr, bytes, len < sizeof(*attr) ? len : sizeof(*attr));
	if (swap)
		perfdata_swap_attr(attr);
}

uint64_t *perfdata_read_words(const uint8_t *bytes, size_t n, bool swap)
{
	uint64_t *words = xcalloc(n, sizeof(*words));
	struct cursor c = cursor_make(bytes, n * sizeof(*words));

	c.swap = swap;
	for (size_t i = 0; i < n; i++)
		words[i] = cursor_u64(&c);
	return words;
}

void perfdata_add_event(struct perfdata_reader *reader, const struct perf_event_attr *attr,
			uint64_t *ids, size_t n_ids)
{
	struct perfdata_info *info = &reader->info;
	struct perfdata_event *event;

	if (reader->started && info->n_events == reader->events_cap) {
		/* Late news in a pipe: samples that were given out point into the old array. */
		struct perfdata_event *old = info->events;

		reader->events_cap = reader->events_cap ? reader->events_cap * 2 : 8;
		info->events = xcalloc(reader->events_cap, sizeof(*info->events));
		if (old)
			memcpy(info->events, old, info->n_events * sizeof(*old));
		xgrow(reader->retired, reader->retired_cap, reader->n_retired + 1);
		reader->retired[reader->n_retired++] = old;
	}
	xgrow(info->events, reader->events_cap, info->n_events + 1);
	event = &info->events[info->n_events++];
	*event = (struct perfdata_event){.attr = *attr, .ids = ids, .n_ids = n_ids};
	perfdata_index_add(&reader->index, event);
}

/*
 * Names the events, by their ids, without ids by their place; what they are is known from the
 * attrs already.
 */
static void read_event_desc(struct cursor *c, struct perfdata_reader *reader)
{
	uint32_t n = cursor_u32(c), attr_size = cursor_u32(c);
	struct perfdata_info *info = &reader->info;

	for (uint32_t i = 0; i < n && !c->failed; i++) {
		long event = i < info->n_events ? (long)i : -1;
		const char *name;
		uint32_t n_ids;

		cursor_skip(c, attr_size);
		n_ids = cursor_u32(c);
		name = get_string(c);
		if (!name || n_ids > cursor_left(c) / sizeof(uint64_t))
			return;
		if (n_ids) {
			uint64_t id = cursor_u64(c);

			event = perfdata_index_find(&reader->index, id);
			cursor_skip(c, (size_t)(n_ids - 1) * sizeof(id));
		}
		if (event >= 0 && !info->events[event].name)
			info->events[event].name = xstrdup(name);
	}
}

static void read_clock_data(struct cursor *c, struct perfdata_info *info)
{
	uint32_t version = cursor_u32(c), clockid = cursor_u32(c);
	uint64_t wall = cursor_u64(c), clock = cursor_u64(c);

	if (c->failed || version != 1)
		return;
	info->has_clock_data = true;
	info->clockid = clockid;
	info->wall_clock_ns = wall;
	info->clock_ns = clock;
}

static void read_compressed(struct cursor *c, struct perfdata_info *info)
{
	uint32_t type, level, ratio, mmap_len;

	cursor_u32(c); /* version */
	type = cursor_u32(c);
	level = cursor_u32(c);
	ratio = cursor_u32(c);
	mmap_len = cursor_u32(c);
	if (c->failed || type != 1 /* zstd */)
		return;
	info->compressed = true;
	info->compression_level = level;
	info->compression_ratio = ratio;
	info->compression_mmap_len = mmap_len;
}

static void read_pair(struct cursor *c, uint32_t *first, uint32_t *second)
{
	uint32_t a = cursor_u32(c), b = cursor_u32(c);

	if (!c->failed) {
		*first = a;
		*second = b;
	}
}

static void read_sample_time(struct cursor *c, struct perfdata_info *info)
{
	uint64_t first = cursor_u64(c), last = cursor_u64(c);

	if (!c->failed) {
		info->first_time = first;
		info->last_time = last;
	}
}

void perfdata_read_build_id(struct perfdata_reader *reader, const uint8_t *record, size_t len)
{
	struct perfdata_info *info = &reader->info;
	struct cursor c = cursor_make(record, len);
	struct perfdata_build_id *entry;
	const uint8_t *id;
	const char *path;
	uint16_t misc;
	uint32_t pid;

	c.swap = info->swapped;
	cursor_u32(&c);
	misc = cursor_u16(&c);
	cursor_u16(&c);
	pid = cursor_u32(&c);
	id = cursor_take(&c, 24); /* 20 of them, the length where misc says so, padding */
	path = cursor_cstring(&c);
	if (c.failed)
		return;
	xgrow(info->build_ids, reader->build_ids_cap, info->n_build_ids + 1);
	entry = &info->build_ids[info->n_build_ids++];
	*entry = (struct perfdata_build_id){.pid = pid, .id_len = sizeof(entry->id)};
	if (misc & 1 << 15 /* PERF_RECORD_MISC_BUILD_ID_SIZE */ && id[20] < sizeof(entry->id))
		entry->id_len = id[20];
	memcpy(entry->id, id, entry->id_len);
	entry->path = xstrdup(path);
}

static void read_build_ids(struct perfdata_reader *reader, struct cursor *c)
{
	while (cursor_left(c) >= sizeof(struct perf_event_header)) {
		struct cursor header = *c;
		uint16_t size;

		cursor_skip(&header, 6);
		size = cursor_u16(&header);
		if (size < sizeof(struct perf_event_header) || size > cursor_left(c))
			return;
		perfdata_read_build_id(reader, cursor_take(c, size), size);
	}
}

void perfdata_read_feature(struct perfdata_reader *reader, unsigned feature, const uint8_t *body,
			   size_t len)
{
	struct perfdata_info *info = &reader->info;
	struct cursor c = cursor_make(body, len);

	c.swap = info->swapped;
	if (feature < PERFDATA_FEAT_BITS && len <= MAX_KEPT) {
		reader->bodies[feature].len = 0;
		buffer_append(&reader->bodies[feature], body, len);
	}
	switch (feature) {
	case PERFDATA_FEAT_BUILD_ID:
		read_build_ids(reader, &c);
		break;
	case PERFDATA_FEAT_HOSTNAME:
		read_string(&c, &info->hostname);
		break;
	case PERFDATA_FEAT_OSRELEASE:
		read_string(&c, &info->osrelease);
		break;
	case PERFDATA_FEAT_VERSION:
		read_string(&c, &info->version);
		break;
	case PERFDATA_FEAT_ARCH:
		read_string(&c, &info->arch);
		break;
	case PERFDATA_FEAT_NRCPUS:
		read_pair(&c, &info->cpus_available, &info->cpus_online);
		break;
	case PERFDATA_FEAT_CMDLINE:
		read_cmdline(&c, info);
		break;
	case PERFDATA_FEAT_EVENT_DESC:
		read_event_desc(&c, reader);
		break;
	case PERFDATA_FEAT_SAMPLE_TIME:
		read_sample_time(&c, info);
		break;
	case PERFDATA_FEAT_COMPRESSED:
		read_compressed(&c, info);
		break;
	case PERFDATA_FEAT_CLOCK_DATA:
		read_clock_data(&c, info);
		break;
	}
}

const uint8_t *perfdata_feature_body(const struct perfdata_reader *reader,
				     enum perfdata_feature feature, size_t *len)
{
	*len = reader->bodies[feature].len;
	return *len ? reader->bodies[feature].data : NULL;
}

void perfdata_info_free(struct perfdata_info *info)
{
	for (size_t i = 0; i < info->n_events; i++) {
		free(info->events[i].name);
		free(info->events[i].ids);
	}
	for (size_t i = 0; i < info->n_cmdline; i++)
		free(info->cmdline[i]);
	for (size_t i = 0; i < info->n_build_ids; i++)
		free(info->build_ids[i].path);
	free(info->events);
	free(info->hostname);
	free(info->osrelease);
	free(info->version);
	free(info->arch);
	free(info->cmdline);
	free(info->build_ids);
	*info = (struct perfdata_info){0};
}
