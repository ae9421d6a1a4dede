#ifndef GMT_TESTS_PERFDATA_STREAMS_H
#define GMT_TESTS_PERFDATA_STREAMS_H

/* The same content in perf's pipe form, and in compressed records. */

#include "tests/unit/perfdata_cases.h"

#include <string.h>
#include <zstd.h>

static inline void make_pipe_attr(struct maker *m, const struct perfdata_event *event,
				  uint32_t attr_size)
{
	size_t start = make_begin(m, PERFDATA_HEADER_ATTR, 0);

	make_attr(m, &event->attr, FLAG_SAMPLE_ID_ALL | FLAG_PRECISE_IP_2 | FLAG_CLOCKID,
		  attr_size);
	for (size_t i = 0; i < event->n_ids; i++)
		make_u64(m, event->ids[i]);
	make_end(m, start);
}

static inline void make_name(struct maker *m, uint64_t id, const char *name)
{
	size_t start = make_begin(m, PERFDATA_EVENT_UPDATE, 0);

	make_u64(m, 2); /* a name */
	make_u64(m, id);
	make_bytes(m, name, strlen(name));
	make_zeros(m, 8 - strlen(name) % 8);
	make_end(m, start);
}

static inline void make_pipe_features(struct maker *m)
{
	for (size_t i = 0; i < N_FEATURES; i++) {
		unsigned feature = all_features[i];
		size_t start;

		if (feature == PERFDATA_FEAT_TRACING_DATA || feature == PERFDATA_FEAT_BUILD_ID ||
		    feature == PERFDATA_FEAT_SYMTAB)
			continue;
		start = make_begin(m, PERFDATA_HEADER_FEATURE, 0);
		make_u64(m, feature);
		body_of_feature(m, feature);
		make_zeros(m, (8 - (m->out.len - start) % 8) % 8);
		make_end(m, start);
	}
}

/* What stands in front of the records. */
static inline void make_pipe_head(struct maker *m, uint32_t attr_size)
{
	size_t start;

	make_bytes(m, m->swap ? "2ELIFREP" : "PERFILE2", 8);
	make_u64(m, 16);
	for (int i = 0; i < 2; i++)
		make_pipe_attr(m, &events[i], attr_size);
	make_name(m, 11, "a name that the description repeats");
	make_name(m, 11, "gmt_12:birth");
	make_pipe_features(m);
	start = make_begin(m, PERFDATA_HEADER_TRACING_DATA, 0);
	make_u32(m, 10);
	make_u32(m, 0);
	make_end(m, start);
	body_of_feature(m, PERFDATA_FEAT_TRACING_DATA);
	start = make_begin(m, PERFDATA_HEADER_BUILD_ID, 1 << 15 | PERF_RECORD_MISC_USER);
	m->out.len = start;
	body_build_id(m);
	/* In a feature section the type of a build id record is not set. */
	m->out.data[start + (m->swap ? 3 : 0)] = PERFDATA_HEADER_BUILD_ID;
}

struct packer {
	ZSTD_CCtx *zstd;
	struct maker *m;
	uint32_t type;
};

/* One compressed record as perf makes it: of type 81 not padded, of type 83 padded. */
static inline void make_packed(struct packer *p, const void *bytes, size_t len)
{
	static uint8_t space[1 << 16];
	ZSTD_inBuffer in = {.src = bytes, .size = len};
	ZSTD_outBuffer out = {.dst = space, .size = sizeof(space)};
	size_t start;

	assert_int_equal(ZSTD_compressStream2(p->zstd, &out, &in, ZSTD_e_flush), 0);
	start = make_begin(p->m, p->type, 0);
	if (p->type == PERFDATA_COMPRESSED2)
		make_u64(p->m, out.pos);
	make_bytes(p->m, space, out.pos);
	if (p->type == PERFDATA_COMPRESSED2)
		make_zeros(p->m, (8 - out.pos % 8) % 8);
	make_end(p->m, start);
}

/* All of raw in pieces of `step`, records cut where it happens, a round marked after each. */
static inline void make_packed_stream(struct maker *m, uint32_t type, const struct buffer *raw,
				      size_t step)
{
	struct packer p = {.zstd = ZSTD_createCCtx(), .m = m, .type = type};

	for (size_t at = 0; at < raw->len; at += step)
		make_packed(&p, raw->data + at, raw->len - at < step ? raw->len - at : step);
	ZSTD_freeCCtx(p.zstd);
}

#endif
