#include "formats/perfdata_internal.h"

#include "formats/xalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/*
 * The bodies of feature sections, to the byte as tools/perf/util/header.c (linux 6.1) writes them:
 * newer perf refuses a file that has one section it cannot read.
 */

#define NAME_ALIGN 64

/* In build id records: the length of the id stands behind it. */
#define MISC_BUILD_ID_SIZE (1 << 15)

static void put_padded(struct buffer *out, const char *text)
{
	size_t len = strlen(text) + 1, padded = (len + NAME_ALIGN - 1) / NAME_ALIGN * NAME_ALIGN;

	buffer_append(out, text, len);
	memset(buffer_extend(out, padded - len), 0, padded - len);
}

static void put_string(struct buffer *out, const char *text)
{
	size_t len = strlen(text) + 1;

	buffer_u32(out, (uint32_t)((len + NAME_ALIGN - 1) / NAME_ALIGN * NAME_ALIGN));
	put_padded(out, text);
}

/* The last number in a list such as "0-3,8-11". */
static uint32_t last_cpu(const char *path, uint32_t otherwise)
{
	FILE *file = fopen(path, "re");
	char line[4096] = "", *at;

	if (!file)
		return otherwise;
	if (!fgets(line, sizeof(line), file))
		line[0] = 0;
	fclose(file);
	line[strcspn(line, "\n")] = 0;
	at = line + strlen(line);
	while (at > line && at[-1] >= '0' && at[-1] <= '9')
		at--;
	return *at ? (uint32_t)strtoul(at, NULL, 10) : otherwise;
}

static void put_nrcpus(struct buffer *out)
{
	uint32_t configured = (uint32_t)sysconf(_SC_NPROCESSORS_CONF);

	/* Samples may name any CPU up to the last one, also where numbers are left out. */
	buffer_u32(out, last_cpu("/sys/devices/system/cpu/present", configured - 1) + 1);
	buffer_u32(out, (uint32_t)sysconf(_SC_NPROCESSORS_ONLN));
}

static bool put_total_mem(struct buffer *out)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kb;
	bool found;

	if (!file)
		return false;
	found = fscanf(file, "MemTotal: %llu kB", &kb) == 1;
	fclose(file);
	if (found)
		buffer_u64(out, kb);
	return found;
}

static void put_cmdline(struct buffer *out, char *const *cmdline)
{
	uint32_t n = 0;

	while (cmdline[n])
		n++;
	buffer_u32(out, n);
	for (uint32_t i = 0; i < n; i++)
		put_string(out, cmdline[i]);
}

size_t perfdata_attr_size(const struct perfdata_event *events, size_t n_events)
{
	static const size_t published[] = {PERF_ATTR_SIZE_VER5, PERF_ATTR_SIZE_VER6,
					   PERF_ATTR_SIZE_VER7};
	size_t used = 0;

	/* A reader refuses attrs that are larger than those it knows, so say no more than needed.
	 */
	for (size_t i = 0; i < n_events; i++)
		for (size_t at = used; at < sizeof(events[i].attr); at++)
			if (((const uint8_t *)&events[i].attr)[at])
				used = at + 1;
	for (size_t i = 0; i < sizeof(published) / sizeof(*published); i++)
		if (used <= published[i])
			return published[i];
	return sizeof(events->attr);
}

void perfdata_encode_attr(struct buffer *out, const struct perf_event_attr *attr, size_t size)
{
	struct perf_event_attr copy = *attr;

	copy.size = (uint32_t)size;
	buffer_append(out, &copy, size);
}

static void put_event_desc(struct buffer *out, const struct perfdata_writer_options *options)
{
	size_t size = perfdata_attr_size(options->events, options->n_events);

	buffer_u32(out, (uint32_t)options->n_events);
	buffer_u32(out, (uint32_t)size);
	for (size_t i = 0; i < options->n_events; i++) {
		const struct perfdata_event *event = &options->events[i];

		perfdata_encode_attr(out, &event->attr, size);
		buffer_u32(out, (uint32_t)event->n_ids);
		put_string(out, event->name ? event->name : "unnamed");
		buffer_append(out, event->ids, event->n_ids * sizeof(*event->ids));
	}
}

static uint64_t nanoseconds(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * 1000000000u + (uint64_t)ts->tv_nsec;
}

static uint64_t now(clockid_t clock)
{
	struct timespec ts = {0};

	clock_gettime(clock, &ts);
	return nanoseconds(&ts);
}

static bool put_clock_resolution(struct buffer *out, const struct perf_event_attr *attr)
{
	struct timespec resolution;

	if (!attr->use_clockid || clock_getres(attr->clockid, &resolution))
		return false;
	buffer_u64(out, nanoseconds(&resolution));
	return true;
}

/* The closest of several readings: one may be interrupted, not all of them. */
static bool put_clock_data(struct buffer *out, const struct perf_event_attr *attr)
{
	uint64_t best = UINT64_MAX, wall = 0, clock = 0;

	if (!attr->use_clockid)
		return false;
	for (int i = 0; i < 10; i++) {
		uint64_t before = now(attr->clockid), middle = now(CLOCK_REALTIME);
		uint64_t after = now(attr->clockid);

		if (after - before < best) {
			best = after - before;
			wall = middle;
			clock = before + best / 2;
		}
	}
	buffer_u32(out, 1); /* version */
	buffer_u32(out, (uint32_t)attr->clockid);
	buffer_u64(out, wall);
	buffer_u64(out, clock);
	return true;
}

void perfdata_encode_compressed(struct buffer *out, int level, uint64_t raw, uint64_t packed)
{
	buffer_u32(out, 0); /* version */
	buffer_u32(out, 1); /* zstd */
	buffer_u32(out, (uint32_t)level);
	buffer_u32(out, packed ? (uint32_t)((double)raw / (double)packed + 0.5) : 0);
	buffer_u32(out, PERFDATA_PACK_MAX);
}

/* What is said of the machine and the recorder rather than of this file. */
static bool is_of_machine(enum perfdata_feature feature)
{
	switch (feature) {
	case PERFDATA_FEAT_HOSTNAME:
	case PERFDATA_FEAT_OSRELEASE:
	case PERFDATA_FEAT_VERSION:
	case PERFDATA_FEAT_ARCH:
	case PERFDATA_FEAT_NRCPUS:
	case PERFDATA_FEAT_TOTAL_MEM:
	case PERFDATA_FEAT_CMDLINE:
	case PERFDATA_FEAT_CLOCKID:
	case PERFDATA_FEAT_CLOCK_DATA:
		return true;
	default:
		return false;
	}
}

static bool copy_section(struct buffer *out, enum perfdata_feature feature,
			 const struct perfdata_reader *like)
{
	size_t len;
	const uint8_t *body = perfdata_feature_body(like, feature, &len);

	if (body)
		buffer_append(out, body, len);
	return body != NULL;
}

static bool has_names(const struct perfdata_writer_options *options)
{
	for (size_t i = 0; i < options->n_events; i++)
		if (options->events[i].name)
			return true;
	return false;
}

bool perfdata_encode_section(struct buffer *out, enum perfdata_feature feature,
			     const struct perfdata_writer_options *options)
{
	const struct perf_event_attr *attr = &options->events[0].attr;
	struct utsname uts;

	if (options->like && is_of_machine(feature))
		return copy_section(out, feature, options->like);
	uname(&uts);
	switch (feature) {
	case PERFDATA_FEAT_TRACING_DATA:
		buffer_append(out, options->tracing_data, options->tracing_data_len);
		return options->tracing_data_len != 0;
	case PERFDATA_FEAT_HOSTNAME:
		put_string(out, uts.nodename);
		return true;
	case PERFDATA_FEAT_OSRELEASE:
		put_string(out, uts.release);
		return true;
	case PERFDATA_FEAT_VERSION:
		put_string(out, options->version);
		return true;
	case PERFDATA_FEAT_ARCH:
		put_string(out, uts.machine);
		return true;
	case PERFDATA_FEAT_NRCPUS:
		put_nrcpus(out);
		return true;
	case PERFDATA_FEAT_TOTAL_MEM:
		return put_total_mem(out);
	case PERFDATA_FEAT_CMDLINE:
		put_cmdline(out, options->cmdline);
		return true;
	case PERFDATA_FEAT_EVENT_DESC:
		if (options->like && !has_names(options))
			return false;
		put_event_desc(out, options);
		return true;
	case PERFDATA_FEAT_SAMPLE_TIME:
		buffer_u64(out, 0);
		buffer_u64(out, 0);
		return true;
	case PERFDATA_FEAT_CLOCKID:
		return put_clock_resolution(out, attr);
	case PERFDATA_FEAT_CLOCK_DATA:
		return put_clock_data(out, attr);
	case PERFDATA_FEAT_COMPRESSED:
		if (options->compression_level)
			perfdata_encode_compressed(out, options->compression_level, 0, 0);
		return options->compression_level != 0;
	default:
		return false;
	}
}

void perfdata_encode_build_ids(struct buffer *out, const struct perfdata_build_id *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool kernel = strncmp(ids[i].path, "[kernel", 7) == 0;
		struct perf_event_header header = {
			.misc = MISC_BUILD_ID_SIZE |
				(kernel ? PERF_RECORD_MISC_KERNEL : PERF_RECORD_MISC_USER)};
		size_t start = out->len;

		buffer_append(out, &header, sizeof(header));
		buffer_u32(out, ids[i].pid);
		buffer_append(out, ids[i].id, sizeof(ids[i].id));
		buffer_u8(out, ids[i].id_len);
		buffer_align(out, 4);
		put_padded(out, ids[i].path);
		header.size = (uint16_t)(out->len - start);
		memcpy(out->data + start, &header, sizeof(header));
	}
}
