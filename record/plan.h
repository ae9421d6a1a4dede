#ifndef GMT_RECORD_PLAN_H
#define GMT_RECORD_PLAN_H

/*
 * The probe plan: which instructions of a Go binary get a breakpoint, with which arguments, and
 * why there. Data flows: gobin (what is in the binary) + the role table (what a role needs, per
 * version and architecture) + placement (decoding) -> plan -> the session, which installs it, or
 * --list, which prints it.
 */

#include "common/gobin.h"
#include "common/placement.h"

enum probe_role {
	ROLE_BIRTH,	   /* a sampled object: setprofilebucket(p, b) */
	ROLE_DEATH,	   /* its sweep: freeSpecial(s, p, size) */
	ROLE_GC_START,	   /* startCycle: the world is stopped, marking begins */
	ROLE_GC_MARK_TERM, /* gcMarkTermination: once a cycle */
	ROLE_GC_END,	   /* mProf_Flush: the cycle's figures are all known */
	ROLE_SWEEP_DONE,
	ROLE_ALLOC,	/* every allocation entry point */
	ROLE_REFILL,	/* span refill */
	ROLE_LARGE,	/* large object */
	ROLE_RELEASE,	/* a span goes back before it is full */
	ROLE_GO_CREATE, /* goroutine creation */
	ROLE_GO_EXIT,
	ROLE_LOCK_THREAD, /* LockOSThread: the goroutine needs a thread of its own */
	ROLE_UNLOCK_THREAD,
	ROLE_HEAP_GROW,
	ROLE_SCAVENGE,
	ROLE_CGO_CALL, /* Go calls C: whose allocations these are */
	ROLE_NATIVE,   /* the malloc family of the C library (record/native.h) */
	ROLE_COUNT,
};

enum heap_mode { HEAP_AUTO, HEAP_SAMPLED, HEAP_COUNTERS, HEAP_ALL, HEAP_SPAN, HEAP_OFF };

struct probe_arg {
	const char *name; /* as in the trace event: "p", "b", "size", "goid", ... */
	char *expr;	  /* a uprobe fetch arg: "%ax:x64", "+32(%bx):u64", "@+0x525cb4:u32" */
};

struct probe {
	enum probe_role role;
	char *event;	  /* tracefs event name: "birth"; unique in the plan */
	char *symbol;	  /* the Go function */
	uint64_t address; /* ELF address of the instruction */
	uint64_t file_offset;
	uint64_t ref_ctr_offset; /* 0 */
	char *instruction;	 /* as disassembled */
	enum placement placement;
	char *reason; /* why there, one line */
	struct probe_arg *args;
	size_t n_args;
	char *filter;	 /* event filter ("kind == 4"), or NULL */
	char *loss;	 /* what cannot be had here, or NULL */
	bool callchain;	 /* record the user call chain */
	bool user_stack; /* and the stack pointer, the frame pointer and the top of the stack */
	bool is_return;	 /* of the function that begins there */
};

struct plan {
	struct probe *probes;
	size_t n_probes;
	enum heap_mode heap; /* what auto became */
	char *heap_reason;   /* why, in words */
	char **losses;	     /* roles that could not be placed, each with its substitute or loss */
	size_t n_losses;
};

struct plan_options {
	enum heap_mode heap;
	bool goroutines;
	bool native;	   /* with --native: the calls of C */
	uint64_t min_size; /* --heap=all: smallest size to record */
};

struct error *plan_make(const struct gobin *bin, const struct plan_options *options,
			struct plan *plan);
void plan_free(struct plan *plan);
/* Adds to the losses a text, which it takes. */
void plan_add_loss(struct plan *plan, char *text);
/* Takes array fields out, for kernels before 4.20, which know none; says so in the losses. */
void plan_drop_arrays(struct plan *plan);
const char *probe_role_name(enum probe_role role);

#endif
