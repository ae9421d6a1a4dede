/*
 * Prints what common/gobin reads from a Go binary, for the tests that compare it with what Go's own
 * tools say.
 *
 *   gobin_dump info FILE        version, how it was built, heap profiling
 *   gobin_dump functions FILE   address and name of every function
 *   gobin_dump lines FILE       for each address on standard input as `go tool addr2line` prints it
 *   gobin_dump frames FILE      the same with the inlined functions, one "function file:line" each
 *   gobin_dump globals FILE     the runtime's globals as decoded from code
 *   gobin_dump symbols FILE     the same globals from .symtab
 *   gobin_dump layout FILE      the layout of the runtime's structures, from DWARF or the table
 *   gobin_dump table FILE       the same, from the table alone
 *   gobin_dump modinfo FILE     module information
 */
#include "common/go_globals.h"
#include "common/go_layout.h"
#include "common/gobin.h"
#include "common/gobin_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FRAMES 64

static const char *const globals[] = {
	"runtime.mbuckets",
	"runtime.mProf",
	"runtime.mProfCycle",
	"runtime.MemProfileRate",
	"runtime.gcController",
	"runtime.memstats",
	"runtime.work",
	"runtime.allgs",
	"runtime.waitReasonStrings",
	"runtime.runtimeInitTime",
	"runtime.mheap_",
};

static void print_info(struct gobin *bin)
{
	static const char *const archs[] = {"unknown", "amd64", "arm64", "loong64"};
	static const char *const profiling[] = {"unknown", "linked", "disabled"};
	const struct go_version *version = gobin_version(bin);
	const char *id = gobin_go_build_id(bin);
	uint8_t gnu[20];
	size_t len = gobin_gnu_build_id(bin, gnu);

	printf("version %d.%d.%d%s\n", version->major, version->minor, version->patch,
	       version->certain ? "" : " (deduced)");
	printf("text %s\nsource %s\narch %s\n", version->text, version->source,
	       archs[gobin_arch(bin)]);
	printf("deduced 1.%d\n", gobin_version_deduce(bin));
	printf("pie %d\nstripped %d\nprofiling %s\n", gobin_is_pie(bin), gobin_is_stripped(bin),
	       profiling[gobin_heap_profiling(bin)]);
	printf("buildid %s\ngnu ", id ? id : "");
	for (size_t i = 0; i < len; i++)
		printf("%02x", gnu[i]);
	printf("\n");
}

static void print_functions(struct gobin *bin)
{
	for (size_t i = 0; i < gobin_function_count(bin); i++) {
		struct gobin_function fn;

		gobin_function_nth(bin, i, &fn);
		printf("%" PRIx64 " %s\n", fn.address, fn.name);
	}
}

static void print_lines(struct gobin *bin, bool all)
{
	struct symtab_frame frames[MAX_FRAMES];
	char line[64];

	while (fgets(line, sizeof(line), stdin)) {
		size_t n = gobin_frames(bin, strtoull(line, NULL, 16), frames, MAX_FRAMES);

		if (all) {
			printf("%s", line);
			for (size_t i = 0; i < n; i++)
				printf("\t%s %s:%u\n", frames[i].function, frames[i].file,
				       frames[i].line);
		} else if (n) {
			printf("%s\n%s:%u\n", frames[n - 1].function,
			       frames[0].file[0] ? frames[0].file : "?", frames[0].line);
		} else {
			printf("?\n?:0\n");
		}
	}
}

static void print_globals(struct gobin *bin, bool decode)
{
	for (size_t i = 0; i < sizeof(globals) / sizeof(globals[0]); i++) {
		uint64_t address;

		if (decode ? gobin_global_decode(bin, globals[i], &address)
			   : gobin_data_symbol(bin, globals[i], &address, NULL))
			printf("%s %" PRIx64 "\n", globals[i], address);
	}
}

static void print_layout(const struct go_layout *layout, bool source)
{
	if (source)
		printf("from_dwarf %d\n", layout->from_dwarf);
#define PRINT(field) printf(#field " %d\n", layout->field)
	PRINT(special_offset);
	PRINT(special_offset_size);
	PRINT(special_kind);
	PRINT(special_profile_bucket);
	PRINT(kind_profile);
	PRINT(bucket_allnext);
	PRINT(bucket_type);
	PRINT(bucket_size);
	PRINT(bucket_nstk);
	PRINT(bucket_stack);
	PRINT(record_words);
	PRINT(g_m);
	PRINT(g_goid);
	PRINT(g_status);
	PRINT(g_wait_since);
	PRINT(g_wait_reason);
	PRINT(g_gopc);
	PRINT(g_startpc);
	PRINT(g_parent_goid);
	PRINT(m_g0);
	PRINT(m_procid);
	PRINT(m_curg);
	PRINT(gc_heap_live);
	PRINT(gc_heap_goal);
	PRINT(gc_last_heap_goal);
	PRINT(gc_heap_marked);
	PRINT(gc_assist_time);
	PRINT(gc_dedicated_time);
	PRINT(gc_fractional_time);
	PRINT(gc_idle_time);
	PRINT(gc_stack_scan);
	PRINT(gc_memory_limit);
	PRINT(memstats_mspan_sys);
	PRINT(memstats_mcache_sys);
	PRINT(memstats_buckhash_sys);
	PRINT(memstats_gc_sys);
	PRINT(memstats_other_sys);
	PRINT(memstats_heap_idle);
	PRINT(memstats_heap_inuse);
	PRINT(memstats_heap_released);
	PRINT(memstats_stacks_inuse);
	PRINT(memstats_heap_stats);
	PRINT(heap_stats_size);
	PRINT(heap_stats_bits);
	PRINT(mheap_arenas);
	PRINT(work_cycles);
	PRINT(work_t_sweep_term);
	PRINT(work_t_mark);
	PRINT(work_t_mark_term);
	PRINT(work_t_end);
	PRINT(work_heap0);
	PRINT(work_heap1);
	PRINT(work_heap2);
	PRINT(work_user_forced);
	PRINT(work_maxprocs);
	PRINT(memstats_numgc);
	PRINT(memstats_numforcedgc);
	PRINT(memstats_pause_total);
	PRINT(memstats_cpu_fraction);
	PRINT(mspan_start);
	PRINT(mspan_npages);
	PRINT(mspan_elemsize);
	PRINT(mspan_spanclass);
	PRINT(mspan_state);
	PRINT(mspan_index_size);
	PRINT(mspan_freeindex);
	PRINT(mspan_nelems);
	PRINT(mspan_alloc_cache);
	PRINT(mspan_alloc_bits);
	PRINT(mspan_sweepgen);
	PRINT(mspan_alloc_count);
	PRINT(mheap_sweepgen);
}

static int dump(struct gobin *bin, const char *what)
{
	struct go_layout table;

	if (strcmp(what, "info") == 0) {
		print_info(bin);
	} else if (strcmp(what, "functions") == 0) {
		print_functions(bin);
	} else if (strcmp(what, "lines") == 0 || strcmp(what, "frames") == 0) {
		print_lines(bin, what[0] == 'f');
	} else if (strcmp(what, "globals") == 0 || strcmp(what, "symbols") == 0) {
		print_globals(bin, what[0] == 'g');
	} else if (strcmp(what, "layout") == 0) {
		print_layout(gobin_layout(bin), true);
	} else if (strcmp(what, "table") == 0) {
		go_layout_from_table(bin, &table);
		print_layout(&table, false);
	} else if (strcmp(what, "modinfo") == 0) {
		printf("%s\n", gobin_modinfo(bin));
	} else {
		return 2;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct gobin *bin;
	struct error *err;
	int status;

	if (argc != 3) {
		fprintf(stderr, "usage: gobin_dump WHAT FILE\n");
		return 2;
	}
	err = gobin_open(argv[2], &bin);
	if (err) {
		fprintf(stderr, "gobin_dump: %s\n", error_message(err));
		error_free(err);
		return 1;
	}
	status = dump(bin, argv[1]);
	gobin_close(bin);
	return status;
}
