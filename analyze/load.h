#ifndef GMT_ANALYZE_LOAD_H
#define GMT_ANALYZE_LOAD_H

/* Traces into the model: read, decode, track. */

#include "analyze/model.h"
#include "common/log.h"
#include "formats/error.h"

#include <stddef.h>
#include <stdint.h>

struct load_options {
	uint64_t from, to; /* ns from the start of the first trace; to 0: to the end */
	struct log *log;
};

/*
 * Reads the traces, which are the parts of one recording in any order, into model. Where a trace is
 * cut or damaged what came before counts, and model.damage says so. Errors: a file that cannot be
 * read at all, or nothing in any of them that this program is about.
 */
struct error *load_traces(const char *const *paths, size_t n, const struct load_options *options,
			  struct model *model);

#endif
