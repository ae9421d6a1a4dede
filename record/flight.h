#ifndef GMT_RECORD_FLIGHT_H
#define GMT_RECORD_FLIGHT_H

/*
 * The last minutes of a recording, in memory: segments of compressed records, the oldest of which
 * are let go. Each segment begins with all that is needed to read on from there (the caller writes
 * it), so that whatever is left at a moment makes a trace.
 */

#include "formats/error.h"
#include "formats/perfdata.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flight_options {
	uint64_t window;       /* ns that are to be kept, at least */
	size_t bytes;	       /* of memory at most: above it the window becomes shorter */
	int compression_level; /* of zstd */
};

struct flight;

struct error *flight_new(const struct flight_options *options, struct flight **flight);
/* Whether the present segment has lasted long enough, or is large enough, for another one. */
bool flight_is_due(const struct flight *flight, uint64_t now);
/* Begins a segment, and lets go of those that are not needed any more. */
struct error *flight_begin(struct flight *flight, uint64_t now);
/* Adds records; a call may end inside of one. */
struct error *flight_add(struct flight *flight, const void *bytes, size_t len);
/* Marks the end of a round, as perfdata_write_round. */
void flight_round(struct flight *flight);
/* Hands all that is held to a writer, in order. It is still held afterwards. */
struct error *flight_write(struct flight *flight, struct perfdata_writer *writer);
/* When the oldest segment began; 0: there is none. */
uint64_t flight_from(const struct flight *flight);
/* Memory of the segments. */
size_t flight_bytes(const struct flight *flight);
void flight_free(struct flight *flight);

#endif
