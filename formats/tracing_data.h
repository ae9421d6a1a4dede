#ifndef GMT_FORMATS_TRACING_DATA_H
#define GMT_FORMATS_TRACING_DATA_H

/*
 * The TRACING_DATA section of a perf.data file: the formats of the tracepoints and dynamic events
 * that were recorded, as tracefs had them.
 * Source of the layout: tools/perf/util/trace-event-read.c (linux 6.1).
 */

#include "formats/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tracing_data;

/* One field of an event's raw data. */
struct tracing_field {
	uint32_t offset, size; /* bytes, of an array as a whole; offset + size is at most 65,536 */
	bool is_signed;
	bool is_dynamic; /* __data_loc: the field holds where the data is, not the data */
};

/* Parses a section. Damage gives an error; an event whose format cannot be read is left out. */
struct error *tracing_data_parse(const void *data, size_t len, struct tracing_data **tracing);
/* System and name of the event with this id (attr.config); false where the section lacks it. */
bool tracing_data_event(const struct tracing_data *tracing, uint64_t id, const char **system,
			const char **name);
/* A field of that event by its name; false where it has none. */
bool tracing_data_field(const struct tracing_data *tracing, uint64_t id, const char *name,
			struct tracing_field *field);
/* The name of its nth field, or NULL behind the last. */
const char *tracing_data_field_name(const struct tracing_data *tracing, uint64_t id, size_t n);
/* The page size of the machine that was recorded, as the section says; 0 where it does not. */
uint32_t tracing_data_page_size(const struct tracing_data *tracing);
void tracing_data_free(struct tracing_data *tracing);

#endif
