#ifndef GMT_COMMON_PLACEMENT_H
#define GMT_COMMON_PLACEMENT_H

/*
 * Which instruction of a function gets the breakpoint. A Go function begins with a check of the
 * stack's size, and runs from its first byte again after the stack has grown or the goroutine was
 * preempted there; so a breakpoint on the first byte fires twice for such a call. On most
 * processors the kernel must single-step what stood there, which costs several times the trap
 * itself, unless it can emulate the instruction. The place is chosen with both in mind, and only
 * among instructions before which everything that is to be fetched is still where the ABI puts it.
 */

#include "common/decode.h"

#include <stdbool.h>
#include <stdint.h>

enum placement {
	PLACE_EMULATED_ONCE,  /* emulated by the kernel, runs once per call: the best */
	PLACE_EMULATED_TWICE, /* emulated, but runs again after a stack growth: duplicates are
				 dropped by the event's filter */
	PLACE_STEPPED_ONCE,   /* single-stepped (slow), once per call */
	PLACE_ENTRY,	      /* single-stepped and twice: the last resort */
};

/* "emulated, once", ... */
const char *placement_name(enum placement placement);

/* What must still be intact at the place. */
struct place_need {
	uint64_t regs;	 /* registers that carry arguments */
	bool stack_args; /* arguments on the stack */
	bool g;		 /* some register must hold g */
	int g_reg;	 /* the register that holds g at entry; -1 none */
	bool on_g0;	 /* runs on g0, whose stack never grows: no call passes the check twice */
	bool chain;	 /* a call chain is wanted: a place with the frame set up is better */
};

struct place {
	size_t index; /* of the instruction */
	uint64_t address;
	enum placement placement;
	int64_t sp_offset; /* SP there - SP at entry, at most 0 */
	int g_reg;	   /* the register that holds g there; -1 none */
	bool frame;	   /* the frame pointer is this function's: the chain has the caller */
	bool link;	   /* the link register still holds the return address */
	/* PLACE_EMULATED_TWICE: the register that tells a call that goes on from one that
	 * restarts, and the event filter on a field "flags" that keeps the former. */
	int filter_reg;
	const char *filter;
	char *reason; /* one line; the caller frees it */
};

/* The last stack check of a prologue: its branch, and where the function goes on. */
struct stack_check {
	ptrdiff_t branch; /* index; -1: the function has none */
	size_t body;	  /* index of the first instruction after it */
	bool taken_goes_on;
};

/*
 * Finds the check by what it does: a conditional branch among the first instructions, one side of
 * which calls once (morestack) and jumps to the function's first byte.
 */
struct stack_check placement_stack_check(const struct code *code);

/* The best place for arguments as they are at entry. Error: there is none. */
struct error *placement_find(const struct code *code, const struct place_need *need,
			     struct place *place);

/*
 * The n-th (from 0) direct call from this function to the address `target`: there the callee's
 * arguments are in place. False: no such.
 */
bool placement_call(const struct code *code, uint64_t target, size_t n, struct place *place);

/*
 * An instruction after a call, where the call's results, which `regs` hold (0: the stack does), are
 * in place: the first one that the kernel emulates, else the next. `call` is the call's index.
 * False: none.
 */
bool placement_after_call(const struct code *code, size_t call, uint64_t regs, struct place *place);

#endif
