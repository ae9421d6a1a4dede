#include "common/go_layout.h"

#include <stddef.h>

/*
 * Read from the DWARF of binaries that each version built; 1.16, 1.17, 1.18 and 1.20 in part from
 * source (runtime/mheap.go, mprof.go, runtime2.go, mgcpacer.go, mgc.go, mstats.go). For the 64-bit
 * architectures, of which only `work` tells them apart: it is padded to cache lines, which arm64
 * counts as 128 bytes since 1.21 and the others as 64 (internal/cpu, CacheLinePadSize).
 */
static const struct row {
	int minor;  /* the first version that has it */
	bool wakes; /* only where gcWakeAllStrongFromWeak is there: `work` holds a queue for it */
	int special_offset_size, kind_profile, record_words;
	int goid, gopc, startpc, parent_goid; /* g */
	int procid, curg;		      /* m */
	int live, goal, last_goal, marked;    /* gcController; up to 1.16 memstats */
	int forced, cycles, heap0, arm64;     /* work, and what its fields lie further on arm64 */
	int numgc;			      /* memstats */
	int elemsize, spanclass;	      /* mspan */
} rows[] =
	{
		/* clang-format off */
	/*           special rec  g                    m        heap                     work                 mem   mspan */
	{15, false,  2, 2,   4,   152, 280, 296,  -1,  72, 192, 5968, 168, 5936, 5984,   240, 304, 368,   0,  4288, 104,  98},
	{16, false,  2, 2,   4,   152, 280, 296,  -1,  72, 192, 6000, 168, 5968, 6016,   240, 304, 368,   0,  4288, 104,  98},
	{17, false,  2, 2,   4,   152, 296, 312,  -1,  72, 192,   48,  32,   40,   64,   256, 320, 384,   0,  4280, 104,  98},
	{18, false,  2, 2,   4,   152, 296, 312,  -1,  72, 192,  120, 104,  112,  168,   280, 344, 408,   0,  4280, 104,  98},
	{19, false,  2, 2,   4,   152, 296, 312,  -1,  72, 192,  136, 104,  128,  184,   280, 344, 408,   0,  7704, 104,  98},
	{20, false,  2, 2,   4,   152, 296, 312,  -1,  72, 192,   80,  48,   72,  128,   280, 336, 400,   0,  7704, 104,  98},
	{21, false,  2, 2,   4,   152, 280, 296, 272,  72, 192,  104,  72,   96,  152,   344, 400, 464, 128,  7704, 112, 106},
	{22, false,  2, 2,   4,   152, 280, 296, 272,  72, 192,  104,  72,   96,  152,   344, 400, 456, 128,  7704, 104,  98},
	{23, false,  2, 3,   4,   160, 288, 304, 280,  72, 192,  104,  72,   96,  152,   336, 392, 448, 128,  7704, 104,  98},
	{23, true,   2, 3,   4,   160, 288, 304, 280,  72, 192,  104,  72,   96,  152,   336, 424, 480, 128,  7704, 104,  98},
	{24, false,  8, 3,   4,   160, 288, 304, 280,  72, 192,  104,  72,   96,  152,   336, 424, 480, 128,  7704, 104,  98},
	{25, false,  8, 4,   4,   152, 280, 296, 272,  64, 184,  104,  72,   96,  152,   400, 512, 568, 192,  7680, 104,  98},
	{26, false,  8, 4,   4,   152, 288, 304, 280,  64, 184,  104,  72,   96,  152,   536, 648, 704, 256,  7680, 104,  98},
	{27, false,  8, 4,   2,   152, 288, 304, 280,  64, 184,  104,  72,   96,  152,   536, 648, 704, 256,  7680, 104,  98},
		/* clang-format on */
};

/*
 * The memory statistics, in a table of their own, because they change in other versions. -1: there
 * is no such field, or it is not known: 1.16 to 1.18 were not seen, and of 1.20 not the heap.
 */
static const struct memory_row {
	int minor;
	int mspan_sys, mcache_sys, buckhash_sys, gc_sys, other_sys;
	int idle, inuse, released, stacks; /* in memstats */
	int stats, size, bits;
	int arenas, arenas_arm64; /* in mheap */
	int sweepgen;		  /* in mheap */
	int limit;		  /* in gcController */
} memory_rows[] = {
	/* clang-format off */
	{15,  120,  136,  144,  152,  160, 64, 72, 80, 96, -1,   -1, -1, 66656, 66656, 65832, -1},
	{16,   -1,   -1,   -1,   -1,   -1, -1, -1, -1, -1, -1,   -1, -1,    -1,    -1,    -1, -1},
	{19, 3552, 3560, 3568, 3576, 3584, -1, -1, -1, -1,  0, 1176, 40, 66016, 66016, 65848,  8},
	{20, 3552, 3560, 3568, 3576, 3584, -1, -1, -1, -1,  0, 1176, 40,    -1,    -1,    -1,  8},
	{21, 3552, 3560, 3568, 3576, 3584, -1, -1, -1, -1,  0, 1176, 40, 66032, 66032, 65856,  8},
	{22, 3552, 3560, 3568, 3576, 3584, -1, -1, -1, -1,  0, 1176, 40, 66096, 66160, 65856,  8},
	{25, 3528, 3536, 3544, 3552, 3560, -1, -1, -1, -1,  0, 1168, -1, 66096, 66160, 65856,  8},
	/* clang-format on */
};

static void set_memory(int minor, enum go_arch arch, struct go_layout *layout)
{
	const struct memory_row *row = &memory_rows[sizeof(memory_rows) / sizeof(memory_rows[0])];

	do {
		row--;
	} while (row > memory_rows && row->minor > minor);
	layout->memstats_mspan_sys = row->mspan_sys;
	layout->memstats_mcache_sys = row->mcache_sys;
	layout->memstats_buckhash_sys = row->buckhash_sys;
	layout->memstats_gc_sys = row->gc_sys;
	layout->memstats_other_sys = row->other_sys;
	layout->memstats_heap_idle = row->idle;
	layout->memstats_heap_inuse = row->inuse;
	layout->memstats_heap_released = row->released;
	layout->memstats_stacks_inuse = row->stacks;
	layout->memstats_heap_stats = row->stats;
	layout->heap_stats_size = row->size;
	layout->heap_stats_bits = row->bits;
	layout->mheap_arenas = arch == GO_ARCH_ARM64 ? row->arenas_arm64 : row->arenas;
	layout->mheap_sweepgen = row->sweepgen;
	layout->gc_memory_limit = row->limit;
}

void go_layout_of_version(int minor, enum go_arch arch, bool wakes, struct go_layout *layout)
{
	const struct row *row = &rows[sizeof(rows) / sizeof(rows[0]) - 1];
	int cycles, heap0, shift, assist;

	while (row > rows && (row->minor > minor || (row->wakes && !wakes)))
		row--;
	shift = arch == GO_ARCH_ARM64 ? row->arm64 : 0;
	cycles = row->cycles + shift;
	heap0 = row->heap0 + shift;
	/* Up to 1.16 the controller began with two counters; then one, since 1.18 three follow
	 * what is marked. */
	assist = row->minor <= 16 ? 16 : row->marked + (row->minor == 17 ? 24 : 40);
	*layout = (struct go_layout){
		.special_offset = 8,
		.special_offset_size = row->special_offset_size,
		/* A special's offset grew to a word in 1.24, which moved what follows. */
		.special_kind = 8 + row->special_offset_size,
		.special_profile_bucket = row->special_offset_size == 8 ? 24 : 16,
		.kind_profile = row->kind_profile,
		.bucket_allnext = 8,
		.bucket_type = 16,
		.bucket_size = 32,
		.bucket_nstk = 40,
		.bucket_stack = 48,
		.record_words = row->record_words,
		/* Its first member, which assembly relies on. */
		.g_stack_lo = 0,
		.g_stack_hi = 8,
		.g_m = 48,
		.g_goid = row->goid,
		/* These lie the same way to each other in every version. */
		.g_status = row->goid - 8,
		.g_wait_since = row->goid + 16,
		.g_wait_reason = row->goid + 24,
		.g_gopc = row->gopc,
		.g_startpc = row->startpc,
		.g_parent_goid = row->parent_goid,
		.m_g0 = 0,
		.m_procid = row->procid,
		.m_curg = row->curg,
		.gc_heap_live = row->live,
		.gc_heap_goal = row->goal,
		.gc_last_heap_goal = row->last_goal,
		.gc_heap_marked = row->marked,
		.gc_assist_time = assist,
		.gc_dedicated_time = assist + 8,
		.gc_fractional_time = assist + 16,
		.gc_idle_time = assist + 24,
		.gc_stack_scan = row->minor >= 18 ? row->live + 24 : -1,
		/* These lie the same way to each other in every version. */
		.work_cycles = cycles,
		.work_maxprocs = cycles + 8,
		.work_t_sweep_term = cycles + 16,
		.work_t_mark = cycles + 24,
		.work_t_mark_term = cycles + 32,
		.work_t_end = cycles + 40,
		.work_heap0 = heap0,
		.work_heap1 = heap0 + 8,
		.work_heap2 = heap0 + 16,
		.work_user_forced = row->forced + shift,
		.memstats_numgc = row->numgc,
		.memstats_numforcedgc = row->numgc + 4,
		/* Before numgc are two rings of 256 pauses. */
		.memstats_pause_total = row->numgc - 4104,
		.memstats_cpu_fraction = row->numgc + 8,
		.mspan_start = 24,
		.mspan_npages = 32,
		.mspan_elemsize = row->elemsize,
		.mspan_spanclass = row->spanclass,
		/* The count is before the class, the state behind it. */
		.mspan_state = row->spanclass + 1,
		.mspan_alloc_count = row->spanclass - 2,
		.mspan_sweepgen = row->spanclass - 10,
		/* Two indexes and a cache, then the bits; since 1.22 the indexes are small. */
		.mspan_index_size = row->minor >= 22 ? 2 : 8,
		.mspan_freeindex = 48,
		.mspan_nelems = row->minor >= 22 ? 50 : 56,
		.mspan_alloc_cache = row->minor >= 22 ? 56 : 64,
		.mspan_alloc_bits = row->minor >= 22 ? 64 : 72,
	};
	set_memory(minor, arch, layout);
}

void go_layout_from_table(const struct gobin *bin, struct go_layout *layout)
{
	struct gobin_function fn;

	go_layout_of_version(gobin_version(bin)->minor, gobin_arch(bin),
			     gobin_function(bin, "runtime.gcWakeAllStrongFromWeak", &fn), layout);
}
