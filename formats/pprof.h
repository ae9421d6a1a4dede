#ifndef GMT_FORMATS_PPROF_H
#define GMT_FORMATS_PPROF_H

/*
 * profile.proto, as runtime/pprof writes it and `go tool pprof` reads it: gzip, zstd or plain.
 * A profile is a tree of plain structs. References between its parts are array indices; the ids of
 * the file are resolved when it is read, and given anew (index + 1) when it is written.
 */

#include "formats/arena.h"
#include "formats/bytes.h"
#include "formats/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PPROF_NONE UINT32_MAX

/* Strings are never NULL; "" where absent. */
struct pprof_value_type {
	const char *type, *unit; /* "inuse_space", "bytes" */
};

struct pprof_label {
	const char *key, *str, *unit; /* str is "" for a numeric label */
	int64_t num;
};

struct pprof_sample {
	uint32_t *locations; /* innermost first */
	size_t n_locations;
	int64_t *values; /* one per sample type */
	struct pprof_label *labels;
	size_t n_labels;
};

struct pprof_mapping {
	uint64_t start, limit, offset;
	const char *file, *build_id;
	bool has_functions, has_filenames, has_line_numbers, has_inline_frames;
};

struct pprof_line {
	uint32_t function; /* or PPROF_NONE */
	int64_t line, column;
};

/* One machine address with the frames that were inlined there, innermost first. */
struct pprof_location {
	uint32_t mapping; /* or PPROF_NONE */
	bool folded;
	uint64_t address; /* of the call: Go writes return address - 1 */
	struct pprof_line *lines;
	size_t n_lines;
};

struct pprof_function {
	const char *name, *system_name, *file;
	int64_t start_line;
};

struct pprof_profile {
	struct pprof_value_type *sample_types;
	size_t n_sample_types, cap_sample_types;
	struct pprof_sample *samples;
	size_t n_samples, cap_samples;
	struct pprof_mapping *mappings;
	size_t n_mappings, cap_mappings;
	struct pprof_location *locations;
	size_t n_locations, cap_locations;
	struct pprof_function *functions;
	size_t n_functions, cap_functions;
	const char *drop_frames, *keep_frames, *default_sample_type, *doc_url;
	const char **comments;
	size_t n_comments, cap_comments;
	struct pprof_value_type period_type;
	int64_t period;
	int64_t time_nanos; /* wall clock; 0: none */
	int64_t duration_nanos;
	struct arena arena; /* holds every string and inner array */
};

/*
 * Reads a profile. The tree is valid: every reference resolves and every sample has as many values
 * as there are sample types. What is no profile is an error with its place ("sample 7: ...").
 */
struct error *pprof_parse(const void *data, size_t len, struct pprof_profile **profile);
/* The index of the sample type of that name ("inuse_space"), or -1. */
int pprof_value_index(const struct pprof_profile *profile, const char *type);
void pprof_free(struct pprof_profile *profile);

/*
 * Building one. Each call copies what it is given and returns the index of what it added.
 * pprof_new gives an empty profile; nothing is looked up or merged here.
 */
struct pprof_profile *pprof_new(void);
uint32_t pprof_add_sample_type(struct pprof_profile *profile, const char *type, const char *unit);
uint32_t pprof_add_mapping(struct pprof_profile *profile, const struct pprof_mapping *mapping);
uint32_t pprof_add_function(struct pprof_profile *profile, const char *name, const char *file,
			    int64_t start_line);
uint32_t pprof_add_location(struct pprof_profile *profile, uint32_t mapping, uint64_t address,
			    const struct pprof_line *lines, size_t n_lines);
/* values has as many elements as there are sample types. */
uint32_t pprof_add_sample(struct pprof_profile *profile, const uint32_t *locations,
			  size_t n_locations, const int64_t *values,
			  const struct pprof_label *labels, size_t n_labels);
void pprof_add_comment(struct pprof_profile *profile, const char *text);

/* Appends the profile to out, as gzip where asked. */
struct error *pprof_encode(const struct pprof_profile *profile, bool gzip, struct buffer *out);

#endif
