#include "record/roles.h"

#include <stdlib.h>
#include <string.h>

#define L(member) offsetof(struct go_layout, member)
#define ARG(n, name, type)                                        \
	{                                                         \
		name, type, FIELD_ARG, n, LAYOUT_NONE, NULL, 0, 0 \
	}
#define ARG_AT(n, name, type, m)                              \
	{                                                     \
		name, type, FIELD_ARG_AT, n, L(m), NULL, 0, 0 \
	}
#define RESULT(name, type)                                           \
	{                                                            \
		name, type, FIELD_RESULT, 0, LAYOUT_NONE, NULL, 0, 0 \
	}
#define RESULT_TO(name, type, m)                                 \
	{                                                        \
		name, type, FIELD_RESULT_TO, 0, L(m), NULL, 0, 0 \
	}
#define RESULT_AT_IN(name, type, m, since, until)                        \
	{                                                                \
		name, type, FIELD_RESULT_AT, 0, L(m), NULL, since, until \
	}
#define RESULT_AT(name, type, m)                                 \
	{                                                        \
		name, type, FIELD_RESULT_AT, 0, L(m), NULL, 0, 0 \
	}
#define GLOBAL(name, type, g)                                     \
	{                                                         \
		name, type, FIELD_GLOBAL, 0, LAYOUT_NONE, g, 0, 0 \
	}
#define GLOBAL_AT(name, type, g, m, since, until)                  \
	{                                                          \
		name, type, FIELD_GLOBAL, 0, L(m), g, since, until \
	}
#define GOID(name)                                                  \
	{                                                           \
		name, "u64", FIELD_GOID, 0, LAYOUT_NONE, NULL, 0, 0 \
	}
#define FRAME                                                           \
	{                                                               \
		"frame", "x64", FIELD_FRAME, 0, LAYOUT_NONE, NULL, 0, 0 \
	}
#define USER_GOID(name)                                                  \
	{                                                                \
		name, "u64", FIELD_USER_GOID, 0, LAYOUT_NONE, NULL, 0, 0 \
	}

/* The heap profile's cycle: mProf.cycle up to 1.18, then mProfCycle (cycle << 1 | flushed). */
#define CYCLE                                                                             \
	{"cycle", "u32", FIELD_GLOBAL, 0, LAYOUT_NONE, "runtime.mProf", 0, 18},           \
	{                                                                                 \
		"cycle", "u32", FIELD_GLOBAL, 0, LAYOUT_NONE, "runtime.mProfCycle", 19, 0 \
	}
/* The heap's live bytes moved from memstats to gcController in 1.17, as did the goals. */
#define HEAP(name, m)                                         \
	GLOBAL_AT(name, "u64", "runtime.memstats", m, 0, 16), \
		GLOBAL_AT(name, "u64", "runtime.gcController", m, 17, 0)
/* Of the last cycle, where its pacing is kept. */
#define PACER(name, m, since) GLOBAL_AT(name, "s64", "runtime.gcController", m, since, 0)
#define STATS(name, type, m)  GLOBAL_AT(name, type, "runtime.memstats", m, 0, 0)
#define WORK(name, type, m)   GLOBAL_AT(name, type, "runtime.work", m, 0, 0)
/* A span of one large object. */
#define LARGE_SPAN                                                 \
	RESULT("s", "x64"), RESULT_AT("base", "x64", mspan_start), \
		RESULT_AT("sweepgen", "u32", mspan_sweepgen),      \
		RESULT_AT("size", "u64", mspan_elemsize),          \
		RESULT_AT("spanclass", "u8", mspan_spanclass), USER_GOID("goid"), CYCLE

/*
 * Signatures and versions were read in src/runtime of Go 1.15.15, 1.19.8, 1.21.13, 1.22.12, 1.23.5,
 * 1.24.4, 1.25.12, 1.26.10 and 1.27.3.
 */
const struct role_site role_sites[] = {
	/* setprofilebucket(p, b), on g0 (mprof.go mProf_Malloc, mheap.go) */
	{.role = ROLE_BIRTH,
	 .event = "birth",
	 .symbol = "runtime.setprofilebucket",
	 .on_g0 = true,
	 .callchain = true,
	 .fields = {ARG(0, "p", "x64"), ARG(1, "b", "x64"), ARG_AT(1, "size", "u64", bucket_size),
		    ARG_AT(1, "nstk", "u64", bucket_nstk),
		    ARG_AT(1, "stk", "x64[48]", bucket_stack), USER_GOID("goid"), CYCLE}},
	/* freeSpecial(s, p, size), from whichever goroutine sweeps (mheap.go) */
	{.role = ROLE_DEATH,
	 .event = "death",
	 .symbol = "runtime.freeSpecial",
	 .since = 17,
	 .filter = "kind == %d",
	 .fields = {ARG(1, "p", "x64"), ARG(2, "size", "u64"),
		    ARG_AT(0, "kind", "u8", special_kind),
		    ARG_AT(0, "b", "x64", special_profile_bucket), CYCLE}},
	{.role = ROLE_DEATH,
	 .event = "death",
	 .symbol = "runtime.freespecial",
	 .until = 16,
	 .filter = "kind == %d",
	 .fields = {ARG(1, "p", "x64"), ARG(2, "size", "u64"),
		    ARG_AT(0, "kind", "u8", special_kind),
		    ARG_AT(0, "b", "x64", special_profile_bucket), CYCLE}},
	/* In gcStart, after work.cycles was counted up and the world was stopped. */
	{.role = ROLE_GC_START,
	 .event = "gc_start",
	 .symbol = "runtime.(*gcControllerState).startCycle",
	 .fields = {WORK("cycles", "u32", work_cycles), HEAP("live", gc_heap_live),
		    HEAP("goal", gc_heap_goal), CYCLE}},
	{.role = ROLE_GC_MARK_TERM,
	 .event = "gc_mark_term",
	 .symbol = "runtime.gcMarkTermination",
	 .fields = {HEAP("live", gc_heap_live), CYCLE, WORK("cycles", "u32", work_cycles)}},
	/*
	 * gcMarkTermination calls it once, after the world was started again; then every figure
	 * of the cycle is set. Only GODEBUG=gcstoptheworld=2 has a second call, in gcSweep.
	 */
	{.role = ROLE_GC_END,
	 .event = "gc_end",
	 .symbol = "runtime.mProf_Flush",
	 .fields = {STATS("numgc", "u32", memstats_numgc),
		    CYCLE,
		    WORK("sweep_term", "s64", work_t_sweep_term),
		    WORK("mark", "s64", work_t_mark),
		    WORK("mark_term", "s64", work_t_mark_term),
		    WORK("end", "s64", work_t_end),
		    WORK("heap0", "u64", work_heap0),
		    WORK("heap1", "u64", work_heap1),
		    WORK("heap2", "u64", work_heap2),
		    HEAP("goal", gc_last_heap_goal),
		    HEAP("next_goal", gc_heap_goal),
		    WORK("forced", "u8", work_user_forced),
		    WORK("procs", "s32", work_maxprocs),
		    HEAP("live", gc_heap_live),
		    GLOBAL("rate", "s64", "runtime.MemProfileRate"),
		    PACER("assist", gc_assist_time, 0),
		    PACER("dedicated", gc_dedicated_time, 0),
		    PACER("fractional", gc_fractional_time, 0),
		    PACER("idle", gc_idle_time, 0),
		    PACER("stacks", gc_stack_scan, 18),
		    STATS("pause_total", "u64", memstats_pause_total),
		    STATS("cpu_fraction", "x64", memstats_cpu_fraction),
		    STATS("numforced", "u32", memstats_numforcedgc)}},
	/*
	 * The background sweeper parks itself once everything is swept (mgcsweep.go bgsweep). Its
	 * first call is not that but the wait for the first cycle.
	 */
	{.role = ROLE_SWEEP_DONE,
	 .event = "sweep_done",
	 .symbol = "runtime.bgsweep",
	 .where = SITE_CALL,
	 .callee = "runtime.goparkunlock",
	 .skip = 1,
	 .fields = {CYCLE, WORK("cycles", "u32", work_cycles)}},
	{.role = ROLE_SWEEP_DONE,
	 .event = "sweep_done",
	 .symbol = "runtime.bgsweep",
	 .where = SITE_CALL,
	 .callee = "runtime.gopark",
	 .skip = 1,
	 .fields = {CYCLE, WORK("cycles", "u32", work_cycles)}},
	/* mallocgc(size, typ, needzero); its size-specialised siblings are found by their names. */
	{.role = ROLE_ALLOC,
	 .event = "alloc_mallocgc",
	 .symbol = "runtime.mallocgc",
	 .callchain = true,
	 .fields = {ARG(0, "size", "u64"), ARG(1, "typ", "x64"), GOID("goid")}},
	/*
	 * (*mcentral).cacheSpan() *mspan: the span that the cache takes, as the sweep left it. What
	 * is free in it is told by its allocBits from freeindex on, of which allocCache is the
	 * complement. No class of objects has more than 1,024 in a span.
	 */
	{.role = ROLE_REFILL,
	 .event = "refill",
	 .symbol = "runtime.(*mcache).refill",
	 .where = SITE_AFTER_CALL,
	 .callee = "runtime.(*mcentral).cacheSpan",
	 .result_at = 8,
	 .callchain = true,
	 .fields = {RESULT("s", "x64"), RESULT_AT("base", "x64", mspan_start),
		    RESULT_AT("sweepgen", "u32", mspan_sweepgen),
		    RESULT_AT_IN("nelems", "u64", mspan_nelems, 0, 21),
		    RESULT_AT_IN("nelems", "u16", mspan_nelems, 22, 0),
		    RESULT_AT_IN("freeindex", "u64", mspan_freeindex, 0, 21),
		    RESULT_AT_IN("freeindex", "u16", mspan_freeindex, 22, 0),
		    RESULT_AT("allocCache", "x64", mspan_alloc_cache),
		    RESULT_AT("allocCount", "u16", mspan_alloc_count),
		    RESULT_AT("elemsize", "u64", mspan_elemsize),
		    RESULT_AT("spanclass", "u8", mspan_spanclass),
		    RESULT_TO("bits", "x64[8]", mspan_alloc_bits), USER_GOID("goid"), CYCLE}},
	/*
	 * (*mheap).alloc(npages, spanclass) *mspan in (*mcache).allocLarge, up to 1.15 in
	 * largeAlloc on g0; up to 1.18 with a third argument. Its size is that of its pages.
	 */
	{.role = ROLE_LARGE,
	 .event = "large",
	 .symbol = "runtime.(*mcache).allocLarge",
	 .since = 16,
	 .where = SITE_AFTER_CALL,
	 .callee = "runtime.(*mheap).alloc",
	 .result_at = 24,
	 .callchain = true,
	 .fields = {LARGE_SPAN}},
	{.role = ROLE_LARGE,
	 .event = "large",
	 .symbol = "runtime.largeAlloc",
	 .until = 15,
	 .where = SITE_AFTER_CALL,
	 .callee = "runtime.(*mheap).alloc",
	 .result_at = 24,
	 .on_g0 = true,
	 .callchain = true,
	 .fields = {LARGE_SPAN}},
	/* (*mcentral).uncacheSpan(s): a collection takes back what the caches hold. */
	{.role = ROLE_RELEASE,
	 .event = "release",
	 .symbol = "runtime.(*mcache).releaseAll",
	 .where = SITE_CALL,
	 .callee = "runtime.(*mcentral).uncacheSpan",
	 .fields = {ARG(1, "s", "x64"), ARG_AT(1, "allocCount", "u16", mspan_alloc_count), CYCLE}},
	/* In newproc's closure on g0: runqput(pp, newg, true); newg is complete there. */
	{.role = ROLE_GO_CREATE,
	 .event = "go_create",
	 .symbol = "runtime.newproc.func1",
	 .where = SITE_CALL,
	 .callee = "runtime.runqput",
	 .on_g0 = true,
	 .callchain = true,
	 .fields = {ARG_AT(1, "goid", "u64", g_goid), ARG_AT(1, "fn", "x64", g_startpc),
		    ARG_AT(1, "callerpc", "x64", g_gopc), ARG_AT(1, "lo", "x64", g_stack_lo),
		    ARG_AT(1, "hi", "x64", g_stack_hi), USER_GOID("creator")}},
	/* The goroutine behind an iter.Pull, which newproc does not make. */
	{.role = ROLE_GO_CREATE,
	 .event = "go_create_coro",
	 .symbol = "runtime.newcoro.func1",
	 .since = 23,
	 .where = SITE_AFTER_CALL,
	 .callee = "runtime.newproc1",
	 .on_g0 = true,
	 .callchain = true,
	 .optional = true,
	 .fields = {RESULT_AT("goid", "u64", g_goid), RESULT_AT("fn", "x64", g_startpc),
		    RESULT_AT("callerpc", "x64", g_gopc), RESULT_AT("lo", "x64", g_stack_lo),
		    RESULT_AT("hi", "x64", g_stack_hi), USER_GOID("creator")}},
	/* gdestroy(gp) since 1.22: also where a coroutine ends */
	{.role = ROLE_GO_EXIT,
	 .event = "go_exit",
	 .symbol = "runtime.gdestroy",
	 .since = 22,
	 .on_g0 = true,
	 .fields = {ARG_AT(0, "goid", "u64", g_goid), ARG_AT(0, "fn", "x64", g_startpc),
		    ARG_AT(0, "callerpc", "x64", g_gopc)}},
	{.role = ROLE_GO_EXIT,
	 .event = "go_exit",
	 .symbol = "runtime.goexit0",
	 .on_g0 = true,
	 .fields = {ARG_AT(0, "goid", "u64", g_goid), ARG_AT(0, "fn", "x64", g_startpc),
		    ARG_AT(0, "callerpc", "x64", g_gopc)}},
	/* LockOSThread() and UnlockOSThread(), on the goroutine itself; linked in where used */
	{.role = ROLE_LOCK_THREAD,
	 .event = "lock_thread",
	 .symbol = "runtime.LockOSThread",
	 .optional = true,
	 .fields = {GOID("goid")}},
	{.role = ROLE_UNLOCK_THREAD,
	 .event = "unlock_thread",
	 .symbol = "runtime.UnlockOSThread",
	 .optional = true,
	 .fields = {GOID("goid")}},
	/* (*mheap).grow(npage), from allocSpan, which is for the system stack */
	{.role = ROLE_HEAP_GROW,
	 .event = "heap_grow",
	 .symbol = "runtime.(*mheap).grow",
	 .on_g0 = true,
	 .callchain = true,
	 .fields = {ARG(1, "npages", "u64"), USER_GOID("goid")}},
	/* (*pageAlloc).scavenge(nbytes, ...) */
	{.role = ROLE_SCAVENGE,
	 .event = "scavenge",
	 .symbol = "runtime.(*pageAlloc).scavenge",
	 .fields = {ARG(1, "nbytes", "u64")}},
	/* cgocall(fn, arg) */
	{.role = ROLE_CGO_CALL,
	 .event = "cgo_call",
	 .symbol = "runtime.cgocall",
	 .callchain = true,
	 .fields = {FRAME, GOID("goid")}},
	{.symbol = NULL},
};

bool role_in_range(const struct go_version *version, int since, int until)
{
	/* A development version is newer than all. */
	int minor = version->minor < 0 ? INT_MAX : version->minor;

	return minor >= since && (!until || minor <= until);
}

/* internal/runtime/gc/sizeclasses.go (Go 1.27), up to the largest that was ever specialised. */
static const uint16_t class_sizes[] = {0,   8,	 16,  24,  32,	48,  64,  80,  96,
				       112, 128, 144, 160, 176, 192, 208, 224, 240,
				       256, 288, 320, 352, 384, 416, 448, 480, 512};

bool role_specialised_alloc(const char *name, unsigned *smallest, unsigned *largest)
{
	static const char *const prefixes[] = {
		"runtime.mallocgcSmallScanNoHeaderSC", "runtime.mallocgcSmallNoScanSC",
		"runtime.mallocgcTinySC", "runtime.mallocgcTinySize"};
	const unsigned n_classes = sizeof(class_sizes) / sizeof(class_sizes[0]);

	for (unsigned i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t len = strlen(prefixes[i]);
		unsigned long n;
		char *end;

		if (strncmp(name, prefixes[i], len) || name[len] < '0' || name[len] > '9')
			continue;
		n = strtoul(name + len, &end, 10);
		if (*end || !n)
			return false;
		if (i == 3) {
			*smallest = *largest = (unsigned)n;
			return n < 16;
		}
		if (n >= n_classes)
			return false;
		*smallest = i == 2 ? 1 : class_sizes[n - 1] + 1u;
		*largest = i == 2 ? 15 : class_sizes[n];
		return true;
	}
	return false;
}
