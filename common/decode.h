#ifndef GMT_COMMON_DECODE_H
#define GMT_COMMON_DECODE_H

/*
 * The instructions of one function, decoded as far as placing a breakpoint needs: where each
 * begins, what it does to registers, stack and control flow. amd64 and arm64 through capstone,
 * loong64 through a decoder of our own.
 */

#include "common/arch.h"
#include "common/gobin.h"
#include "formats/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The condition of a conditional branch, where it can be told from one register. */
enum insn_condition {
	CONDITION_OTHER,
	CONDITION_LOWER_SAME, /* unsigned <= by the flags: jbe, b.ls */
	CONDITION_ZERO,	      /* a register is 0: beqz, cbz */
	CONDITION_NONZERO,    /* a register is not 0: bnez, cbnz */
};

struct insn {
	uint64_t address;
	unsigned size;
	enum insn_kind kind;
	uint64_t target; /* of a direct jump, branch or call */
	enum insn_condition condition;
	int condition_reg;	/* of CONDITION_ZERO and CONDITION_NONZERO */
	uint64_t reads, writes; /* register sets */
	/* All that it does is in this struct. False: anything may have changed after it. */
	bool known;
	bool stores;	   /* writes memory other than by push and call */
	bool stores_stack; /* ... namely at SP + stack_offset, and nowhere else */
	int64_t stack_offset;
	int64_t sp_change; /* SP afterwards - SP before */
	bool sets_frame;   /* the frame pointer now is this function's */
	int g_from_tls;	   /* the register that g was loaded into from TLS; -1 none */
};

struct code {
	const struct arch *arch;
	const uint8_t *bytes; /* not owned */
	uint64_t start, end;  /* addresses; end: where decoding stopped */
	struct insn *insns;
	size_t n;
	bool complete; /* decoded to the end of the function */
};

/* Decodes a function of the binary. Errors: no code in the file there, no decoder. */
struct error *code_decode(const struct gobin *bin, const struct gobin_function *fn,
			  struct code *code);
/* The same for bytes at hand, which must outlive the code. */
struct error *code_decode_bytes(const struct arch *arch, const uint8_t *bytes, size_t len,
				uint64_t address, struct code *code);
void code_free(struct code *code);

/* The index of the instruction that begins at the address; -1 where none does. */
ptrdiff_t code_index(const struct code *code, uint64_t address);

/* The instruction in the assembler's notation (AT&T on amd64). The caller frees it. */
char *code_text(const struct code *code, size_t index);

/* loong64 (decode_loong64.c): one instruction word, and its text. */
void loong64_decode(uint32_t word, uint64_t address, struct insn *insn);
char *loong64_text(uint32_t word, uint64_t address);

#endif
