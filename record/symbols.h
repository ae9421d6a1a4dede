#ifndef GMT_RECORD_SYMBOLS_H
#define GMT_RECORD_SYMBOLS_H

#include "formats/bytes.h"
#include "formats/error.h"
#include "formats/symtab.h"
#include "record/target.h"

/* An array of addresses in the raw data of an event: the `stk` of a birth. */
struct symbols_array {
	char *event; /* "system:name" */
	unsigned offset, count;
	unsigned used_at; /* offset of the u64 that says how many are used; 0: all are */
};

/* What the pass needs to know. */
struct symbols_options {
	const struct target *targets; /* with their binaries open */
	const uint64_t *load_biases;  /* by target */
	size_t n_targets;
	const struct symbols_array *arrays; /* those of one event follow each other */
	size_t n_arrays;
	bool unwinds; /* some events have the top of a stack of C code */
};

/*
 * The frames of a return address (an ELF address), which belongs to the call before it: at most
 * SYMBOLS_MAX_FRAMES. Returns how many.
 */
#define SYMBOLS_MAX_FRAMES 64
size_t symbols_frames(struct gobin *bin, uint64_t address, struct symtab_frame *frames);

/*
 * Reads a flushed trace once more and resolves every address in it: in call chains, in bucket
 * notes, in arrays of addresses and on stacks. Appends the body of the symbol table section to out,
 * and that of the rules by which stacks are unwound, where there are any, to rules. Runs once, at
 * the end, never while events come in.
 */
struct error *symbols_collect(const char *trace_path, const struct symbols_options *options,
			      struct buffer *out, struct buffer *rules);

#endif
