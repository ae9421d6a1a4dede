#ifndef GMT_COMMON_ARCH_H
#define GMT_COMMON_ARCH_H

/*
 * What the tracer must know about a processor architecture, one table per architecture: registers
 * and their names in tracefs fetch args, how Go passes arguments, where the goroutine is, and
 * which instructions the kernel emulates at a breakpoint instead of single-stepping them.
 */

#include "common/gobin.h"

#include <stdbool.h>
#include <stdint.h>

/* Registers are numbered as the machine encodes them; register sets are bit masks of numbers. */
enum {
	ARCH_MAX_REGS = 33,	/* 32 general ones and the flags */
	ARCH_FLAGS = 32,	/* the number of the flags register, where there is one */
	ARCH_MAX_REG_ARGS = 16, /* integer arguments in registers */
};

/* What an instruction does, as far as a breakpoint on it is concerned. */
enum insn_kind {
	INSN_OTHER,
	INSN_NOP,
	INSN_PUSH,
	INSN_JUMP,	    /* direct, unconditional */
	INSN_BRANCH,	    /* direct, conditional */
	INSN_CALL,	    /* direct */
	INSN_JUMP_INDIRECT, /* target known at run time only */
	INSN_CALL_INDIRECT,
	INSN_RETURN,
	INSN_PC_RELATIVE, /* computes an address from its own (adrp, pcalau12i) */
	INSN_REFUSED,	  /* the kernel allows no breakpoint here, or it would not be safe */
	INSN_KINDS,
};

/* Where Go passes integer arguments. */
enum go_abi {
	GO_ABI_STACK,	  /* ABI0: memory above the stack pointer */
	GO_ABI_REGISTERS, /* ABIInternal */
};

struct arch {
	enum go_arch id;
	const char *name;		      /* as GOARCH spells it */
	const char *reg_names[ARCH_MAX_REGS]; /* tracefs, without the '%'; NULL: none */
	/* By index of reg_names: bits of perf's register masks (arch/ARCH/include/uapi/asm/
	 * perf_regs.h, Linux 6.1; LoongArch: 6.3). */
	uint8_t perf_regs[ARCH_MAX_REGS];
	uint8_t reg_args[ARCH_MAX_REG_ARGS]; /* of the register ABI, in order */
	unsigned n_reg_args;
	int reg_abi_since;   /* minor version of Go 1 */
	int sp, fp, link;    /* fp: of Go frames; link, fp: -1 where none */
	int g;		     /* the goroutine */
	int g_since;	     /* before this Go minor version g is in TLS only */
	int stack_args;	     /* of ABI0: from SP at entry to the first */
	int stack_args_call; /* the same, from SP at the call instruction */
	int insn_align;	     /* 1: instructions have any length */
	bool frame_chain;    /* Go code keeps frame pointers */
	/* Since which kernel uprobes emulate this kind ("4.16"), NULL where they single-step it. */
	const char *emulated_since[INSN_KINDS];
	/* Since which kernel there are uprobes at all. */
	const char *uprobes_since;
};

/* The table of an architecture; NULL for GO_ARCH_UNKNOWN. */
const struct arch *arch_get(enum go_arch id);
/* The architecture of an ELF file, by e_machine. */
enum go_arch arch_of_machine(uint16_t machine);

/* How Go code of this version passes arguments on this architecture. */
enum go_abi arch_abi(const struct arch *arch, const struct go_version *version);

/*
 * Whether the kernel emulates this kind of instruction in every release that the recorder supports
 * there (4.19, or the first with uprobes), so that a breakpoint on it costs one trap.
 */
bool arch_emulates(const struct arch *arch, enum insn_kind kind);

/* The bit that perf has for a register, by its tracefs name; -1: none. */
int arch_perf_register(const struct arch *arch, const char *name, size_t len);

#endif
