#ifndef GMT_FORMATS_UNWIND_H
#define GMT_FORMATS_UNWIND_H

/*
 * Unwinding without the binaries: how to get from a frame to its caller's, for each return address
 * that was met, as the recorder found it in the binaries' call frame information. A trace carries
 * the rules as a feature section (PERFDATA_FEAT_UNWIND). The recorder itself unwinds by the same
 * code while it collects them, so that a reader finds a rule wherever it gets to.
 */

#include "formats/bytes.h"
#include "formats/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum unwind_kind {
	UNWIND_NONE,	  /* not known how to go on */
	UNWIND_FRAME,	  /* by the offsets below */
	UNWIND_OUTERMOST, /* it has no caller */
	UNWIND_GO,	  /* Go code: its frames are not on this stack */
};

/* With the caller's stack pointer (CFA) being stack or frame pointer + cfa: */
struct unwind_rule {
	enum unwind_kind kind;
	bool cfa_from_fp;
	bool fp_saved; /* the caller's frame pointer is at CFA + fp; else it is unchanged */
	int32_t cfa, return_address, fp;
};

struct unwind_table;

struct unwind_table *unwind_table_new(void);
void unwind_table_add(struct unwind_table *table, uint32_t pid, uint64_t pc,
		      const struct unwind_rule *rule);
/* NULL where the address is not in the table. */
const struct unwind_rule *unwind_table_find(const struct unwind_table *table, uint32_t pid,
					    uint64_t pc);
size_t unwind_table_count(const struct unwind_table *table);
void unwind_table_encode(const struct unwind_table *table, struct buffer *out);
/* Decodes a section; hostile bytes give an error, never a crash. */
struct error *unwind_table_decode(const void *data, size_t len, bool swap,
				  struct unwind_table **table);
void unwind_table_free(struct unwind_table *table);

/* The rule of a return address; NULL is UNWIND_NONE. */
typedef const struct unwind_rule *unwind_lookup(void *context, uint32_t pid, uint64_t pc);

struct unwind_start {
	uint32_t pid;
	uint64_t pc, sp, fp;
	const void *stack; /* what lies at sp, in words of this machine; maybe unaligned */
	size_t stack_len;  /* bytes */
};

struct unwind_end {
	enum unwind_kind kind; /* of the last address */
	bool cut;	       /* what is needed lies beyond the part of the stack at hand */
	uint64_t fp;	       /* as it was in the last frame */
};

/*
 * The return addresses from start.pc on, innermost first, that one included; at most max. Go code's
 * own address is the last one.
 */
size_t unwind(const struct unwind_start *start, unwind_lookup *lookup, void *context, uint64_t *pcs,
	      size_t max, struct unwind_end *end);

#endif
