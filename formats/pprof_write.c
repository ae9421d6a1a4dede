#include "formats/pprof.h"

#include "formats/decompress.h"
#include "formats/profile.pb-c.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct pprof_profile *pprof_new(void)
{
	struct pprof_profile *p = xcalloc(1, sizeof(*p));

	p->drop_frames = p->keep_frames = p->default_sample_type = p->doc_url = "";
	p->period_type = (struct pprof_value_type){.type = "", .unit = ""};
	return p;
}

static const char *keep(struct pprof_profile *p, const char *text)
{
	return text && *text ? arena_strndup(&p->arena, text, strlen(text)) : "";
}

static void *keep_array(struct pprof_profile *p, const void *items, size_t n, size_t size)
{
	void *copy = arena_zalloc(&p->arena, n, size);

	if (n)
		memcpy(copy, items, n * size);
	return copy;
}

uint32_t pprof_add_sample_type(struct pprof_profile *p, const char *type, const char *unit)
{
	xgrow(p->sample_types, p->cap_sample_types, p->n_sample_types + 1);
	p->sample_types[p->n_sample_types] =
		(struct pprof_value_type){.type = keep(p, type), .unit = keep(p, unit)};
	return (uint32_t)p->n_sample_types++;
}

uint32_t pprof_add_mapping(struct pprof_profile *p, const struct pprof_mapping *mapping)
{
	struct pprof_mapping *m;

	xgrow(p->mappings, p->cap_mappings, p->n_mappings + 1);
	m = &p->mappings[p->n_mappings];
	*m = *mapping;
	m->file = keep(p, mapping->file);
	m->build_id = keep(p, mapping->build_id);
	return (uint32_t)p->n_mappings++;
}

uint32_t pprof_add_function(struct pprof_profile *p, const char *name, const char *file,
			    int64_t start_line)
{
	const char *kept = keep(p, name);

	xgrow(p->functions, p->cap_functions, p->n_functions + 1);
	p->functions[p->n_functions] = (struct pprof_function){
		.name = kept, .system_name = kept, .file = keep(p, file), .start_line = start_line};
	return (uint32_t)p->n_functions++;
}

uint32_t pprof_add_location(struct pprof_profile *p, uint32_t mapping, uint64_t address,
			    const struct pprof_line *lines, size_t n_lines)
{
	xgrow(p->locations, p->cap_locations, p->n_locations + 1);
	p->locations[p->n_locations] =
		(struct pprof_location){.mapping = mapping,
					.address = address,
					.lines = keep_array(p, lines, n_lines, sizeof(*lines)),
					.n_lines = n_lines};
	return (uint32_t)p->n_locations++;
}

uint32_t pprof_add_sample(struct pprof_profile *p, const uint32_t *locations, size_t n_locations,
			  const int64_t *values, const struct pprof_label *labels, size_t n_labels)
{
	struct pprof_sample *s;

	xgrow(p->samples, p->cap_samples, p->n_samples + 1);
	s = &p->samples[p->n_samples];
	*s = (struct pprof_sample){
		.locations = keep_array(p, locations, n_locations, sizeof(*locations)),
		.n_locations = n_locations,
		.values = keep_array(p, values, p->n_sample_types, sizeof(*values)),
		.labels = keep_array(p, labels, n_labels, sizeof(*labels)),
		.n_labels = n_labels,
	};
	for (size_t i = 0; i < n_labels; i++) {
		s->labels[i].key = keep(p, labels[i].key);
		s->labels[i].str = keep(p, labels[i].str);
		s->labels[i].unit = keep(p, labels[i].unit);
	}
	return (uint32_t)p->n_samples++;
}

void pprof_add_comment(struct pprof_profile *p, const char *text)
{
	xgrow(p->comments, p->cap_comments, p->n_comments + 1);
	p->comments[p->n_comments++] = keep(p, text);
}

/* ---- Encoding --------------------------------------------------------------------------- */

/* The string table being made: each text once, "" first. */
struct strings {
	char **items;
	size_t n, cap;
	uint32_t *slots; /* index + 1 into items; 0 empty */
	size_t n_slots;	 /* a power of two */
};

static void strings_place(struct strings *s, uint32_t index)
{
	const char *text = s->items[index];
	size_t at = XXH3_64bits(text, strlen(text)) & (s->n_slots - 1);

	while (s->slots[at])
		at = (at + 1) & (s->n_slots - 1);
	s->slots[at] = index + 1;
}

static int64_t strings_put(struct strings *s, const char *text)
{
	size_t at;

	if ((s->n + 1) * 2 > s->n_slots) {
		free(s->slots);
		s->n_slots = s->n_slots ? s->n_slots * 2 : 256;
		s->slots = xcalloc(s->n_slots, sizeof(*s->slots));
		for (size_t i = 0; i < s->n; i++)
			strings_place(s, (uint32_t)i);
	}
	at = XXH3_64bits(text, strlen(text)) & (s->n_slots - 1);
	for (; s->slots[at]; at = (at + 1) & (s->n_slots - 1)) {
		if (!strcmp(s->items[s->slots[at] - 1], text))
			return s->slots[at] - 1;
	}
	xgrow(s->items, s->cap, s->n + 1);
	s->items[s->n] = (char *)text;
	s->slots[at] = (uint32_t)++s->n;
	return (int64_t)s->n - 1;
}

/* The message being built; everything but the strings lies in the arena. */
struct writing {
	Pb__Profile pb;
	struct strings strings;
	struct arena arena;
};

/* An array of n pointers to n initialised messages of a type. */
#define NEW_MESSAGES(w, n, type, init_fn)                                          \
	({                                                                         \
		type **new_ptrs_ = arena_zalloc(&(w)->arena, (n), sizeof(type *)); \
		type *new_items_ = arena_zalloc(&(w)->arena, (n), sizeof(type));   \
		for (size_t new_i_ = 0; new_i_ < (n); new_i_++) {                  \
			init_fn(&new_items_[new_i_]);                              \
			new_ptrs_[new_i_] = &new_items_[new_i_];                   \
		}                                                                  \
		new_ptrs_;                                                         \
	})

static void put_value_type(struct writing *w, Pb__ValueType *pb, const struct pprof_value_type *t)
{
	pb->type = strings_put(&w->strings, t->type);
	pb->unit = strings_put(&w->strings, t->unit);
}

static void put_header(struct writing *w, const struct pprof_profile *p)
{
	Pb__Profile *pb = &w->pb;

	strings_put(&w->strings, "");
	pb->n_sample_type = p->n_sample_types;
	pb->sample_type = NEW_MESSAGES(w, p->n_sample_types, Pb__ValueType, pb__value_type__init);
	for (size_t i = 0; i < p->n_sample_types; i++)
		put_value_type(w, pb->sample_type[i], &p->sample_types[i]);
	if (*p->period_type.type || *p->period_type.unit) {
		pb->period_type = NEW_MESSAGES(w, 1, Pb__ValueType, pb__value_type__init)[0];
		put_value_type(w, pb->period_type, &p->period_type);
	}
	pb->drop_frames = strings_put(&w->strings, p->drop_frames);
	pb->keep_frames = strings_put(&w->strings, p->keep_frames);
	pb->doc_url = strings_put(&w->strings, p->doc_url);
	pb->default_sample_type = strings_put(&w->strings, p->default_sample_type);
	pb->time_nanos = p->time_nanos;
	pb->duration_nanos = p->duration_nanos;
	pb->period = p->period;
	pb->n_comment = p->n_comments;
	pb->comment = arena_zalloc(&w->arena, p->n_comments, sizeof(*pb->comment));
	for (size_t i = 0; i < p->n_comments; i++)
		pb->comment[i] = strings_put(&w->strings, p->comments[i]);
}

static void put_mappings(struct writing *w, const struct pprof_profile *p)
{
	w->pb.n_mapping = p->n_mappings;
	w->pb.mapping = NEW_MESSAGES(w, p->n_mappings, Pb__Mapping, pb__mapping__init);
	for (size_t i = 0; i < p->n_mappings; i++) {
		const struct pprof_mapping *m = &p->mappings[i];
		Pb__Mapping *pb = w->pb.mapping[i];

		pb->id = i + 1;
		pb->memory_start = m->start;
		pb->memory_limit = m->limit;
		pb->file_offset = m->offset;
		pb->filename = strings_put(&w->strings, m->file);
		pb->build_id = strings_put(&w->strings, m->build_id);
		pb->has_functions = m->has_functions;
		pb->has_filenames = m->has_filenames;
		pb->has_line_numbers = m->has_line_numbers;
		pb->has_inline_frames = m->has_inline_frames;
	}
}

static void put_functions(struct writing *w, const struct pprof_profile *p)
{
	w->pb.n_function = p->n_functions;
	w->pb.function = NEW_MESSAGES(w, p->n_functions, Pb__Function, pb__function__init);
	for (size_t i = 0; i < p->n_functions; i++) {
		Pb__Function *pb = w->pb.function[i];

		pb->id = i + 1;
		pb->name = strings_put(&w->strings, p->functions[i].name);
		pb->system_name = strings_put(&w->strings, p->functions[i].system_name);
		pb->filename = strings_put(&w->strings, p->functions[i].file);
		pb->start_line = p->functions[i].start_line;
	}
}

static void put_locations(struct writing *w, const struct pprof_profile *p)
{
	w->pb.n_location = p->n_locations;
	w->pb.location = NEW_MESSAGES(w, p->n_locations, Pb__Location, pb__location__init);
	for (size_t i = 0; i < p->n_locations; i++) {
		const struct pprof_location *l = &p->locations[i];
		Pb__Location *pb = w->pb.location[i];

		pb->id = i + 1;
		pb->mapping_id = l->mapping == PPROF_NONE ? 0 : (uint64_t)l->mapping + 1;
		pb->address = l->address;
		pb->is_folded = l->folded;
		pb->n_line = l->n_lines;
		pb->line = NEW_MESSAGES(w, l->n_lines, Pb__Line, pb__line__init);
		for (size_t k = 0; k < l->n_lines; k++) {
			const struct pprof_line *line = &l->lines[k];

			pb->line[k]->function_id =
				line->function == PPROF_NONE ? 0 : (uint64_t)line->function + 1;
			pb->line[k]->line = line->line;
			pb->line[k]->column = line->column;
		}
	}
}

static void put_samples(struct writing *w, const struct pprof_profile *p)
{
	w->pb.n_sample = p->n_samples;
	w->pb.sample = NEW_MESSAGES(w, p->n_samples, Pb__Sample, pb__sample__init);
	for (size_t i = 0; i < p->n_samples; i++) {
		const struct pprof_sample *s = &p->samples[i];
		Pb__Sample *pb = w->pb.sample[i];

		pb->n_location_id = s->n_locations;
		pb->location_id = arena_zalloc(&w->arena, s->n_locations, sizeof(*pb->location_id));
		for (size_t k = 0; k < s->n_locations; k++)
			pb->location_id[k] = (uint64_t)s->locations[k] + 1;
		pb->n_value = p->n_sample_types;
		pb->value = s->values;
		pb->n_label = s->n_labels;
		pb->label = NEW_MESSAGES(w, s->n_labels, Pb__Label, pb__label__init);
		for (size_t k = 0; k < s->n_labels; k++) {
			pb->label[k]->key = strings_put(&w->strings, s->labels[k].key);
			pb->label[k]->str = strings_put(&w->strings, s->labels[k].str);
			pb->label[k]->num = s->labels[k].num;
			pb->label[k]->num_unit = strings_put(&w->strings, s->labels[k].unit);
		}
	}
}

struct error *pprof_encode(const struct pprof_profile *p, bool gzip, struct buffer *out)
{
	struct writing w = {.pb = PB__PROFILE__INIT};
	struct buffer plain = {0}, *to = gzip ? &plain : out;
	struct error *err = NULL;
	size_t size;

	put_header(&w, p);
	put_mappings(&w, p);
	put_functions(&w, p);
	put_locations(&w, p);
	put_samples(&w, p);
	w.pb.n_string_table = w.strings.n;
	w.pb.string_table = w.strings.items;
	size = pb__profile__get_packed_size(&w.pb);
	pb__profile__pack(&w.pb, buffer_extend(to, size));
	if (gzip)
		err = gzip_compress(plain.data, plain.len, out);
	buffer_free(&plain);
	arena_free(&w.arena);
	free(w.strings.items);
	free(w.strings.slots);
	return err;
}
