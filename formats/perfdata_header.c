#include "formats/perfdata_internal.h"

#include "formats/xalloc.h"

#include <byteswap.h>
#include <stdlib.h>
#include <string.h>

/* The header of the file form, the attrs and the feature table. */

struct header {
	uint64_t attr_size;
	struct perfdata_section attrs, data;
	uint64_t data_end; /* where reading stops */
	uint64_t flags[PERFDATA_FLAG_WORDS];
};

static struct perfdata_section get_section(struct cursor *c)
{
	struct perfdata_section section;

	section.offset = cursor_u64(c);
	section.size = cursor_u64(c);
	return section;
}

static bool inside(const struct perfdata_reader *reader, struct perfdata_section section)
{
	uint64_t file_size = reader->source.file_size;

	return section.offset <= file_size && section.size <= file_size - section.offset;
}

/*
 * The feature bits are an array of unsigned long. On a machine of the other byte order with longs
 * of 32 bits they are not where a swap of 64 finds them; the host name, which is always there,
 * tells.
 */
static void swap_flags(uint64_t flags[PERFDATA_FLAG_WORDS])
{
	if (perfdata_bit(flags, PERFDATA_FEAT_HOSTNAME))
		return;
	for (int i = 0; i < PERFDATA_FLAG_WORDS; i++)
		flags[i] = flags[i] << 32 | flags[i] >> 32;
	if (!perfdata_bit(flags, PERFDATA_FEAT_HOSTNAME))
		memset(flags, 0, PERFDATA_FLAG_WORDS * sizeof(*flags));
}

static struct error *parse_header(struct perfdata_reader *reader, struct header *header)
{
	struct perfdata_section all = {.size = PERFDATA_HEADER_SIZE};
	struct cursor c;
	uint8_t *bytes;
	uint64_t size;

	if (reader->source.file_size < PERFDATA_HEADER_SIZE)
		return error_new("%s: the file ends within its header", reader->path);
	bytes = perfdata_source_section(&reader->source, all);
	if (!bytes)
		return error_new("%s: the header cannot be read", reader->path);
	c = cursor_make(bytes, PERFDATA_HEADER_SIZE);
	c.swap = reader->info.swapped;
	cursor_u64(&c); /* magic */
	size = cursor_u64(&c);
	header->attr_size = cursor_u64(&c);
	header->attrs = get_section(&c);
	header->data = get_section(&c);
	get_section(&c); /* event types, of old */
	for (int i = 0; i < PERFDATA_FLAG_WORDS; i++)
		header->flags[i] = cursor_u64(&c);
	free(bytes);
	if (size == PERFDATA_OLD_SIZE)
		memset(header->flags, 0, sizeof(header->flags));
	else if (size != PERFDATA_HEADER_SIZE)
		return error_new("%s: not a perf.data file: its header claims %llu bytes",
				 reader->path, (unsigned long long)size);
	if (c.swap)
		swap_flags(header->flags);
	return NULL;
}

/* One event from its entry in the attrs section; *ids_left bounds the ids of all of them. */
static struct error *add_event(struct perfdata_reader *reader, const uint8_t *entry,
			       size_t attr_size, uint64_t *ids_left)
{
	struct cursor c = cursor_make(entry + attr_size, PERFDATA_SECTION_SIZE);
	struct perf_event_attr attr;
	struct perfdata_section ids;
	uint8_t *bytes;
	size_t n_ids;

	c.swap = reader->info.swapped;
	ids = get_section(&c);
	if (!inside(reader, ids) || ids.size > *ids_left)
		return error_new("%s: the ids of event %zu lie outside the file", reader->path,
				 reader->info.n_events);
	*ids_left -= ids.size;
	bytes = perfdata_source_section(&reader->source, ids);
	if (!bytes)
		return error_new("%s: the ids of event %zu cannot be read", reader->path,
				 reader->info.n_events);
	n_ids = ids.size / sizeof(uint64_t);
	perfdata_read_attr(&attr, entry, attr_size, c.swap);
	perfdata_add_event(reader, &attr, perfdata_read_words(bytes, n_ids, c.swap), n_ids);
	free(bytes);
	return NULL;
}

static struct error *read_attrs(struct perfdata_reader *reader, const struct header *header)
{
	uint64_t ids_left = reader->source.file_size;
	struct error *err = NULL;
	uint8_t *bytes;

	if (header->attr_size < PERF_ATTR_SIZE_VER0 + PERFDATA_SECTION_SIZE)
		return error_remedy(error_new("%s: the header was never completed", reader->path),
				    "was perf record stopped before it had started? Record again");
	bytes = inside(reader, header->attrs)
			? perfdata_source_section(&reader->source, header->attrs)
			: NULL;
	if (!bytes)
		return error_new("%s: the events are described outside the file", reader->path);
	for (uint64_t at = 0; !err && header->attrs.size - at >= header->attr_size;
	     at += header->attr_size)
		err = add_event(reader, bytes + at, header->attr_size - PERFDATA_SECTION_SIZE,
				&ids_left);
	free(bytes);
	return err;
}

/* ---- The feature table ------------------------------------------------------------------ */

/* Sections by feature; `has` tells which are there. */
struct table {
	bool has[PERFDATA_FEAT_BITS];
	struct perfdata_section at[PERFDATA_FEAT_BITS];
};

static bool read_table(struct perfdata_reader *reader, uint64_t offset,
		       const uint64_t flags[PERFDATA_FLAG_WORDS], struct table *table)
{
	struct perfdata_section all = {.offset = offset};
	struct cursor c;
	uint8_t *bytes;

	for (int i = 0; i < PERFDATA_FLAG_WORDS; i++)
		all.size += (uint64_t)__builtin_popcountll(flags[i]) * PERFDATA_SECTION_SIZE;
	bytes = perfdata_source_section(&reader->source, all);
	if (!bytes)
		return false;
	c = cursor_make(bytes, all.size);
	c.swap = reader->info.swapped;
	*table = (struct table){0};
	for (unsigned bit = 0; bit < PERFDATA_FEAT_BITS; bit++) {
		if (!perfdata_bit(flags, bit))
			continue;
		table->has[bit] = true;
		table->at[bit] = get_section(&c);
	}
	free(bytes);
	return true;
}

/* The copy in front of the data, which our own writer leaves there. */
static bool read_shadow(struct perfdata_reader *reader, uint64_t data_offset, struct table *table)
{
	uint64_t flags[PERFDATA_FLAG_WORDS], entries = 0;
	struct perfdata_section end = {.size = sizeof(flags) + sizeof(uint64_t)};
	struct cursor c;
	uint8_t *bytes;
	bool found;

	if (data_offset < end.size)
		return false;
	end.offset = data_offset - end.size;
	bytes = perfdata_source_section(&reader->source, end);
	if (!bytes)
		return false;
	c = cursor_make(bytes, end.size);
	c.swap = reader->info.swapped;
	for (int i = 0; i < PERFDATA_FLAG_WORDS; i++) {
		flags[i] = cursor_u64(&c);
		entries += (uint64_t)__builtin_popcountll(flags[i]);
	}
	found = cursor_u64(&c) == PERFDATA_SHADOW_MAGIC &&
		end.offset >= entries * PERFDATA_SECTION_SIZE;
	free(bytes);
	return found &&
	       read_table(reader, end.offset - entries * PERFDATA_SECTION_SIZE, flags, table);
}

/*
 * Whether what lies behind the data is the table, whole: of the sections known at the start all are
 * where they were then, or replaced by one behind the data.
 */
static bool agrees(const struct perfdata_reader *reader, const struct table *table,
		   const struct table *shadow, uint64_t data_end)
{
	for (unsigned bit = 0; bit < PERFDATA_FEAT_BITS; bit++) {
		const struct perfdata_section *now = &table->at[bit], *then = &shadow->at[bit];

		if (!shadow->has[bit] || !table->has[bit])
			continue;
		if (now->offset == then->offset && now->size == then->size)
			continue;
		if (now->offset <= data_end || !inside(reader, *now))
			return false;
	}
	return true;
}

/*
 * Finds the features. Where the data have no size the recorder was killed: with perf record the
 * bits are set then, and data lie where the table would be; with ours the table is there if and
 * only if no data are.
 */
static bool find_table(struct perfdata_reader *reader, struct header *header, struct table *table)
{
	uint64_t end = header->data.offset + header->data.size;
	bool found = read_table(reader, end, header->flags, table);
	struct table shadow;

	if (!read_shadow(reader, header->data.offset, &shadow))
		return found && header->data.size;
	if (found && agrees(reader, table, &shadow, end)) {
		header->data_end = end;
	} else {
		reader->info.truncated = true;
		*table = shadow;
	}
	return true;
}

/* Whether there is a place in the info for it. */
static bool wanted(unsigned feature)
{
	switch (feature) {
	case PERFDATA_FEAT_TRACING_DATA:
	case PERFDATA_FEAT_BUILD_ID:
	case PERFDATA_FEAT_HOSTNAME:
	case PERFDATA_FEAT_OSRELEASE:
	case PERFDATA_FEAT_VERSION:
	case PERFDATA_FEAT_ARCH:
	case PERFDATA_FEAT_NRCPUS:
	case PERFDATA_FEAT_TOTAL_MEM:
	case PERFDATA_FEAT_CLOCKID:
	case PERFDATA_FEAT_CMDLINE:
	case PERFDATA_FEAT_EVENT_DESC:
	case PERFDATA_FEAT_SAMPLE_TIME:
	case PERFDATA_FEAT_COMPRESSED:
	case PERFDATA_FEAT_CLOCK_DATA:
	case PERFDATA_FEAT_SYMTAB:
	case PERFDATA_FEAT_DUMPS:
	case PERFDATA_FEAT_UNWIND:
		return true;
	}
	return false;
}

static void read_features(struct perfdata_reader *reader, const struct table *table)
{
	for (unsigned bit = 1; bit < PERFDATA_FEAT_BITS; bit++) {
		uint8_t *body;

		if (!table->has[bit] || !wanted(bit))
			continue;
		body = perfdata_source_section(&reader->source, table->at[bit]);
		if (!body) {
			reader->info.truncated = true;
			continue;
		}
		if (bit == PERFDATA_FEAT_TRACING_DATA) {
			reader->info.tracing_data = reader->tracing_data = body;
			reader->info.tracing_data_len = table->at[bit].size;
		} else if (bit == PERFDATA_FEAT_SYMTAB) {
			reader->info.symtab = reader->symtab = body;
			reader->info.symtab_len = table->at[bit].size;
		} else if (bit == PERFDATA_FEAT_DUMPS) {
			reader->info.dumps = reader->dumps = body;
			reader->info.dumps_len = table->at[bit].size;
		} else if (bit == PERFDATA_FEAT_UNWIND) {
			reader->info.unwind = reader->unwind = body;
			reader->info.unwind_len = table->at[bit].size;
		} else {
			perfdata_read_feature(reader, bit, body, table->at[bit].size);
			free(body);
		}
	}
}

struct error *perfdata_read_header(struct perfdata_reader *reader)
{
	uint64_t file_size = reader->source.file_size;
	struct header header = {0};
	struct table table;

	TRY(parse_header(reader, &header));
	TRY(read_attrs(reader, &header));
	if (header.data.offset > file_size || header.data.size > UINT64_MAX - header.data.offset)
		return error_new("%s: the data lie outside the file", reader->path);
	header.data_end = header.data.offset + header.data.size;
	if (header.data.size == 0) {
		reader->info.truncated = true;
		header.data_end = file_size;
	}
	if (find_table(reader, &header, &table))
		read_features(reader, &table);
	else
		reader->info.truncated = true;
	if (header.data_end > file_size)
		reader->info.truncated = true;
	perfdata_source_seek(&reader->source, header.data.offset, header.data_end);
	return NULL;
}
