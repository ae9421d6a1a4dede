#ifndef GMT_ANALYZE_DECODE_RECIPE_H
#define GMT_ANALYZE_DECODE_RECIPE_H

/* How samples of one event are decoded: where in the raw data lies what. Made once for each. */

#include "analyze/decode_wanted.h"
#include "analyze/fault_source.h"
#include "formats/perfdata.h"
#include "formats/tracing_data.h"

#include <byteswap.h>
#include <string.h>

/* Where a value lies in the raw data; size 0: nowhere, the value is 0. */
struct load {
	uint32_t offset;
	uint8_t size, to; /* to: index into event.v or syscall.args */
	bool is_signed;
};

/* How samples of one event are decoded. */
struct recipe {
	enum event_kind kind;
	const struct perfdata_event *foreign; /* a probe not identified yet; else NULL */
	uint32_t ip_offset;		      /* of a foreign probe: its own address */
	enum event_syscall call;
	bool no_format, is_note;
	const char *name; /* to count it under; NULL: it is not */
	struct fault_event fault;
	uint64_t has;
	uint32_t n_loads;
	struct load loads[MAX_FIELDS];
	uint32_t min_len;  /* of the raw data, for all loads */
	bool by_registers; /* loads are of the sample's registers: offset counts these */
	uint32_t array_offset, array_max; /* words: of a birth's stack, of a span's bits */
};

/* What a recipe is made from. */
struct recipe_source {
	const struct perfdata_info *info;
	const struct tracing_data *tracing; /* NULL: the formats are not known */
	bool has_foreign;		    /* probes of others can be identified */
};

void recipe_find(const struct recipe_source *source, const struct perfdata_event *event,
		 struct recipe *recipe);
/* Where a probe's fields lie in the tracepoint of that id. wanted NULL: none is. */
void recipe_find_probe(struct recipe *recipe, const struct tracing_data *tracing, uint64_t id,
		       const struct wanted_probe *wanted);
/* Adds one field by its name in the tracepoint; false where it has none of a number's size. */
bool recipe_add_load(struct recipe *recipe, const struct tracing_data *tracing, uint64_t id,
		     const char *name, uint8_t to);

static inline uint64_t recipe_load(const struct load *load, const uint8_t *raw, bool swap)
{
	uint64_t v8;
	uint32_t v4;
	uint16_t v2;

	raw += load->offset;
	switch (load->size) {
	case 8:
		memcpy(&v8, raw, sizeof(v8));
		return swap ? bswap_64(v8) : v8;
	case 4:
		memcpy(&v4, raw, sizeof(v4));
		v4 = swap ? bswap_32(v4) : v4;
		return load->is_signed ? (uint64_t)(int64_t)(int32_t)v4 : v4;
	case 2:
		memcpy(&v2, raw, sizeof(v2));
		v2 = swap ? bswap_16(v2) : v2;
		return load->is_signed ? (uint64_t)(int64_t)(int16_t)v2 : v2;
	case 1:
		return load->is_signed ? (uint64_t)(int64_t)(int8_t)*raw : *raw;
	}
	return 0;
}

#endif
