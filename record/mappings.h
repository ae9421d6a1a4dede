#ifndef GMT_RECORD_MAPPINGS_H
#define GMT_RECORD_MAPPINGS_H

#include "common/gobin.h"

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The executable mappings of the recorded processes, from a trace's MMAP and MMAP2 records, and
 * the names of C functions in them. Libraries are opened once, when first asked for.
 */
struct mappings;

struct mappings *mappings_new(void);
/* Takes a PERF_RECORD_MMAP or MMAP2; other records are passed over. */
void mappings_add(struct mappings *mappings, const struct perf_event_header *header);
/*
 * The name for an address: a function, or "[library]" where its symbols do not tell; NULL where
 * nothing was mapped. *file becomes the library's path. Strings live as long as the mappings.
 */
const char *mappings_name(struct mappings *mappings, uint32_t pid, uint64_t address,
			  const char **file);
/*
 * Whether `other` has mapped the file that `pid` runs, which is bin, loaded there with `load_bias`;
 * *other_bias becomes that of the other.
 */
bool mappings_same_program(const struct mappings *mappings, const struct gobin *bin, uint32_t pid,
			   uint64_t load_bias, uint32_t other, uint64_t *other_bias);
void mappings_free(struct mappings *mappings);

#endif
