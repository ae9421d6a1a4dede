#ifndef GMT_COMMON_GOBIN_H
#define GMT_COMMON_GOBIN_H

/*
 * A Go binary seen from outside: version, functions, lines, inlining, data symbols, and the
 * layouts of runtime structures. Works on stripped, position-independent, externally linked and
 * foreign-architecture files. Nothing here runs or traces anything.
 */

#include "formats/error.h"
#include "formats/symtab.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum go_arch {
	GO_ARCH_UNKNOWN,
	GO_ARCH_AMD64,
	GO_ARCH_ARM64,
	GO_ARCH_LOONG64,
};

/*
 * "go1.27.4": major 1, minor 27, patch 4. Patch is -1 where it is not known: in development
 * versions, and where the version was deduced from the pclntab and the functions present. The
 * minor version is always given; where it was deduced, `certain` is false.
 */
struct go_version {
	int major, minor, patch;
	bool certain;
	const char *text;   /* as the binary has it; "" where it has none */
	const char *source; /* ".go.buildinfo", "runtime.buildVersion", "pclntab", ... */
};

/*
 * Offsets in bytes of the runtime's structures, all 64-bit; -1 where the version has no such
 * field. From DWARF where the binary has it, else from the table of its version.
 */
struct go_layout {
	/* special and specialprofile (mheap.go) */
	int special_offset, special_offset_size; /* the object's offset in its span; 2 or 8 bytes */
	int special_kind;			 /* u8 */
	int special_profile_bucket;		 /* *bucket */
	int kind_profile;			 /* the value of special_kind for a heap sample */
	/* bucket and memRecord (mprof.go) */
	int bucket_allnext, bucket_type, bucket_size, bucket_nstk, bucket_stack;
	int record_words; /* 8-byte words in one memRecordCycle: 4, or 2 from 1.27 (allocs, frees
			     first) */
	/* g and m (runtime2.go) */
	int g_stack_lo, g_stack_hi, g_m, g_goid, g_gopc, g_startpc, g_parent_goid;
	int g_status, g_wait_since, g_wait_reason;
	int m_g0, m_procid, m_curg;
	/* gcController: heapLive is in memstats up to 1.16 */
	int gc_heap_live, gc_heap_goal, gc_last_heap_goal, gc_heap_marked;
	/* of the last cycle: CPU time of marking, and what was scanned of stacks (since 1.18) */
	int gc_assist_time, gc_dedicated_time, gc_fractional_time, gc_idle_time, gc_stack_scan;
	int gc_memory_limit; /* since 1.19 */
	/* work (mgc.go) */
	int work_cycles, work_t_sweep_term, work_t_mark, work_t_mark_term, work_t_end;
	int work_heap0, work_heap1, work_heap2, work_user_forced, work_maxprocs;
	/* memstats */
	int memstats_numgc, memstats_numforcedgc, memstats_pause_total, memstats_cpu_fraction;
	/* What is mapped for the runtime's own structures */
	int memstats_mspan_sys, memstats_mcache_sys, memstats_buckhash_sys, memstats_gc_sys,
		memstats_other_sys;
	/* The heap's figures: up to 1.15 in memstats itself, later in three parts of the same kind,
	 * each of heap_stats_size bytes, which begin with bytes committed, released, in use, of
	 * stacks and of work buffers. heap_stats_bits: of pointer bitmaps, up to 1.24. */
	int memstats_heap_idle, memstats_heap_inuse, memstats_heap_released, memstats_stacks_inuse;
	int memstats_heap_stats, heap_stats_size, heap_stats_bits;
	/* mheap: the slice of the heap's arenas; the sweep generation */
	int mheap_arenas, mheap_sweepgen;
	/* mspan */
	int mspan_start, mspan_npages, mspan_elemsize, mspan_spanclass, mspan_state;
	int mspan_index_size; /* of freeindex and nelems: 8, 2 from 1.22 */
	int mspan_freeindex, mspan_nelems, mspan_alloc_cache, mspan_alloc_bits;
	int mspan_sweepgen, mspan_alloc_count;
	bool from_dwarf;
};

struct gobin;

/* Opens and indexes an ELF file. Errors: cannot open, not ELF, not Go, Go too old (before 1.15). */
struct error *gobin_open(const char *path, struct gobin **bin);
void gobin_close(struct gobin *bin);

enum go_arch gobin_arch(const struct gobin *bin);
const struct go_version *gobin_version(const struct gobin *bin);
const struct go_layout *gobin_layout(const struct gobin *bin);
bool gobin_is_pie(const struct gobin *bin);
bool gobin_is_stripped(const struct gobin *bin); /* no .symtab */
/* Main module path and build settings as `go version -m` prints them; "" where there is none. */
const char *gobin_modinfo(const struct gobin *bin);
/* The GNU build id (20 bytes or fewer) and Go's own; 0 and NULL where absent. */
size_t gobin_gnu_build_id(const struct gobin *bin, uint8_t id[20]);
const char *gobin_go_build_id(const struct gobin *bin);

enum heap_profiling {
	HEAP_PROFILING_UNKNOWN,
	HEAP_PROFILING_LINKED,	 /* the sampler runs unless the program turns it off */
	HEAP_PROFILING_DISABLED, /* 1.17 and later link it out where nothing uses it */
};
/* Whether heap profiling is linked in, found from symbols or from the functions present. */
enum heap_profiling gobin_heap_profiling(const struct gobin *bin);

struct gobin_function {
	const char *name;
	uint64_t address, size; /* ELF virtual address; size up to the next function */
};

/* Looks a function up by its exact name ("runtime.(*mcache).refill"), in the pclntab. */
bool gobin_function(const struct gobin *bin, const char *name, struct gobin_function *fn);
/* The function that holds an ELF address; false where none does. */
bool gobin_function_at(const struct gobin *bin, uint64_t address, struct gobin_function *fn);
/* All functions in address order. */
size_t gobin_function_count(const struct gobin *bin);
void gobin_function_nth(const struct gobin *bin, size_t i, struct gobin_function *fn);

/* A data symbol's ELF address from .symtab ("runtime.mbuckets"); false where stripped or absent. */
bool gobin_data_symbol(const struct gobin *bin, const char *name, uint64_t *address,
		       uint64_t *size);

/* The file offset of an ELF address in a loadable segment (the segment's mapping is assumed to
 * continue past its file bytes: .bss gets the offset it would have). False: in no segment. */
bool gobin_file_offset(const struct gobin *bin, uint64_t address, uint64_t *offset);
/* The bytes at an ELF address, in place; NULL where they are not all in the file. */
const uint8_t *gobin_bytes(const struct gobin *bin, uint64_t address, size_t len);
/* What must be added to ELF addresses when the first executable segment is mapped at `start` from
 * file offset `offset`. */
uint64_t gobin_load_bias(const struct gobin *bin, uint64_t start, uint64_t offset);

/*
 * Frames of an ELF address, innermost inlined frame first, from the pclntab; for C code from ELF
 * symbols and DWARF. Look a return address up at address - 1. Returns the number of frames (at
 * most max), 0 where unknown. Strings live as long as bin.
 */
size_t gobin_frames(struct gobin *bin, uint64_t address, struct symtab_frame *frames, size_t max);

#endif
