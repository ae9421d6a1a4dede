#ifndef GMT_TESTS_PERFDATA_MAKER_H
#define GMT_TESTS_PERFDATA_MAKER_H

/*
 * Builds perf.data files field by field, in either byte order, from the description of the format
 * and without the writer that is under test.
 */

#include "formats/perfdata.h"

#include <byteswap.h>
#include <string.h>

struct maker {
	bool swap;
	struct buffer out;
};

static inline void make_u8(struct maker *m, uint8_t v)
{
	buffer_u8(&m->out, v);
}

static inline void make_u16(struct maker *m, uint16_t v)
{
	buffer_u16(&m->out, m->swap ? bswap_16(v) : v);
}

static inline void make_u32(struct maker *m, uint32_t v)
{
	buffer_u32(&m->out, m->swap ? bswap_32(v) : v);
}

static inline void make_u64(struct maker *m, uint64_t v)
{
	buffer_u64(&m->out, m->swap ? bswap_64(v) : v);
}

static inline void make_bytes(struct maker *m, const void *bytes, size_t len)
{
	buffer_append(&m->out, bytes, len);
}

static inline void make_zeros(struct maker *m, size_t len)
{
	while (len--)
		make_u8(m, 0);
}

/* A text in a feature section: padded length, text, zeros. */
static inline void make_string(struct maker *m, const char *text)
{
	size_t padded = (strlen(text) + 64) / 64 * 64;

	make_u32(m, (uint32_t)padded);
	make_bytes(m, text, strlen(text));
	make_zeros(m, padded - strlen(text));
}

/* A record: begin gives the place that end needs to fill in its size. */
static inline size_t make_begin(struct maker *m, uint32_t type, uint16_t misc)
{
	size_t start = m->out.len;

	make_u32(m, type);
	make_u16(m, misc);
	make_u16(m, 0);
	return start;
}

static inline void make_end(struct maker *m, size_t start)
{
	uint16_t size = (uint16_t)(m->out.len - start);

	if (m->swap)
		size = bswap_16(size);
	memcpy(m->out.data + start + 6, &size, sizeof(size));
}

/*
 * The flags of an attr: a bit field of 64 bits, which the other kind of machine fills from the
 * other end. `bits` counts from bit 0 as x86 has them; precise_ip takes bits 15 and 16.
 */
static inline void make_attr_flags(struct maker *m, uint64_t bits)
{
	uint8_t bytes[8] = {0};

	for (int i = 0; i < 64; i++) {
		/* Within a field of several bits the most significant one comes first there. */
		int from = i == 15 ? 16 : i == 16 ? 15 : i;

		if (!m->swap && bits >> i & 1)
			bytes[i / 8] |= (uint8_t)(1 << i % 8);
		if (m->swap && bits >> from & 1)
			bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
	}
	make_bytes(m, bytes, sizeof(bytes));
}

/* The attr with the fields that matter, of the given size; what is beyond ours is not zero. */
static inline void make_attr(struct maker *m, const struct perf_event_attr *attr, uint64_t flags,
			     uint32_t size)
{
	struct maker whole = {.swap = m->swap};

	make_u32(&whole, attr->type);
	make_u32(&whole, size);
	make_u64(&whole, attr->config);
	make_u64(&whole, attr->sample_period);
	make_u64(&whole, attr->sample_type);
	make_u64(&whole, attr->read_format);
	make_attr_flags(&whole, flags);
	make_u32(&whole, attr->wakeup_events);
	make_u32(&whole, attr->bp_type);
	make_u64(&whole, attr->config1);
	make_u64(&whole, attr->config2);
	make_u64(&whole, attr->branch_sample_type);
	make_u64(&whole, attr->sample_regs_user);
	make_u32(&whole, attr->sample_stack_user);
	make_u32(&whole, (uint32_t)attr->clockid);
	make_u64(&whole, attr->sample_regs_intr);
	make_u32(&whole, attr->aux_watermark);
	make_u16(&whole, attr->sample_max_stack);
	make_u16(&whole, 0);
	make_u32(&whole, attr->aux_sample_size);
	make_u32(&whole, 0);
	make_u64(&whole, attr->sig_data);
	while (whole.out.len < size)
		make_u8(&whole, 0xff);
	make_bytes(m, whole.out.data, size);
	buffer_free(&whole.out);
}

/* A feature section and its number. */
struct made_feature {
	unsigned feature;
	struct buffer body;
};

/*
 * The file form: one event after the other with its attr and ids, then the data, then the features
 * (in rising order, bodies in the byte order of m). Returns where the data begin.
 */
struct made_file {
	const struct perfdata_event *events;
	size_t n_events;
	uint64_t attr_flags; /* of all events */
	uint32_t attr_size;
	const struct buffer *data;
	const struct made_feature *features;
	size_t n_features;
	bool no_data_size; /* as perf record leaves it when it is killed */
	bool long_of_32;   /* feature bits as a machine with longs of 32 bits swaps them */
};

static inline void make_flags(struct maker *m, const struct made_file *f)
{
	uint64_t flags[4] = {0};

	for (size_t i = 0; i < f->n_features; i++)
		flags[f->features[i].feature / 64] |= 1ull << f->features[i].feature % 64;
	for (int i = 0; i < 4; i++) {
		if (!f->long_of_32) {
			make_u64(m, flags[i]);
			continue;
		}
		make_u32(m, (uint32_t)flags[i]);
		make_u32(m, (uint32_t)(flags[i] >> 32));
	}
}

static inline size_t make_file(struct maker *m, const struct made_file *f)
{
	size_t attrs_at = 104, data_at, at, n_ids = 0;

	for (size_t i = 0; i < f->n_events; i++)
		n_ids += f->events[i].n_ids;
	attrs_at += n_ids * 8;
	data_at = attrs_at + f->n_events * (f->attr_size + 16);
	make_bytes(m, m->swap ? "2ELIFREP" : "PERFILE2", 8);
	make_u64(m, 104);
	make_u64(m, f->attr_size + 16);
	make_u64(m, attrs_at);
	make_u64(m, f->n_events * (f->attr_size + 16));
	make_u64(m, data_at);
	make_u64(m, f->no_data_size ? 0 : f->data->len);
	make_zeros(m, 16);
	make_flags(m, f);
	for (size_t i = 0; i < f->n_events; i++)
		for (size_t j = 0; j < f->events[i].n_ids; j++)
			make_u64(m, f->events[i].ids[j]);
	at = 104;
	for (size_t i = 0; i < f->n_events; i++) {
		make_attr(m, &f->events[i].attr, f->attr_flags, f->attr_size);
		make_u64(m, at);
		make_u64(m, f->events[i].n_ids * 8);
		at += f->events[i].n_ids * 8;
	}
	make_bytes(m, f->data->data, f->data->len);
	if (f->no_data_size)
		return data_at;
	at = data_at + f->data->len + f->n_features * 16;
	for (size_t i = 0; i < f->n_features; i++) {
		make_u64(m, at);
		make_u64(m, f->features[i].body.len);
		at += f->features[i].body.len;
	}
	for (size_t i = 0; i < f->n_features; i++)
		make_bytes(m, f->features[i].body.data, f->features[i].body.len);
	return data_at;
}

#endif
