#ifndef GMT_FORMATS_GCTRACE_H
#define GMT_FORMATS_GCTRACE_H

/*
 * What the Go runtime writes to standard error under GODEBUG=gctrace=1 and its relatives.
 * Source of the forms: src/runtime/mgc.go (gcMarkTermination, fmtNSAsMS, itoaDiv), proc.go,
 * mgcscavenge.go, mgcpacer.go of Go 1.15 to 1.27.
 *
 * The runtime writes a line in some forty pieces, one system call each, so the output of others
 * lands inside it. The parser puts such a line together again where what is seen allows one reading
 * only, and counts it as damaged otherwise. A line may stand anywhere in a line of the log: behind
 * a container's prefix, inside the string of a JSON record, at the end of another's output.
 */

#include "formats/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gctrace_kind {
	GCTRACE_GC,	   /* "gc N @…": one GC cycle */
	GCTRACE_GC_FORCED, /* "GC forced": the two-minute timer started the cycle that follows */
	GCTRACE_SCAV,	   /* scavtrace=1 */
	GCTRACE_SCVG,	   /* the same before Go 1.15 */
	GCTRACE_INIT,	   /* inittrace=1 */
	GCTRACE_PACER,	   /* gcpacertrace=1 */
	GCTRACE_SCHED,	   /* schedtrace=N */
	GCTRACE_SCAN,	   /* the statistics that gctrace=2 adds from Go 1.25 on */
	GCTRACE_DAMAGED,   /* a gc line of which a part is lost */
	GCTRACE_KINDS,
};

/* The parts of a cycle by wall clock: the stop for sweep termination, concurrent marking, the stop
 * for mark termination. */
enum { GCTRACE_SWEEP_TERM, GCTRACE_MARK, GCTRACE_MARK_TERM, GCTRACE_CLOCKS };
/* The same by CPU time; marking apart into assists, dedicated and fractional workers, and idle. */
enum {
	GCTRACE_CPU_SWEEP_TERM,
	GCTRACE_CPU_ASSIST,
	GCTRACE_CPU_BACKGROUND,
	GCTRACE_CPU_IDLE,
	GCTRACE_CPU_MARK_TERM,
	GCTRACE_CPUS
};

/*
 * One line. The runtime truncates everything it prints, so what it measured lies in
 * [value, value + resolution): GCTRACE_TIME_RESOLUTION for `time`, GCTRACE_SIZE_RESOLUTION for
 * sizes, 1 for `percent`, and gctrace_resolution(value) for the durations.
 */
struct gctrace_entry {
	enum gctrace_kind kind;
	bool forced;	   /* runtime.GC or debug.FreeOSMemory asked for it */
	bool forced_known; /* false: output of others covered the place where "(forced)" stands */
	bool leak_check;   /* "(checking for goroutine leaks)", Go 1.26 and later */
	bool has_stacks;   /* stacks and globals are given: Go 1.18 and later */
	bool stitched;	   /* put together from pieces */
	uint64_t line;	   /* where it begins, from 1 */
	uint64_t offset;   /* the same in bytes of the (uncompressed) input, from 0 */
	uint64_t number;   /* gc N */
	uint64_t time;	   /* ns from the start of the runtime to that of the cycle */
	int64_t percent;   /* of the CPU time available since the program's start, spent on GC */
	uint64_t clock[GCTRACE_CLOCKS], cpu[GCTRACE_CPUS]; /* ns */
	uint64_t heap_start, heap_peak, heap_live, goal;   /* bytes */
	uint64_t stacks, globals;			   /* bytes */
	uint64_t procs;
	const char *raw; /* the line as the runtime wrote it; NULL in a struct gctrace_log */
	size_t raw_len;
};

#define GCTRACE_TIME_RESOLUTION 1000000ull
#define GCTRACE_SIZE_RESOLUTION (1ull << 20)

/* The step at which a duration of this many ns is printed. */
uint64_t gctrace_resolution(uint64_t duration);
const char *gctrace_kind_name(enum gctrace_kind kind);

/* ---- Streaming ------------------------------------------------------------------------- */

struct gctrace_parser;

/* Called for each line found. The entry and its `raw` are valid during the call. */
typedef void gctrace_emit(void *arg, const struct gctrace_entry *entry);

/*
 * A parser that takes the log in pieces of any size and calls emit once per line found, in the
 * order in which they are complete: one that was torn comes after those that stand inside it. Its
 * memory is bounded whatever the input.
 */
struct gctrace_parser *gctrace_parser_new(gctrace_emit *emit, void *arg);
void gctrace_parser_feed(struct gctrace_parser *parser, const void *data, size_t len);
/* The end of the log: the last line may lack its newline, torn lines will not be completed. */
void gctrace_parser_finish(struct gctrace_parser *parser);
uint64_t gctrace_parser_lines(const struct gctrace_parser *parser);
void gctrace_parser_free(struct gctrace_parser *parser);

/* ---- A whole log ----------------------------------------------------------------------- */

/* The `gc` lines of a log, and the "GC forced" ones, in the order of their beginnings. */
struct gctrace_log {
	struct gctrace_entry *entries;
	size_t n_entries, cap_entries;
	uint64_t counts[GCTRACE_KINDS]; /* of all kinds */
	uint64_t stitched;
	uint64_t lines;
	char *damage; /* where reading had to stop (a cut gzip file), or NULL */
};

/*
 * Reads a log: plain, gzip or zstd, "-" for standard input. Errors: it cannot be read, or holds no
 * gctrace line. In both cases the log needs no gctrace_log_free.
 */
struct error *gctrace_log_read(const char *path, struct gctrace_log *log);
/* The same from memory, with no error where nothing is found. */
void gctrace_log_parse(const void *data, size_t len, struct gctrace_log *log);
void gctrace_log_free(struct gctrace_log *log);

#endif
