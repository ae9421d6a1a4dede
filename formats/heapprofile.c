#include "formats/heapprofile.h"

#include "formats/bytes.h"
#include "formats/decompress.h"
#include "formats/heaptext.h"
#include "formats/xalloc.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REMEDY                                                                   \
	"give a file that `curl -o heap.pb.gz http://HOST/debug/pprof/heap` or " \
	"pprof.WriteHeapProfile wrote"

struct heap_entry *heap_profile_add(struct heap_profile *profile)
{
	xgrow(profile->entries, profile->cap_entries, profile->n_entries + 1);
	profile->entries[profile->n_entries] = (struct heap_entry){0};
	return &profile->entries[profile->n_entries++];
}

/* Sums wrap rather than overflow: hostile counts give a wrong sum, nothing worse. */
static int64_t add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

void heap_profile_sum(struct heap_profile *profile)
{
	profile->alloc_objects = profile->alloc_bytes = 0;
	profile->inuse_objects = profile->inuse_bytes = 0;
	profile->n_inexact = 0;
	for (size_t i = 0; i < profile->n_entries; i++) {
		const struct heap_entry *e = &profile->entries[i];

		profile->alloc_objects = add(profile->alloc_objects, e->alloc_objects);
		profile->alloc_bytes = add(profile->alloc_bytes, e->alloc_bytes);
		profile->inuse_objects = add(profile->inuse_objects, e->inuse_objects);
		profile->inuse_bytes = add(profile->inuse_bytes, e->inuse_bytes);
		profile->n_inexact += e->inexact;
	}
}

void heap_profile_free(struct heap_profile *profile)
{
	if (!profile)
		return;
	free(profile->entries);
	arena_free(&profile->arena);
	free(profile);
}

double heap_scale(uint64_t size, int64_t rate)
{
	if (rate <= 1 || !size)
		return 1;
	return 1 / (1 - exp(-(double)size / (double)rate));
}

/* Whether int64(exact) can be `value` when exact is known to within a relative error. */
static bool truncates_to(double exact, double error, int64_t value)
{
	double slack = fabs(exact) * error;

	return trunc(exact - slack) <= (double)value && (double)value <= trunc(exact + slack);
}

/*
 * runtime/pprof writes int64(count * scale) and int64(count * size * scale) with scale =
 * 1/(1-exp(-size/rate)) in float64 (protomem.go). The bytes of one more object are at least `rate`
 * more, so they alone fix the count, and both values then confirm it. Go's exp and libm's differ
 * in the last bits: for a small x = size/rate that is an error of an ulp in 1-exp(-x), which is
 * about x, so the relative error of scale is that of an ulp divided by x.
 */
bool heap_unscale(uint64_t size, int64_t rate, int64_t objects, int64_t bytes, int64_t *n)
{
	double scale = heap_scale(size, rate), error = 4 * DBL_EPSILON, count;

	if (!size) {
		*n = objects;
		return !objects && !bytes;
	}
	if (rate > 1)
		error += DBL_EPSILON * (double)rate / (double)size;
	count = round((double)bytes / ((double)size * scale));
	if (!(fabs(count) < 9e15)) {
		*n = 0;
		return false;
	}
	*n = (int64_t)count;
	return truncates_to(count * scale, error, objects) &&
	       truncates_to(count * (double)size * scale, error, bytes);
}

/* ---- From profile.proto ----------------------------------------------------------------- */

struct heap_columns {
	int alloc_objects, alloc_space, inuse_objects, inuse_space;
};

/* What a profile that is no heap dump is one of. */
static struct error *wrong_kind(const struct pprof_profile *pprof)
{
	struct arena arena = {0};
	const char *type = pprof->sample_types[0].type, *unit = pprof->sample_types[0].unit;
	struct error *err;

	err = error_new("a profile of %s/%s, not a heap dump",
			arena_strndup_printable(&arena, type, strnlen(type, 40)),
			arena_strndup_printable(&arena, unit, strnlen(unit, 40)));
	arena_free(&arena);
	return error_remedy(err, REMEDY);
}

static struct error *find_columns(const struct pprof_profile *pprof, struct heap_columns *columns)
{
	*columns = (struct heap_columns){
		.alloc_objects = pprof_value_index(pprof, "alloc_objects"),
		.alloc_space = pprof_value_index(pprof, "alloc_space"),
		.inuse_objects = pprof_value_index(pprof, "inuse_objects"),
		.inuse_space = pprof_value_index(pprof, "inuse_space"),
	};
	if (!pprof->n_sample_types)
		return error_remedy(error_new("a profile without sample types"), REMEDY);
	if (columns->inuse_objects < 0 || columns->inuse_space < 0)
		return wrong_kind(pprof);
	return NULL;
}

static uint64_t object_size(const struct pprof_sample *sample)
{
	for (size_t i = 0; i < sample->n_labels; i++) {
		if (!strcmp(sample->labels[i].key, "bytes") && !*sample->labels[i].str &&
		    sample->labels[i].num > 0)
			return (uint64_t)sample->labels[i].num;
	}
	return 0;
}

static const char *copy(struct heap_profile *profile, const char *text)
{
	return *text ? arena_strndup_printable(&profile->arena, text, strlen(text)) : "";
}

static void copy_stack(struct heap_profile *profile, const struct pprof_profile *pprof,
		       const struct heap_frame *functions, const struct pprof_sample *sample,
		       struct heap_entry *entry)
{
	entry->n_pcs = sample->n_locations;
	entry->pcs = arena_zalloc(&profile->arena, entry->n_pcs, sizeof(*entry->pcs));
	for (size_t i = 0; i < sample->n_locations; i++) {
		entry->pcs[i] = pprof->locations[sample->locations[i]].address + 1;
		entry->n_frames += pprof->locations[sample->locations[i]].n_lines;
	}
	entry->frames = arena_zalloc(&profile->arena, entry->n_frames, sizeof(*entry->frames));
	for (size_t i = 0, at = 0; i < sample->n_locations; i++) {
		const struct pprof_location *l = &pprof->locations[sample->locations[i]];

		for (size_t k = 0; k < l->n_lines; k++, at++) {
			const struct pprof_line *line = &l->lines[k];

			entry->frames[at] = line->function == PPROF_NONE
						    ? (struct heap_frame){"", "", 0}
						    : functions[line->function];
			if (line->line > 0 && line->line <= UINT32_MAX)
				entry->frames[at].line = (uint32_t)line->line;
		}
	}
}

static void copy_counts(const struct pprof_sample *sample, const struct heap_columns *columns,
			int64_t rate, struct heap_entry *entry)
{
	int64_t objects = sample->values[columns->inuse_objects];
	int64_t bytes = sample->values[columns->inuse_space];
	bool exact;

	entry->size = object_size(sample);
	/* Without the label the mean of the scaled values is near the size. */
	if (!entry->size && objects > 0 && bytes > 0) {
		entry->size = (uint64_t)(bytes / objects);
		entry->inexact = true;
	}
	exact = heap_unscale(entry->size, rate, objects, bytes, &entry->inuse_objects);
	if (columns->alloc_objects >= 0 && columns->alloc_space >= 0)
		exact &= heap_unscale(entry->size, rate, sample->values[columns->alloc_objects],
				      sample->values[columns->alloc_space], &entry->alloc_objects);
	entry->inexact |= !exact;
	entry->inuse_bytes = (int64_t)((uint64_t)entry->inuse_objects * entry->size);
	entry->alloc_bytes = (int64_t)((uint64_t)entry->alloc_objects * entry->size);
}

/* One frame per function, without its line; the strings of all entries are shared. */
static struct heap_frame *copy_functions(struct heap_profile *profile,
					 const struct pprof_profile *pprof)
{
	struct heap_frame *frames = xcalloc(pprof->n_functions + 1, sizeof(*frames));

	for (size_t i = 0; i < pprof->n_functions; i++) {
		frames[i].function = copy(profile, pprof->functions[i].name);
		frames[i].file = copy(profile, pprof->functions[i].file);
	}
	return frames;
}

/* Stacks are copied per entry; a file that repeats a long one for ever must not take the machine.
 */
static struct error *check_volume(const struct pprof_profile *pprof)
{
	uint64_t frames = 0;

	for (size_t i = 0; i < pprof->n_samples; i++) {
		const struct pprof_sample *sample = &pprof->samples[i];

		for (size_t k = 0; k < sample->n_locations; k++)
			frames += 1 + pprof->locations[sample->locations[k]].n_lines;
		if (frames > UINT64_C(100) << 20)
			return error_new("more than 100 million stack frames");
	}
	return NULL;
}

struct error *heap_profile_from_pprof(const struct pprof_profile *pprof,
				      struct heap_profile **profile)
{
	struct heap_columns columns;
	struct heap_frame *functions;
	struct heap_profile *p;

	*profile = NULL;
	TRY(find_columns(pprof, &columns));
	TRY(check_volume(pprof));
	p = xcalloc(1, sizeof(*p));
	p->form = HEAP_PROFILE_PROTO;
	p->rate = pprof->period;
	p->time_nanos = pprof->time_nanos;
	p->duration_nanos = pprof->duration_nanos;
	p->exe = copy(p, pprof->n_mappings ? pprof->mappings[0].file : "");
	p->build_id = copy(p, pprof->n_mappings ? pprof->mappings[0].build_id : "");
	functions = copy_functions(p, pprof);
	for (size_t i = 0; i < pprof->n_samples; i++) {
		struct heap_entry *entry = heap_profile_add(p);

		copy_stack(p, pprof, functions, &pprof->samples[i], entry);
		copy_counts(&pprof->samples[i], &columns, p->rate, entry);
	}
	free(functions);
	heap_profile_sum(p);
	*profile = p;
	return NULL;
}

/* ---- Either form ------------------------------------------------------------------------ */

static bool begins(const struct buffer *data, const char *text)
{
	return data->len >= strlen(text) && !memcmp(data->data, text, strlen(text));
}

/* The first line, where the content is text: what a wrong file says of itself. */
static bool first_line(const struct buffer *data, char *line, size_t size)
{
	size_t n = 0;

	while (n < data->len && n + 1 < size && data->data[n] != '\n' && data->data[n] != '\r') {
		if (!isprint(data->data[n]) && data->data[n] != '\t')
			return false;
		line[n] = (char)data->data[n];
		n++;
	}
	line[n] = 0;
	return n > 0;
}

/* An error for content that is plainly something else; NULL where it may be profile.proto. */
static struct error *what_else(const struct buffer *data)
{
	char line[48];

	if (!data->len)
		return error_new("empty: no heap dump was written to it");
	if (begins(data, "PERFILE2"))
		return error_remedy(error_new("a trace, not a heap dump"),
				    "give it as an argument of its own, without --pprof");
	if (begins(data, "\177ELF"))
		return error_new("a program, not a heap dump");
	if (begins(data, "go 1.") && data->len >= 16 && !memcmp(data->data + 8, "trace", 5))
		return error_new("an execution trace, not a heap dump");
	/* The first byte of a profile is a field tag, mostly \n: then the first line is empty. */
	if (first_line(data, line, sizeof(line)))
		return error_new("not a heap dump: it begins with \"%s\"", line);
	return NULL;
}

static struct error *parse_plain(const struct buffer *data, struct heap_profile **profile)
{
	struct pprof_profile *pprof;
	struct error *err;

	if (heaptext_is(data->data, data->len))
		return heaptext_parse(data->data, data->len, profile);
	TRY(what_else(data));
	TRY(pprof_parse(data->data, data->len, &pprof));
	err = heap_profile_from_pprof(pprof, profile);
	pprof_free(pprof);
	return err;
}

struct error *heap_profile_parse(const void *data, size_t len, struct heap_profile **profile)
{
	struct buffer plain = {0};
	struct error *err;

	*profile = NULL;
	err = decompress(data, len, &plain);
	if (!err)
		err = parse_plain(&plain, profile);
	buffer_free(&plain);
	return error_remedy(err, REMEDY);
}

static struct error *read_all(FILE *file, struct buffer *out)
{
	size_t n;

	do {
		uint8_t *at = buffer_extend(out, 65536);

		n = fread(at, 1, 65536, file);
		out->len -= 65536 - n;
		if (out->len > DECOMPRESS_MAX_BYTES)
			return error_new("larger than a heap dump can be");
	} while (n);
	return ferror(file) ? error_errno(errno, "cannot read it") : NULL;
}

struct error *heap_profile_read(const char *path, struct heap_profile **profile)
{
	struct buffer data = {0};
	struct error *err;
	FILE *file;

	*profile = NULL;
	file = fopen(path, "rb");
	if (!file)
		return error_errno(errno, "%s", path);
	err = read_all(file, &data);
	fclose(file);
	if (!err)
		err = heap_profile_parse(data.data, data.len, profile);
	buffer_free(&data);
	return error_context(err, "%s", path);
}
