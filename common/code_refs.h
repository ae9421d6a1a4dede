#ifndef GMT_COMMON_CODE_REFS_H
#define GMT_COMMON_CODE_REFS_H

/*
 * What a function's code says of addresses outside it: the data that it reads, writes and takes
 * the address of, and the functions that it calls. Only operands relative to the program counter
 * are seen, which is how Go code reaches all its globals.
 */

#include "common/gobin.h"

enum code_ref_kind {
	CODE_REF_ADDRESS, /* takes the address */
	CODE_REF_LOAD,
	CODE_REF_STORE,
	CODE_REF_UPDATE, /* reads and writes in one instruction */
	CODE_REF_CALL,
};

struct code_ref {
	enum code_ref_kind kind;
	uint8_t size;	 /* bytes read or written; 0 for the others */
	uint64_t at;	 /* of the instruction (of its last part, where it takes two) */
	uint64_t target; /* of the data or the function */
};

struct code_refs {
	struct code_ref *items; /* in code order */
	size_t count, cap;
};

/* Collects from len bytes of code at an address. Unknown instructions are passed over. */
void code_refs_collect(enum go_arch arch, const uint8_t *code, size_t len, uint64_t address,
		       struct code_refs *refs);
void code_refs_free(struct code_refs *refs);

#endif
