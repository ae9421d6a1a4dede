#ifndef GMT_FORMATS_NOTE_H
#define GMT_FORMATS_NOTE_H

/*
 * Notes: timed facts that perf has no record for. Each is the raw payload of a sample of the
 * software event `gmt:note` (PERF_COUNT_SW_BPF_OUTPUT, which perf prints as raw data): a fixed
 * header, then a body by kind. Integers are in the byte order of the trace. A reader passes over
 * kinds it does not know; a kind never changes its meaning, a body only grows at its end.
 */

#include "formats/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOTE_EVENT_NAME "gmt:note"
#define NOTE_MAGIC	0x544d47u /* "GMT" */

enum note_kind {
	NOTE_CLOCK = 1,	      /* struct note_clock */
	NOTE_PROCESS = 2,     /* struct note_process */
	NOTE_BUCKET = 3,      /* struct note_bucket */
	NOTE_TABLE = 4,	      /* struct note_table: one part of a reading of the bucket table */
	NOTE_RSS = 5,	      /* struct note_rss */
	NOTE_TEXT = 6,	      /* struct note_text: the probe plan, remarks of the recorder */
	NOTE_GCTRACE = 7,     /* struct note_gctrace */
	NOTE_OWNERS = 8,      /* struct note_owners */
	NOTE_LIMITS = 9,      /* struct note_limits */
	NOTE_PART = 10,	      /* struct note_part */
	NOTE_SYMBOLS = 11,    /* struct note_symbols */
	NOTE_NATIVE = 12,     /* struct note_native */
	NOTE_SPANS = 13,      /* struct note_spans */
	NOTE_GOROUTINES = 14, /* struct note_goroutines */
};

/* The same moment on three clocks, ns. The sample's own time is CLOCK_MONOTONIC too. */
struct note_clock {
	uint64_t monotonic, realtime, boottime;
	uint64_t uncertainty; /* half the time the reading took */
};

/* A Go process under recording, as found at attach or exec. */
struct note_process {
	uint32_t pid;		   /* as the kernel's events name it in this trace */
	uint64_t start_time;	   /* CLOCK_BOOTTIME ns, from /proc/PID/stat (10 ms steps) */
	uint64_t runtime_init;	   /* runtime.runtimeInitTime: gctrace's zero, CLOCK_MONOTONIC ns; 0
				      unknown */
	uint64_t mem_profile_rate; /* runtime.MemProfileRate as read; 0: sampling is off */
	uint64_t load_bias;	   /* added to the ELF addresses of exe */
	uint32_t attached;	/* 1: it ran before the recording began; 0: recorded from birth */
	const char *exe;	/* path as the user would name it */
	const char *go_version; /* "go1.27.4", or "" */
};

/* What is fixed in a bucket: where it lies, its object size, its stack as pprof prints it. */
struct note_bucket {
	uint32_t pid;
	uint64_t address, size;
	const uint64_t
		*stack; /* return addresses, innermost first; decoded: may be unaligned-copied */
	size_t n_stack;
};

/* Counts of one bucket: what is published, and the three cycles still in the future. */
struct note_counts {
	uint64_t allocs, frees;
};

struct note_table_entry {
	uint64_t address;
	struct note_counts active, future[3];
};

/*
 * A reading of the bucket table, in one or more parts. It took from begin to end (CLOCK_MONOTONIC
 * ns). `stable`: two passes over it found the same, so it is the state at one moment within.
 * Entries that have not changed since the reading before are left out.
 */
struct note_table {
	uint32_t pid;
	uint32_t reading;     /* counts readings of this process from 0 */
	uint32_t part, parts; /* part counts from 0 */
	uint32_t stable,
		final; /* final: taken after the process had stopped running, or at the end */
	uint64_t begin, end;
	uint32_t cycle;	  /* runtime.mProfCycle's cycle number (flushed bit removed) */
	uint32_t flushed; /* its flushed bit */
	uint64_t buckets; /* in the whole table */
	struct note_table_entry *entries; /* decoded: owned, note_table_free */
	size_t n_entries;
};

/* Memory of one process, bytes, from /proc. */
struct note_rss {
	uint32_t pid;
	uint64_t rss, anon, file, shmem, swap;
};

/* Whose a piece of a process's memory is. The values stand in traces: they never change. */
enum memory_owner {
	OWNER_UNKNOWN = 0,
	OWNER_GO_HEAP = 1,    /* the Go heap's arenas; where they are split: spans with objects */
	OWNER_GO_FREE = 2,    /* of the arenas, by the runtime's figures: free, not returned */
	OWNER_GO_STACKS = 3,  /* of the arenas, by the same: stacks of goroutines */
	OWNER_GO_RUNTIME = 4, /* what the runtime mapped for itself */
	OWNER_PROGRAM = 5,    /* the executable: text, data, .bss */
	OWNER_C_HEAP = 6,     /* [heap] and what malloc has mapped */
	OWNER_THREAD_STACKS = 7,
	OWNER_LIBRARIES = 8, /* other executable files, with their data; [vdso] */
	OWNER_FILES = 9,     /* other mapped files */
	OWNER_SHARED = 10,   /* shared memory */
	OWNER_ANON = 11,     /* other anonymous memory: of mmap, and of the runtime where it has no
				names */
	OWNER_COUNT = 12,
};

/* What the Go runtime says of its memory, bytes. All 0 where its figures cannot be read. */
struct note_go_memory {
	uint64_t in_use;   /* spans with objects, dead ones and gaps among them */
	uint64_t free;	   /* spans without, that the system still backs */
	uint64_t released; /* and that were given back */
	uint64_t stacks;   /* spans that are stacks of goroutines */
	uint64_t work;	   /* spans that the collector uses for itself */
	uint64_t live;	   /* live or not yet collected (gcController.heapLive) */
	uint64_t sys;	   /* mapped for the runtime's own structures, outside of the heap */
};

/* A stretch of address space of one owner, and how much of it is in RAM. */
struct note_owner_range {
	uint64_t start, end, rss;
	enum memory_owner owner;
};

/*
 * A reading of /proc/PID/smaps: RSS by owner. `bytes` add up to `rss`. The heap's arenas are in
 * there as they are mapped: to split them into used, free and stacks is left to who reads it.
 */
struct note_owners {
	uint32_t pid;
	uint32_t mappings;   /* of the process */
	uint64_t begin, end; /* of the reading, CLOCK_MONOTONIC ns */
	uint64_t rss, anon, file, shmem, swap;
	uint64_t statm; /* RSS as the kernel counts it, right after */
	struct note_go_memory go;
	uint64_t bytes[OWNER_COUNT];
	/* By address; where there would be too many, the ones with the most bytes. */
	struct note_owner_range *ranges; /* decoded: owned, note_free */
	size_t n_ranges;
};

#define NOTE_OWNERS_MAX_RANGES 1400

/* What bounds the memory of a process, bytes. 0: nothing does, or it is not known. */
struct note_limits {
	uint32_t pid;
	uint64_t go;	     /* GOMEMLIMIT, or what debug.SetMemoryLimit set: the runtime's own */
	uint64_t cgroup;     /* the least memory.max of its control groups */
	uint64_t machine;    /* MemTotal */
	const char *control; /* the group that has the least, "" where none has */
};

struct note_text {
	uint32_t pid; /* 0: the recording as a whole */
	const char *text;
};

/* A line that GODEBUG=gctrace=1 wrote to standard error, taken when the sample's time says. */
struct note_gctrace {
	uint32_t pid;	  /* whose standard error it is */
	const char *text; /* without the newline */
};

/* How the C allocations of a process are recorded. */
struct note_native {
	uint32_t pid;
	uint32_t every;	     /* one pointer of so many, a power of two, chosen by its bits */
	uint64_t whole_from; /* chunks of this size and above are all recorded; 0: no exception */
	uint64_t min_size;   /* usable bytes; smaller ones are left out */
	const char *path;    /* of the allocator */
};

/*
 * Whether a pointer is among those of which one in `every` is recorded: log2(every) sums of three
 * of its bits each are even.
 */
bool note_native_picks(uint32_t every, uint64_t pointer);

/* Words of a span's bits in a note: one bit for each of 1,024 slots, which is the most there are.
 */
#define NOTE_SPAN_WORDS 16

/*
 * A span of the heap in which sampled objects lie. Its bits are allocBits as its last sweep left
 * them, one for each slot, whether sampled or not: 1 was reached by the mark of that cycle.
 */
struct note_span {
	uint64_t address;  /* of the runtime's mspan */
	uint64_t base;	   /* of its first object */
	uint32_t sweepgen; /* read with the bits: says which sweep they are of */
	bool in_use;	 /* still the span that was taken; false: freed, or something else by now */
	uint16_t count;	 /* allocCount: of a span that is in use as it was taken, how far it is
			    filled */
	uint8_t n_words; /* 0 where there are no bits: in_use alone tells */
	uint64_t words[NOTE_SPAN_WORDS];
};

/*
 * A reading of the spans in which sampled objects lie, or a part of one. It took from begin to end
 * (CLOCK_MONOTONIC ns). Spans of which nothing changed since they were last sent are left out.
 */
struct note_spans {
	uint32_t pid;
	uint64_t begin, end;
	struct note_span *entries; /* decoded: owned, note_free */
	size_t n_entries;
};

#define NOTE_SPANS_MAX_ENTRIES 380 /* in one note */

/* What a file is of its recording. */
enum note_part_kind {
	PART_WHOLE = 0,	   /* all of it */
	PART_ROTATED = 1,  /* one of several that follow one another */
	PART_SNAPSHOT = 2, /* the last minutes before it was written */
};

/*
 * The beginning or the end of a file. A file that follows another one of its recording begins with
 * all that is needed to read it alone: what a process is, its mappings, its whole bucket table.
 */
struct note_part {
	uint64_t recording; /* the same in all files of one recording */
	uint64_t from;	    /* what happened before it (CLOCK_MONOTONIC ns) is not in this file */
	uint32_t kind;	    /* enum note_part_kind */
	uint32_t number;    /* of the file, counted from 1 within the recording */
	uint32_t ends;	    /* 0: here it begins; 1: here it ends, complete */
	const char *text;   /* why it ends, or why it was written; "" */
};

/* Names for some addresses, as soon as they are known: a symbol table (formats/symtab.h). */
struct note_symbols {
	const uint8_t *table;
	size_t len;
	bool swap; /* it has the other byte order than this machine */
};

/* A goroutine as the runtime's list of them has it. */
struct note_goroutine {
	uint64_t goid;
	uint64_t gopc;	     /* behind the go statement that made it */
	uint64_t startpc;    /* the function that it began with */
	uint64_t wait_since; /* when the collector first found it waiting; 0: not waiting */
	uint32_t stack;	     /* bytes */
	uint8_t status;	     /* the runtime's number, without its scan bit */
	uint8_t reason;	     /* why it waits, the runtime's number; 0: it does not, or no reason */
};

/* What a reason is called in this version of Go. */
struct note_wait_reason {
	uint8_t reason;
	const char *text;
};

/*
 * The goroutines that were there at `begin`, in one or more parts, read up to `end`
 * (CLOCK_MONOTONIC ns). The sample's time is `begin`: what is seen to be made or to end from then
 * on comes behind it. One that was made in between may be among them, and one that ended may not.
 */
struct note_goroutines {
	uint32_t pid;
	uint32_t part, parts; /* part counts from 0 */
	uint64_t begin, end;
	uint64_t left_out; /* places of the list that were not read: there would be too many */
	struct note_goroutine *entries; /* decoded: owned, note_free */
	size_t n_entries;
	struct note_wait_reason *reasons; /* decoded: owned, note_free */
	size_t n_reasons;
};

#define NOTE_GOROUTINES_MAX_ENTRIES 1300 /* in one part */
#define NOTE_GOROUTINES_MAX_REASONS 80
#define NOTE_GOROUTINES_MAX_REASON  48 /* bytes of a text */

/* Encoders append header and body to out. A note must stay below 60,000 bytes. */
void note_put_clock(struct buffer *out, const struct note_clock *note);
void note_put_process(struct buffer *out, const struct note_process *note);
void note_put_bucket(struct buffer *out, const struct note_bucket *note);
void note_put_table(struct buffer *out, const struct note_table *note);
void note_put_rss(struct buffer *out, const struct note_rss *note);
void note_put_text(struct buffer *out, const struct note_text *note);
void note_put_native(struct buffer *out, const struct note_native *note);
void note_put_gctrace(struct buffer *out, const struct note_gctrace *note);
/* At most NOTE_OWNERS_MAX_RANGES. */
void note_put_owners(struct buffer *out, const struct note_owners *note);
void note_put_limits(struct buffer *out, const struct note_limits *note);
/* Reasons beyond the most are left out, longer texts cut. */
void note_put_goroutines(struct buffer *out, const struct note_goroutines *note);
void note_put_part(struct buffer *out, const struct note_part *note);
/* At most NOTE_SPANS_MAX_ENTRIES, each of NOTE_SPAN_WORDS at most. */
void note_put_spans(struct buffer *out, const struct note_spans *note);
/* The table has NOTE_SYMBOLS_MAX bytes at most. */
void note_put_symbols(struct buffer *out, const struct note_symbols *note);

#define NOTE_SYMBOLS_MAX 59000u

#define NOTE_TABLE_MAX_ENTRIES 700 /* in one part */

/* A note as read. Pointers lead into the payload, except where said. */
struct note {
	enum note_kind kind;
	union {
		struct note_clock clock;
		struct note_process process;
		struct note_bucket bucket; /* stack is owned */
		struct note_table table;   /* entries are owned */
		struct note_rss rss;
		struct note_text text;
		struct note_gctrace gctrace;
		struct note_owners owners; /* ranges are owned */
		struct note_limits limits;
		struct note_native native;
		struct note_goroutines goroutines; /* entries and reasons are owned */
		struct note_part part;
		struct note_spans spans; /* entries are owned */
		struct note_symbols symbols;
	};
};

/*
 * Decodes a raw sample payload. Returns false for a payload that is no note, is cut, or is of a
 * kind not known here. swap: the trace has the other byte order. Free with note_free.
 */
bool note_decode(const void *raw, size_t len, bool swap, struct note *note);
void note_free(struct note *note);

#endif
