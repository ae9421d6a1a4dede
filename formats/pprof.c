#include "formats/pprof.h"

#include "formats/decompress.h"
#include "formats/profile.pb-c.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/*
 * Unpacked messages are larger than their bytes: an empty sample has 2 bytes in the file and
 * about 80 in memory, a location of Go's about 10 and 200. Real profiles stay below 16 times; the
 * constants leave room and keep a hostile file from taking the machine.
 */
#define UNPACK_FACTOR 24
#define UNPACK_SLACK  ((size_t)1 << 20)
#define UNPACK_MAX    ((size_t)4 << 30)

/* The ids that a section of the file gave out, and the index that each stands for. */
struct ids {
	struct id {
		uint64_t id;
		uint32_t index;
	} * items;
	size_t n;
	bool dense; /* ids count from 1: then items is not needed */
};

/* What the conversion of one file works with. */
struct reading {
	const Pb__Profile *pb;
	struct pprof_profile *profile;
	const char **strings;
	struct ids mappings, functions, locations;
};

static void *unpack_alloc(void *data, size_t size)
{
	return arena_try(data, size);
}

static void unpack_free(void *data, void *pointer)
{
	(void)data;
	(void)pointer;
}

static int compare_ids(const void *a, const void *b)
{
	const struct id *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Takes the id of element `index`; elements come in order. */
static void ids_add(struct ids *ids, uint64_t id, uint32_t index)
{
	ids->items[ids->n++] = (struct id){.id = id, .index = index};
	if (id != (uint64_t)index + 1)
		ids->dense = false;
}

static struct error *ids_finish(struct ids *ids, const char *what)
{
	if (ids->dense)
		return NULL;
	qsort(ids->items, ids->n, sizeof(*ids->items), compare_ids);
	for (size_t i = 0; i < ids->n; i++) {
		if (!ids->items[i].id)
			return error_new("%s %u has no id", what, ids->items[i].index);
		if (i && ids->items[i].id == ids->items[i - 1].id)
			return error_new("%s %u has the same id as another: %llu", what,
					 ids->items[i].index, (unsigned long long)ids->items[i].id);
	}
	return NULL;
}

static bool ids_find(const struct ids *ids, uint64_t id, uint32_t *index)
{
	struct id key = {.id = id}, *found;

	if (ids->dense) {
		*index = (uint32_t)(id - 1);
		return id && id <= ids->n;
	}
	found = bsearch(&key, ids->items, ids->n, sizeof(*ids->items), compare_ids);
	if (found)
		*index = found->index;
	return found != NULL;
}

static void ids_init(struct ids *ids, size_t n)
{
	*ids = (struct ids){.items = xcalloc(n ? n : 1, sizeof(*ids->items)), .dense = true};
}

static struct error *string_at(const struct reading *r, int64_t index, const char **text)
{
	if (index < 0 || (uint64_t)index >= r->pb->n_string_table) {
		/* A writer with nothing to say may leave the whole table out. */
		if (index == 0) {
			*text = "";
			return NULL;
		}
		return error_new("string %lld of a table of %zu", (long long)index,
				 r->pb->n_string_table);
	}
	*text = r->strings[index];
	return NULL;
}

static void read_strings(struct reading *r)
{
	struct arena *arena = &r->profile->arena;
	size_t n = r->pb->n_string_table;

	r->strings = xcalloc(n ? n : 1, sizeof(*r->strings));
	for (size_t i = 0; i < n; i++) {
		const char *text = r->pb->string_table[i];

		r->strings[i] = arena_strndup(arena, text, strlen(text));
	}
}

static struct error *read_value_type(const struct reading *r, const Pb__ValueType *pb,
				     struct pprof_value_type *out)
{
	*out = (struct pprof_value_type){.type = "", .unit = ""};
	if (!pb)
		return NULL;
	TRY(string_at(r, pb->type, &out->type));
	return string_at(r, pb->unit, &out->unit);
}

static struct error *read_header(struct reading *r)
{
	const Pb__Profile *pb = r->pb;
	struct pprof_profile *p = r->profile;

	p->time_nanos = pb->time_nanos;
	p->duration_nanos = pb->duration_nanos;
	p->period = pb->period;
	TRY(error_context(string_at(r, pb->drop_frames, &p->drop_frames), "drop_frames"));
	TRY(error_context(string_at(r, pb->keep_frames, &p->keep_frames), "keep_frames"));
	TRY(error_context(string_at(r, pb->doc_url, &p->doc_url), "doc_url"));
	TRY(error_context(string_at(r, pb->default_sample_type, &p->default_sample_type),
			  "default_sample_type"));
	TRY(error_context(read_value_type(r, pb->period_type, &p->period_type), "period_type"));
	xgrow(p->sample_types, p->cap_sample_types, pb->n_sample_type);
	for (size_t i = 0; i < pb->n_sample_type; i++)
		TRY(error_context(read_value_type(r, pb->sample_type[i],
						  &p->sample_types[p->n_sample_types++]),
				  "sample_type %zu", i));
	for (size_t i = 0; i < pb->n_comment; i++) {
		const char *text = "";

		TRY(error_context(string_at(r, pb->comment[i], &text), "comment %zu", i));
		pprof_add_comment(p, text);
	}
	return NULL;
}

static struct error *read_mappings(struct reading *r)
{
	struct pprof_profile *p = r->profile;

	ids_init(&r->mappings, r->pb->n_mapping);
	xgrow(p->mappings, p->cap_mappings, r->pb->n_mapping);
	for (size_t i = 0; i < r->pb->n_mapping; i++) {
		const Pb__Mapping *pb = r->pb->mapping[i];
		struct pprof_mapping *m = &p->mappings[p->n_mappings++];

		*m = (struct pprof_mapping){
			.start = pb->memory_start,
			.limit = pb->memory_limit,
			.offset = pb->file_offset,
			.has_functions = pb->has_functions,
			.has_filenames = pb->has_filenames,
			.has_line_numbers = pb->has_line_numbers,
			.has_inline_frames = pb->has_inline_frames,
		};
		TRY(error_context(string_at(r, pb->filename, &m->file), "mapping %zu", i));
		TRY(error_context(string_at(r, pb->build_id, &m->build_id), "mapping %zu", i));
		ids_add(&r->mappings, pb->id, (uint32_t)i);
	}
	return ids_finish(&r->mappings, "mapping");
}

static struct error *read_functions(struct reading *r)
{
	struct pprof_profile *p = r->profile;

	ids_init(&r->functions, r->pb->n_function);
	xgrow(p->functions, p->cap_functions, r->pb->n_function);
	for (size_t i = 0; i < r->pb->n_function; i++) {
		const Pb__Function *pb = r->pb->function[i];
		struct pprof_function *f = &p->functions[p->n_functions++];

		f->start_line = pb->start_line;
		TRY(error_context(string_at(r, pb->name, &f->name), "function %zu", i));
		TRY(error_context(string_at(r, pb->system_name, &f->system_name), "function %zu",
				  i));
		TRY(error_context(string_at(r, pb->filename, &f->file), "function %zu", i));
		ids_add(&r->functions, pb->id, (uint32_t)i);
	}
	return ids_finish(&r->functions, "function");
}

static struct error *read_location(struct reading *r, const Pb__Location *pb,
				   struct pprof_location *out)
{
	*out = (struct pprof_location){
		.mapping = PPROF_NONE,
		.folded = pb->is_folded,
		.address = pb->address,
		.n_lines = pb->n_line,
		.lines = arena_zalloc(&r->profile->arena, pb->n_line, sizeof(*out->lines)),
	};
	if (pb->mapping_id && !ids_find(&r->mappings, pb->mapping_id, &out->mapping))
		return error_new("mapping %llu is not in the profile",
				 (unsigned long long)pb->mapping_id);
	for (size_t i = 0; i < pb->n_line; i++) {
		struct pprof_line *line = &out->lines[i];

		*line = (struct pprof_line){
			.function = PPROF_NONE,
			.line = pb->line[i]->line,
			.column = pb->line[i]->column,
		};
		if (pb->line[i]->function_id &&
		    !ids_find(&r->functions, pb->line[i]->function_id, &line->function))
			return error_new("function %llu is not in the profile",
					 (unsigned long long)pb->line[i]->function_id);
	}
	return NULL;
}

static struct error *read_locations(struct reading *r)
{
	struct pprof_profile *p = r->profile;

	ids_init(&r->locations, r->pb->n_location);
	xgrow(p->locations, p->cap_locations, r->pb->n_location);
	for (size_t i = 0; i < r->pb->n_location; i++) {
		TRY(error_context(
			read_location(r, r->pb->location[i], &p->locations[p->n_locations++]),
			"location %zu", i));
		ids_add(&r->locations, r->pb->location[i]->id, (uint32_t)i);
	}
	return ids_finish(&r->locations, "location");
}

static struct error *read_sample(struct reading *r, const Pb__Sample *pb, struct pprof_sample *out)
{
	struct arena *arena = &r->profile->arena;
	size_t n_types = r->profile->n_sample_types;

	if (pb->n_value != n_types)
		return error_new("%zu values where the profile has %zu sample types", pb->n_value,
				 n_types);
	*out = (struct pprof_sample){
		.n_locations = pb->n_location_id,
		.locations = arena_zalloc(arena, pb->n_location_id, sizeof(*out->locations)),
		.values = arena_zalloc(arena, n_types, sizeof(*out->values)),
		.n_labels = pb->n_label,
		.labels = arena_zalloc(arena, pb->n_label, sizeof(*out->labels)),
	};
	if (n_types)
		memcpy(out->values, pb->value, n_types * sizeof(*out->values));
	for (size_t i = 0; i < pb->n_location_id; i++) {
		if (!ids_find(&r->locations, pb->location_id[i], &out->locations[i]))
			return error_new("location %llu is not in the profile",
					 (unsigned long long)pb->location_id[i]);
	}
	for (size_t i = 0; i < pb->n_label; i++) {
		out->labels[i].num = pb->label[i]->num;
		TRY(string_at(r, pb->label[i]->key, &out->labels[i].key));
		TRY(string_at(r, pb->label[i]->str, &out->labels[i].str));
		TRY(string_at(r, pb->label[i]->num_unit, &out->labels[i].unit));
	}
	return NULL;
}

static struct error *read_samples(struct reading *r)
{
	struct pprof_profile *p = r->profile;

	xgrow(p->samples, p->cap_samples, r->pb->n_sample);
	for (size_t i = 0; i < r->pb->n_sample; i++)
		TRY(error_context(read_sample(r, r->pb->sample[i], &p->samples[p->n_samples++]),
				  "sample %zu", i));
	return NULL;
}

static struct error *read_profile(struct reading *r)
{
	if (r->pb->n_string_table && *r->pb->string_table[0])
		return error_new("the string table does not begin with an empty string");
	if (r->pb->n_location >= PPROF_NONE || r->pb->n_function >= PPROF_NONE ||
	    r->pb->n_mapping >= PPROF_NONE)
		return error_new("too many locations");
	read_strings(r);
	TRY(read_header(r));
	TRY(read_mappings(r));
	TRY(read_functions(r));
	TRY(read_locations(r));
	return read_samples(r);
}

static struct error *convert(const Pb__Profile *pb, struct pprof_profile **profile)
{
	struct reading r = {.pb = pb, .profile = pprof_new()};
	struct error *err = read_profile(&r);

	free(r.strings);
	free(r.mappings.items);
	free(r.functions.items);
	free(r.locations.items);
	if (err)
		pprof_free(r.profile);
	else
		*profile = r.profile;
	return err;
}

static struct error *unpack(const struct buffer *plain, struct pprof_profile **profile)
{
	struct arena arena = {.limit = UNPACK_SLACK + plain->len * UNPACK_FACTOR};
	ProtobufCAllocator allocator = {
		.alloc = unpack_alloc, .free = unpack_free, .allocator_data = &arena};
	struct error *err;
	Pb__Profile *pb;

	if (arena.limit > UNPACK_MAX)
		arena.limit = UNPACK_MAX;
	pb = pb__profile__unpack(&allocator, plain->len, plain->data);
	if (pb)
		err = convert(pb, profile);
	else
		err = error_new("the bytes are no protobuf message");
	arena_free(&arena);
	return err;
}

struct error *pprof_parse(const void *data, size_t len, struct pprof_profile **profile)
{
	struct buffer plain = {0};
	struct error *err;

	*profile = NULL;
	err = decompress(data, len, &plain);
	if (!err && !plain.len)
		err = error_new("empty");
	if (!err)
		err = unpack(&plain, profile);
	if (!err && !(*profile)->n_sample_types) {
		pprof_free(*profile);
		*profile = NULL;
		err = error_new("it has no sample types");
	}
	buffer_free(&plain);
	return error_remedy(error_context(err, "not a pprof profile"),
			    "give a file that `curl -o heap.pb.gz http://HOST/debug/pprof/heap` "
			    "or pprof.WriteHeapProfile wrote");
}

int pprof_value_index(const struct pprof_profile *profile, const char *type)
{
	for (size_t i = 0; i < profile->n_sample_types; i++) {
		if (!strcmp(profile->sample_types[i].type, type))
			return (int)i;
	}
	return -1;
}

void pprof_free(struct pprof_profile *profile)
{
	if (!profile)
		return;
	free(profile->sample_types);
	free(profile->samples);
	free(profile->mappings);
	free(profile->locations);
	free(profile->functions);
	free(profile->comments);
	arena_free(&profile->arena);
	free(profile);
}
