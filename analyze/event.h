#ifndef GMT_ANALYZE_EVENT_H
#define GMT_ANALYZE_EVENT_H

/*
 * One event as decode hands it to track: what happened, when and to whom, with the fields that the
 * trace has. Pointers lead into the record and are good until the next one is read.
 */

#include "formats/note.h"

#include <stdbool.h>
#include <stdint.h>

enum event_kind {
	EVENT_OTHER,	 /* of no use here: counted, passed over */
	EVENT_BIRTH,	 /* a sampled object: setprofilebucket(p, b) */
	EVENT_DEATH,	 /* a special record freed by the sweeper: freeSpecial(s, p, size) */
	EVENT_GO_CREATE, /* a goroutine */
	EVENT_GO_EXIT,
	EVENT_LOCK_THREAD, /* a goroutine binds itself to its thread */
	EVENT_UNLOCK_THREAD,
	EVENT_SPAN_TAKEN, /* of the Go heap, to allocate small objects in: mcache.refill */
	EVENT_SPAN_LARGE, /* one that holds a single large object */
	EVENT_SPAN_RELEASED,
	EVENT_GC_START,
	EVENT_GC_MARK_TERM,
	EVENT_GC_END,
	EVENT_NATIVE_ENTER,  /* a function of the malloc family begins */
	EVENT_NATIVE_RETURN, /* and one returns what it gives out */
	EVENT_NATIVE_FREE,
	EVENT_CGO_CALL, /* Go calls C */
	EVENT_SYSCALL_ENTER,
	EVENT_SYSCALL_EXIT,
	EVENT_FAULT, /* a page fault */
	EVENT_COMM,
	EVENT_EXEC, /* a COMM that an exec caused */
	EVENT_FORK,
	EVENT_EXIT,
	EVENT_MMAP,
	EVENT_LOST,
	EVENT_THROTTLE,
	EVENT_NOTE,
};

/* The system calls that change a process's mappings, and that make threads. */
enum event_syscall {
	SYSCALL_MMAP,
	SYSCALL_MUNMAP,
	SYSCALL_MREMAP,
	SYSCALL_BRK,
	SYSCALL_MADVISE,
	SYSCALL_CLONE, /* or clone3: enter alone, for its call chain */
	SYSCALL_COUNT,
};

/*
 * Fields of a probe's event that the trace may lack: where bit EVENT_HAS(field) of event.has is
 * clear, the member is 0.
 */
enum event_field {
	FIELD_P,
	FIELD_B,
	FIELD_SIZE,
	FIELD_NSTK,
	FIELD_GOID,
	FIELD_CYCLE,
	FIELD_KIND,
	FIELD_CYCLES,
	FIELD_LIVE,
	FIELD_GOAL,
	FIELD_NEXT_GOAL,
	FIELD_NUMGC,
	FIELD_SWEEP_TERM,
	FIELD_MARK,
	FIELD_MARK_TERM,
	FIELD_END,
	FIELD_HEAP0,
	FIELD_HEAP1,
	FIELD_HEAP2,
	FIELD_FORCED,
	FIELD_PROCS,
	FIELD_RATE,
	FIELD_ASSIST,
	FIELD_DEDICATED,
	FIELD_FRACTIONAL,
	FIELD_IDLE,
	FIELD_STACKS,
	FIELD_PAUSE_TOTAL,
	FIELD_CPU_FRACTION,
	FIELD_NUMFORCED,
	FIELD_FN,	/* a goroutine's function */
	FIELD_CALLERPC, /* the go statement that made it */
	FIELD_CREATOR,	/* the goroutine that did */
	FIELD_LO,	/* its stack */
	FIELD_HI,
	FIELD_NMEMB, /* of calloc */
	FIELD_CHUNK, /* glibc's header of a pointer */
	FIELD_SP,
	FIELD_FP,
	FIELD_RET,  /* the return address */
	FIELD_SPAN, /* a span's mspan, and members of that */
	FIELD_BASE,
	FIELD_SWEEPGEN,
	FIELD_NELEMS,
	FIELD_FREEINDEX,
	FIELD_ALLOC_CACHE,
	FIELD_ALLOC_COUNT,
	FIELD_ELEMSIZE,
	FIELD_SLOTS, /* of a birth: so many objects that it stands for; 0: as the rate has it */
	FIELD_COUNT,
};
#define EVENT_HAS(field) (UINT64_C(1) << (field))

/* What stands behind a stack of C code that Go called. */
struct event_go {
	bool known;	/* the stack has the Go frames as well */
	bool cut;	/* the C frames end somewhere; whether in Go is not known */
	uint64_t frame; /* the frame pointer of the Go function that called; 0: not known */
};

struct event {
	enum event_kind kind;
	uint64_t has;		 /* EVENT_HAS bits */
	uint64_t time;		 /* CLOCK_MONOTONIC ns; 0: before the first sample */
	uint32_t pid, tid, cpu;	 /* pid and tid are 0 where the record does not tell */
	uint32_t n_stack;	 /* addresses at stack */
	const void *stack;	 /* of births, also of goroutines, and of calls: u64 each, maybe
				    unaligned; innermost first */
	uint32_t n_words;	 /* words at `words` */
	const uint64_t *words;	 /* of a span that was taken: its allocBits, from the first on */
	struct event_go go;	 /* of allocations in C, and of calls */
	const char *name;	 /* of an event that is counted under its name; else NULL */
	bool stack_from_bucket;	 /* as the bucket has it, and not unwound by the kernel */
	uint64_t v[FIELD_COUNT]; /* probes: by event_field */
	union {
		struct {
			enum event_syscall call;
			uint64_t args[6]; /* enter: as the kernel names them, in order */
			int64_t result;	  /* exit */
		} syscall;
		struct {
			uint64_t address;
			uint64_t weight;    /* so many faults it stands for */
			uint32_t page_size; /* 0 unknown */
			bool is_major;
		} fault;
		struct {
			const char *comm;
		} comm;
		struct {
			uint32_t parent_pid, parent_tid;
		} fork;
		struct {
			uint64_t start, len, offset;
			uint32_t prot;
			const char *path;
		} mmap;
		struct {
			uint64_t count;
		} lost;
		struct note note; /* owned by the decoder, good until the next event */
	};
};

#endif
