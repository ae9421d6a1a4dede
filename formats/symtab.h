#ifndef GMT_FORMATS_SYMTAB_H
#define GMT_FORMATS_SYMTAB_H

/*
 * The symbol table that a trace carries (feature section PERFDATA_FEAT_SYMTAB): for every address
 * that was sampled, its function, file and line with the inlined frames, so that a trace can be
 * read where the binary is not. Keys are (pid, address) as they stand in call chains and bucket
 * stacks, that is return addresses; what is stored belongs to the call before it.
 */

#include "formats/bytes.h"
#include "formats/error.h"

#include <stddef.h>
#include <stdint.h>

struct symtab_frame {
	const char *function, *file; /* file: "" where unknown */
	uint32_t line;		     /* 0 where unknown */
	uint32_t start_line;	     /* of the function; 0 where unknown */
};

struct symtab;

struct symtab *symtab_new(void);
/* Adds the frames of an address, innermost (most deeply inlined) first. Copies everything. */
void symtab_add(struct symtab *table, uint32_t pid, uint64_t address,
		const struct symtab_frame *frames, size_t n_frames);
/* The frames of an address, innermost first; NULL and 0 where it is not in the table. */
const struct symtab_frame *symtab_find(const struct symtab *table, uint32_t pid, uint64_t address,
				       size_t *n_frames);
/* Adds what `from` has, which takes precedence. */
void symtab_merge(struct symtab *table, const struct symtab *from);
size_t symtab_count(const struct symtab *table);
void symtab_encode(const struct symtab *table, struct buffer *out);
/* Decodes a section; hostile bytes give an error, never a crash. */
struct error *symtab_decode(const void *data, size_t len, bool swap, struct symtab **table);
void symtab_free(struct symtab *table);

#endif
