#ifndef GMT_RECORD_MAPPINGS_H
#define GMT_RECORD_MAPPINGS_H

#include "common/gobin.h"
#include "formats/symtab.h"
#include "formats/unwind.h"

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
 * The frames of an address, innermost inlined one first, at most max: functions with their lines
 * or library, or "[library]" where its symbols do not tell; 0 where nothing was mapped. Strings
 * live as long as the mappings.
 */
size_t mappings_frames(struct mappings *mappings, uint32_t pid, uint64_t address,
		       struct symtab_frame *frames, size_t max);
/* Whether code is mapped at an address. */
bool mappings_hold(const struct mappings *mappings, uint32_t pid, uint64_t address);
/* How to leave the C function at an address. */
struct unwind_rule mappings_rule(struct mappings *mappings, uint32_t pid, uint64_t address);
/*
 * Whether `other` has mapped the file that `pid` runs, which is bin, loaded there with `load_bias`;
 * *other_bias becomes that of the other.
 */
bool mappings_same_program(const struct mappings *mappings, const struct gobin *bin, uint32_t pid,
			   uint64_t load_bias, uint32_t other, uint64_t *other_bias);
void mappings_free(struct mappings *mappings);

#endif
