#include "common/go_layout.h"

/*
 * Read from the DWARF of binaries that each version built (runtime/mheap.go, mprof.go,
 * runtime2.go, mgcpacer.go, mgc.go, mstats.go). These structures hold nothing whose size depends
 * on the architecture, among the 64-bit ones, before the fields that are listed.
 */

/* A special's offset grew to a word in 1.24, which moved what follows. */
#define SPECIAL(size, kind, bucket, value)                                      \
	.special_offset = 8, .special_offset_size = size, .special_kind = kind, \
	.special_profile_bucket = bucket, .kind_profile = value
#define BUCKET(words)                                                                 \
	.bucket_allnext = 8, .bucket_type = 16, .bucket_size = 32, .bucket_nstk = 40, \
	.bucket_stack = 48, .record_words = words
#define G(goid, gopc, startpc, parent) \
	.g_m = 48, .g_goid = goid, .g_gopc = gopc, .g_startpc = startpc, .g_parent_goid = parent
#define M(procid, curg) .m_g0 = 0, .m_procid = procid, .m_curg = curg
#define HEAP(live, goal, last, marked)                                         \
	.gc_heap_live = live, .gc_heap_goal = goal, .gc_last_heap_goal = last, \
	.gc_heap_marked = marked
/* Between the fields that are named, these lie the same way in every version. */
#define WORK(forced, cycles, heap0)                                                      \
	.work_user_forced = forced, .work_cycles = cycles, .work_maxprocs = cycles + 8,  \
	.work_t_sweep_term = cycles + 16, .work_t_mark = cycles + 24,                    \
	.work_t_mark_term = cycles + 32, .work_t_end = cycles + 40, .work_heap0 = heap0, \
	.work_heap1 = heap0 + 8, .work_heap2 = heap0 + 16
#define STATS(numgc) .memstats_numgc = numgc, .memstats_numforcedgc = numgc + 4
#define SPAN(elemsize, spanclass)                                          \
	.mspan_start = 24, .mspan_npages = 32, .mspan_elemsize = elemsize, \
	.mspan_spanclass = spanclass

static const struct {
	int minor, patch; /* the first version that has it */
	struct go_layout layout;
} versions[] = {
	{15,
	 0,
	 {SPECIAL(2, 10, 16, 2), BUCKET(4), G(152, 280, 296, -1), M(72, 192),
	  HEAP(5968, 168, 5936, 5984), WORK(240, 304, 368), STATS(4288), SPAN(104, 98)}},
	{16,
	 0,
	 {SPECIAL(2, 10, 16, 2), BUCKET(4), G(152, 280, 296, -1), M(72, 192),
	  HEAP(6000, 168, 5968, 6016), WORK(240, 304, 368), STATS(4288), SPAN(104, 98)}},
	{17,
	 0,
	 {SPECIAL(2, 10, 16, 2), BUCKET(4), G(152, 296, 312, -1), M(72, 192), HEAP(48, 32, 40, 64),
	  WORK(256, 320, 384), STATS(4280), SPAN(104, 98)}},
	{18,
	 0,
	 {SPECIAL(2, 10, 16, 2), BUCKET(4), G(152, 296, 312, -1), M(72, 192),
	  HEAP(120, 104, 112, 168), WORK(280, 344, 408), STATS(4280), SPAN(104, 98)}},
	{19,
	 0,
	 {SPECIAL(2, 10, 16, 2), BUCKET(4), G(152, 296, 312, -1), M(72, 192),
	  HEAP(136, 104, 128, 184), WORK(280, 344, 408), STATS(7704), SPAN(104, 98)}},
	{20,
	 0,
	 {SPECIAL(2, 10, 16, 2), BUCKET(4), G(152, 296, 312, -1), M(72, 192), HEAP(80, 48, 72, 128),
	  WORK(280, 336, 400), STATS(7704), SPAN(104, 98)}},
	{21,
	 0,
	 {SPECIAL(2, 10, 16, 2), BUCKET(4), G(152, 280, 296, 272), M(72, 192),
	  HEAP(104, 72, 96, 152), WORK(344, 400, 464), STATS(7704), SPAN(112, 106)}},
	{22,
	 0,
	 {SPECIAL(2, 10, 16, 2), BUCKET(4), G(152, 280, 296, 272), M(72, 192),
	  HEAP(104, 72, 96, 152), WORK(344, 400, 456), STATS(7704), SPAN(104, 98)}},
	{23,
	 0,
	 {SPECIAL(2, 10, 16, 3), BUCKET(4), G(160, 288, 304, 280), M(72, 192),
	  HEAP(104, 72, 96, 152), WORK(336, 424, 480), STATS(7704), SPAN(104, 98)}},
	{24,
	 0,
	 {SPECIAL(8, 16, 24, 3), BUCKET(4), G(160, 288, 304, 280), M(72, 192),
	  HEAP(104, 72, 96, 152), WORK(336, 424, 480), STATS(7704), SPAN(104, 98)}},
	{25,
	 0,
	 {SPECIAL(8, 16, 24, 4), BUCKET(4), G(152, 280, 296, 272), M(64, 184),
	  HEAP(104, 72, 96, 152), WORK(400, 512, 568), STATS(7680), SPAN(104, 98)}},
	{26,
	 0,
	 {SPECIAL(8, 16, 24, 4), BUCKET(4), G(152, 288, 304, 280), M(64, 184),
	  HEAP(104, 72, 96, 152), WORK(536, 648, 704), STATS(7680), SPAN(104, 98)}},
	{27,
	 0,
	 {SPECIAL(8, 16, 24, 4), BUCKET(2), G(152, 288, 304, 280), M(64, 184),
	  HEAP(104, 72, 96, 152), WORK(536, 648, 704), STATS(7680), SPAN(104, 98)}},
};

void go_layout_of_version(const struct go_version *version, struct go_layout *layout)
{
	size_t i = sizeof(versions) / sizeof(versions[0]) - 1;

	/* Where the patch is not known, the newest one is the best guess. */
	while (i > 0 && (versions[i].minor > version->minor ||
			 (versions[i].minor == version->minor && version->patch >= 0 &&
			  versions[i].patch > version->patch)))
		i--;
	*layout = versions[i].layout;
}
