#include "analyze/goroutines.h"
#include "analyze/judge.h"
#include "analyze/judge_hints.h"
#include "tests/unit/track_bench.h"

#include "formats/goroutineprofile.h"
#include "formats/xalloc.h"

#include <stdio.h>

#define SECOND 1000000000u

static const struct site *kind_site(const struct model *model, enum site_kind kind, uint64_t pc)
{
	for (size_t i = 0; i < model->n_sites; i++) {
		const struct site *site = &model->sites[i];
		const struct stack *stack = &model->stacks[site->stack];

		if (site->kind == kind && (stack->n ? stack->pcs[0] : 0) == pc)
			return site;
	}
	return NULL;
}

/* ---- Goroutines ------------------------------------------------------------------------- */

static void go(struct bench *bench, uint64_t time, uint64_t goid, uint64_t caller)
{
	/* The runtime's own frames come first. */
	uint64_t stack[] = {7, 8, caller, 9};
	struct event event = event_at(EVENT_GO_CREATE, time, PID);

	put(&event, FIELD_GOID, goid);
	put(&event, FIELD_CALLERPC, caller);
	put(&event, FIELD_FN, caller + 1000);
	put(&event, FIELD_LO, 0x10000);
	put(&event, FIELD_HI, 0x11000);
	event.stack = stack;
	event.n_stack = 4;
	track_event(bench->track, &event);
}

static void of_goroutine(struct bench *bench, enum event_kind kind, uint64_t time, uint64_t goid,
			 uint64_t caller)
{
	struct event event = event_at(kind, time, PID);

	put(&event, FIELD_GOID, goid);
	put(&event, FIELD_CALLERPC, caller);
	track_event(bench->track, &event);
}

static void test_goroutines(void **state)
{
	struct bench bench;
	const struct site *site;

	(void)state;
	bench_open(&bench, 0, 0);
	for (uint64_t i = 1; i <= 5; i++)
		go(&bench, i * MS, i, 500);
	go(&bench, 6 * MS, 6, 600);
	of_goroutine(&bench, EVENT_GO_EXIT, 7 * MS, 2, 500);
	of_goroutine(&bench, EVENT_GO_EXIT, 7 * MS, 99, 600); /* older than the recording */
	/* Locks nest: of 3 one is left, 4 is free again, that of 98 is of nobody. */
	of_goroutine(&bench, EVENT_LOCK_THREAD, 8 * MS, 3, 0);
	of_goroutine(&bench, EVENT_LOCK_THREAD, 8 * MS, 3, 0);
	of_goroutine(&bench, EVENT_UNLOCK_THREAD, 8 * MS, 3, 0);
	of_goroutine(&bench, EVENT_LOCK_THREAD, 8 * MS, 4, 0);
	of_goroutine(&bench, EVENT_UNLOCK_THREAD, 8 * MS, 4, 0);
	of_goroutine(&bench, EVENT_UNLOCK_THREAD, 8 * MS, 4, 0);
	of_goroutine(&bench, EVENT_LOCK_THREAD, 8 * MS, 98, 0);
	/* Sampled heap of goroutine 1, which births are of; see birth_event. */
	birth(&bench, 9 * MS, 0x1000, 0x10, 64, 5);
	birth(&bench, 9 * MS, 0x2000, 0x10, 64, 5);
	track_finish(bench.track);
	site = kind_site(&bench.model, SITE_GOROUTINE, 500);
	assert_non_null(site);
	assert_int_equal(site->births, 5);
	assert_int_equal(site->deaths, 1);
	assert_int_equal(site->live, 4);
	assert_int_equal(site->live_sampled_bytes, 4 * 4096);
	assert_int_equal(site->starts, 1500);
	assert_int_equal(site->locked, 1);
	assert_int_equal(bench.model.stacks[site->stack].n, 2);
	assert_true(site->held_est_bytes > 2 * 64);
	assert_int_equal(kind_site(&bench.model, SITE_GOROUTINE, 600)->unmatched_deaths, 1);
	site = kind_site(&bench.model, SITE_HEAP, 1);
	assert_non_null(site);
	assert_int_equal(site->live_of_goroutines, 2);
	assert_ptr_equal(&bench.model.sites[site->by_goroutines],
			 kind_site(&bench.model, SITE_GOROUTINE, 500));
	bench_close(&bench);
}

static void list_goroutines(struct bench *bench, uint64_t time,
			    const struct note_goroutine *entries, size_t n)
{
	struct note_wait_reason reasons[] = {{14, "chan receive"}, {9, "select"}, {8, "a\nb"}};
	struct event event = event_at(EVENT_NOTE, time, PID);

	event.note.kind = NOTE_GOROUTINES;
	event.note.goroutines = (struct note_goroutines){
		.pid = PID,
		.parts = 1,
		.begin = time,
		.end = time + MS,
		.entries = (struct note_goroutine *)entries,
		.n_entries = n,
		.reasons = reasons,
		.n_reasons = 3,
	};
	track_event(bench->track, &event);
}

static double objects_of(const struct tally *tallies, size_t n)
{
	double sum = 0;

	for (size_t i = 0; tallies && i < n; i++)
		sum += tallies[i].objects;
	return sum;
}

static void test_goroutines_before(void **state)
{
	static const struct note_goroutine list[] = {
		{.goid = 1, .gopc = 500, .startpc = 1500, .reason = 14, .wait_since = 7},
		{.goid = 2, .gopc = 500, .startpc = 1500, .reason = 14, .wait_since = 5},
		{.goid = 3, .gopc = 500, .startpc = 1500, .reason = 9, .wait_since = 9},
		{.goid = 4, .gopc = 600, .startpc = 1600, .reason = 8},
		{.goid = 10, .gopc = 500, .startpc = 1500},
		{.goid = 11, .gopc = 500, .startpc = 1500},
	};
	struct goroutine_summary summary;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	/* 10 began before the list was read, 11 while it was; 98 ended before. */
	of_goroutine(&bench, EVENT_GO_EXIT, MS, 98, 500);
	go(&bench, MS, 10, 500);
	list_goroutines(&bench, 2 * MS, list, 6);
	go(&bench, 3 * MS, 11, 500);
	go(&bench, 4 * MS, 12, 500);
	/* 1 and 10 end; 97 ended so soon that it is not in the list; another list tells nothing. */
	of_goroutine(&bench, EVENT_GO_EXIT, 3 * MS, 97, 500);
	of_goroutine(&bench, EVENT_GO_EXIT, 5 * MS, 1, 500);
	of_goroutine(&bench, EVENT_GO_EXIT, 6 * MS, 10, 500);
	list_goroutines(&bench, 7 * MS, list + 1, 3);
	track_finish(bench.track);
	goroutines_summarise(&bench.model, 0, &summary);
	assert_true(summary.recorded && summary.before_known);
	assert_int_equal(summary.before, 5);
	assert_int_equal(summary.before_ended, 2);
	assert_int_equal(summary.started, 3);
	assert_int_equal(summary.ended, 1);
	assert_int_equal(summary.now, 5);
	assert_int_equal(summary.n_statements, 2);
	assert_int_equal(summary.statements[0].before, 4);
	assert_int_equal(summary.statements[0].before_now, 2);
	assert_int_equal(summary.statements[0].started, 3);
	assert_string_equal(summary.statements[0].waits_for, "chan receive");
	assert_int_equal(summary.statements[0].waiting, 2);
	assert_int_equal(summary.statements[0].waits_since, 5);
	assert_int_equal(summary.statements[1].before_now, 1);
	assert_null(summary.statements[1].waits_for);
	assert_int_equal(bench.model.processes[0].ended_unseen[SITE_GOROUTINE], 0);
	goroutines_free_summary(&summary);
	bench_close(&bench);
}

/* The ends of those that were there are divided among the ways that lead to their go statement. */
static void test_goroutines_divided(void **state)
{
	struct note_goroutine list[90];
	struct bench bench;
	double ends = 0;
	size_t sites = 0;

	(void)state;
	bench_open(&bench, 0, 0);
	for (uint64_t i = 0; i < 90; i++)
		list[i] = (struct note_goroutine){.goid = i + 1, .gopc = 500};
	list_goroutines(&bench, MS, list, 90);
	for (uint64_t i = 0; i < 90; i++) {
		uint64_t stack[] = {500, i % 3 ? 9 : 10};
		struct event event = event_at(EVENT_GO_CREATE, (i + 2) * MS, PID);

		put(&event, FIELD_GOID, 1000 + i);
		put(&event, FIELD_CALLERPC, 500);
		event.stack = stack;
		event.n_stack = 2;
		track_event(bench.track, &event);
		of_goroutine(&bench, EVENT_GO_EXIT, (i + 2) * MS, i + 1, 500);
	}
	track_finish(bench.track);
	for (size_t i = 0; i < bench.model.n_sites; i++) {
		const struct site *site = &bench.model.sites[i];

		if (!site->births) {
			assert_int_equal(site->older, 90);
			assert_int_equal(site->unmatched_deaths, 0);
			continue;
		}
		sites++;
		ends += objects_of(site->died_unseen, bench.model.processes[0].n_slices);
		/* Two of three came by one of the ways. */
		assert_true(site->unmatched_deaths + 15 >= site->births &&
			    site->unmatched_deaths <= site->births + 15);
	}
	assert_int_equal(sites, 2);
	assert_int_equal(ends, 90);
	bench_close(&bench);
}

/* What lies before the time that is looked at tells what there is when it begins. */
static void test_goroutines_from(void **state)
{
	static const struct note_goroutine list[] = {
		{.goid = 1, .gopc = 500}, {.goid = 2, .gopc = 500}, {.goid = 3, .gopc = 600}};
	struct goroutine_summary summary;
	struct bench bench;

	(void)state;
	bench_open(&bench, 10 * MS, 0);
	list_goroutines(&bench, MS, list, 3);
	go(&bench, 2 * MS, 4, 500);
	of_goroutine(&bench, EVENT_GO_EXIT, 3 * MS, 1, 500);
	go(&bench, 11 * MS, 5, 500);
	of_goroutine(&bench, EVENT_GO_EXIT, 12 * MS, 4, 500);
	track_finish(bench.track);
	goroutines_summarise(&bench.model, 0, &summary);
	assert_int_equal(summary.before, 3);
	assert_int_equal(summary.before_ended, 1);
	assert_int_equal(summary.started, 1);
	assert_int_equal(summary.now, 3);
	goroutines_free_summary(&summary);
	bench_close(&bench);
}

/* Without a chain, or with one of something else, the go statement itself is the site. */
static void test_creation_without_chain(void **state)
{
	struct bench bench;
	struct event event = event_at(EVENT_GO_CREATE, MS, PID);
	uint64_t stack[] = {7, 8};

	(void)state;
	bench_open(&bench, 0, 0);
	put(&event, FIELD_GOID, 1);
	put(&event, FIELD_CALLERPC, 500);
	track_event(bench.track, &event);
	put(&event, FIELD_GOID, 2);
	event.stack = stack;
	event.n_stack = 2;
	track_event(bench.track, &event);
	track_finish(bench.track);
	assert_int_equal(bench.model.n_sites, 1);
	assert_int_equal(kind_site(&bench.model, SITE_GOROUTINE, 500)->live, 2);
	/* Its stack's bounds are not known: the least that there is. */
	assert_int_equal(bench.model.sites[0].live_sampled_bytes, 2 * 2048);
	bench_close(&bench);
}

/* ---- Mappings --------------------------------------------------------------------------- */

static void call(struct bench *bench, uint64_t time, enum event_syscall which, uint64_t pc,
		 int64_t result, const uint64_t args[4])
{
	struct event event = event_at(EVENT_SYSCALL_ENTER, time, PID);

	event.syscall.call = which;
	memcpy(event.syscall.args, args, 4 * sizeof(*args));
	event.stack = &pc;
	event.n_stack = 1;
	track_event(bench->track, &event);
	event.kind = EVENT_SYSCALL_EXIT;
	event.n_stack = 0;
	event.syscall.result = result;
	track_event(bench->track, &event);
}

static void map(struct bench *bench, uint64_t time, uint64_t pc, uint64_t at, uint64_t len,
		uint64_t prot)
{
	call(bench, time, SYSCALL_MMAP, pc, (int64_t)at, (uint64_t[]){0, len, prot, 0x22});
}

static void unmap(struct bench *bench, uint64_t time, uint64_t at, uint64_t len)
{
	call(bench, time, SYSCALL_MUNMAP, 1, 0, (uint64_t[]){at, len, 0, 0});
}

static void test_mappings(void **state)
{
	struct bench bench;
	const struct site *site;

	(void)state;
	bench_open(&bench, 0, 0);
	map(&bench, 1 * MS, 500, 0x100000, 0x4000, 3);
	map(&bench, 1 * MS, 500, 0x104000, 0x4000, 3); /* its neighbour is another */
	map(&bench, 2 * MS, 600, 0x200000, 0x1000, 3);
	map(&bench, 2 * MS, 700, 0x300000, 0x100000, 0); /* address space alone */
	unmap(&bench, 3 * MS, 0x101000, 0x1000);	 /* a hole */
	unmap(&bench, 3 * MS, 0x103000, 0x2000);	 /* over both */
	unmap(&bench, 4 * MS, 0x200000, 0x1000);
	/* One in place of the second's end, which another site then has. */
	map(&bench, 5 * MS, 800, 0x107000, 0x2000, 3);
	/* It moves and grows: another mapping, of who moved it. */
	call(&bench, 6 * MS, SYSCALL_MREMAP, 900, 0x400000,
	     (uint64_t[]){0x107000, 0x2000, 0x5000, 1});
	track_finish(bench.track);
	site = kind_site(&bench.model, SITE_MAPPING, 500);
	assert_int_equal(site->births, 2);
	assert_int_equal(site->live, 2);
	/* Of the first a page each side of the hole; of the second the two in the middle. */
	assert_int_equal(site->live_sampled_bytes, 0x2000 + 0x2000);
	assert_int_equal(site->deaths_sampled_bytes, 0x2000 + 0x2000);
	site = kind_site(&bench.model, SITE_MAPPING, 600);
	assert_int_equal(site->deaths, 1);
	assert_int_equal(site->live, 0);
	assert_null(kind_site(&bench.model, SITE_MAPPING, 700));
	assert_int_equal(kind_site(&bench.model, SITE_MAPPING, 800)->live, 0);
	assert_int_equal(kind_site(&bench.model, SITE_MAPPING, 900)->live_sampled_bytes, 0x5000);
	bench_close(&bench);
}

/* ---- Threads ---------------------------------------------------------------------------- */

static void clone_call(struct bench *bench, uint64_t time, uint32_t by, uint64_t pc)
{
	struct event event = event_at(EVENT_SYSCALL_ENTER, time, PID);

	event.tid = by;
	event.syscall.call = SYSCALL_CLONE;
	event.stack = &pc;
	event.n_stack = 1;
	track_event(bench->track, &event);
}

static void thread(struct bench *bench, enum event_kind kind, uint64_t time, uint32_t tid,
		   uint32_t parent)
{
	struct event event = event_at(kind, time, PID);

	event.tid = tid;
	event.fork.parent_pid = PID;
	event.fork.parent_tid = parent;
	track_event(bench->track, &event);
}

/* What is in RAM of what two calls mapped, one of which has touched half of it. */
static void test_resident(void **state)
{
	struct note_owner_range ranges[] = {
		{0x100000, 0x140000, 0x20000, OWNER_ANON},
		{0x200000, 0x300000, 0, OWNER_ANON},
	};
	struct event event = event_at(EVENT_NOTE, 5 * MS, PID);
	const struct site *touched, *untouched;
	const struct candidate *candidate;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	map(&bench, 1 * MS, 500, 0x100000, 0x40000, 3);
	map(&bench, 2 * MS, 600, 0x200000, 0x100000, 3);
	event.note.kind = NOTE_OWNERS;
	event.note.owners = (struct note_owners){
		.pid = PID, .rss = 0x20000, .anon = 0x20000, .ranges = ranges, .n_ranges = 2};
	event.note.owners.bytes[OWNER_ANON] = 0x20000;
	track_event(bench.track, &event);
	track_finish(bench.track);
	touched = kind_site(&bench.model, SITE_MAPPING, 500);
	untouched = kind_site(&bench.model, SITE_MAPPING, 600);
	assert_true(touched->resident_known && untouched->resident_known);
	assert_true(touched->resident_bytes == 0x20000);
	assert_true(untouched->resident_bytes == 0);
	judge(&bench.model, NULL);
	/* The larger one is not the first: none of it is memory. */
	candidate = &bench.model.candidates[0];
	assert_ptr_equal(&bench.model.sites[candidate->site], touched);
	assert_true(candidate->resident_known && candidate->resident_bytes == 0x20000);
	candidate = &bench.model.candidates[1];
	assert_true(candidate->resident_known && candidate->resident_bytes == 0);
	bench_close(&bench);
}

/* Without a reading nothing is known of it. */
static void test_resident_unknown(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	map(&bench, 1 * MS, 500, 0x100000, 0x40000, 3);
	track_finish(bench.track);
	judge(&bench.model, NULL);
	assert_false(kind_site(&bench.model, SITE_MAPPING, 500)->resident_known);
	assert_false(bench.model.candidates[0].resident_known);
	bench_close(&bench);
}

static void test_threads(void **state)
{
	struct bench bench;
	const struct site *site;

	(void)state;
	bench_open(&bench, 0, 0);
	clone_call(&bench, SECOND, PID, 500);
	thread(&bench, EVENT_FORK, SECOND + 1, 201, PID);
	/* Of this one no call was seen; of 203 it was another thread's. */
	thread(&bench, EVENT_FORK, SECOND + 2, 202, PID);
	clone_call(&bench, SECOND + 3, 201, 600);
	thread(&bench, EVENT_FORK, SECOND + 4, 203, 201);
	thread(&bench, EVENT_EXIT, 2 * (uint64_t)SECOND, 203, 201);
	/* Its id is given out again. */
	clone_call(&bench, 2 * (uint64_t)SECOND + 1, PID, 500);
	thread(&bench, EVENT_FORK, 2 * (uint64_t)SECOND + 2, 203, PID);
	/* It ends, and the process goes on; all others end with the process. */
	thread(&bench, EVENT_EXIT, 3 * (uint64_t)SECOND, 202, PID);
	map(&bench, 3 * (uint64_t)SECOND + 5, 700, 0x100000, 0x1000, 3);
	for (uint32_t tid = 201; tid <= 203; tid += 2)
		thread(&bench, EVENT_EXIT, 3 * (uint64_t)SECOND + 10, tid, PID);
	thread(&bench, EVENT_EXIT, 3 * (uint64_t)SECOND + 20, PID, PID);
	track_finish(bench.track);
	site = kind_site(&bench.model, SITE_THREAD, 500);
	assert_int_equal(site->births, 2);
	assert_int_equal(site->live, 2);
	site = kind_site(&bench.model, SITE_THREAD, 600);
	assert_int_equal(site->births, 1);
	assert_int_equal(site->deaths, 1);
	site = kind_site(&bench.model, SITE_THREAD, 0);
	assert_int_equal(site->births, 1);
	assert_int_equal(site->deaths, 1);
	bench_close(&bench);
}

/* ---- What the runtime does for itself --------------------------------------------------- */

static void name(struct model *model, uint64_t address, const char *function)
{
	const struct symtab_frame frame = {.function = function, .file = "x.go", .line = 1};

	symtab_add(model->symbols, PID, address, &frame, 1);
}

static void test_fold(void **state)
{
	struct bench bench;
	const struct site *site;
	char *hint;
	size_t shown = 0;

	(void)state;
	bench_open(&bench, 0, 0);
	for (uint64_t i = 0; i < 40; i++) {
		uint64_t time = SECOND + i * (SECOND / 4);

		map(&bench, time, 500 + i % 2, 0x1000000 + i * 0x10000, 0x1000, 3);
		map(&bench, time, 600, 0x4000000 + i * 0x10000, 0x1000, 3);
		clone_call(&bench, time, PID, 700 + i % 3);
		thread(&bench, EVENT_FORK, time + 1, (uint32_t)(1000 + i), PID);
	}
	track_finish(bench.track);
	bench.model.symbols = symtab_new();
	name(&bench.model, 500, "runtime.sysMmap");
	name(&bench.model, 501, "runtime.sysAllocOS");
	name(&bench.model, 600, "main.mapForever");
	name(&bench.model, 700, "runtime.clone");
	name(&bench.model, 701, "runtime.newm");
	name(&bench.model, 702, "main.pthreads");
	judge(&bench.model, NULL);
	/* A second time changes nothing. */
	judge(&bench.model, NULL);
	for (size_t i = 0; i < bench.model.n_candidates; i++) {
		const struct candidate *candidate = &bench.model.candidates[i];

		site = &bench.model.sites[candidate->site];
		if (site->kind == SITE_MAPPING && site->of_runtime) {
			shown++;
			assert_int_equal(site->births, 40);
			assert_int_equal(site->live_sampled_bytes, 40 * 0x1000);
			assert_int_equal(candidate->verdict, VERDICT_STEADY);
			assert_non_null(strstr(candidate->evidence, "it follows the heap"));
		} else if (site->kind == SITE_THREAD && site->of_runtime) {
			shown++;
			assert_int_equal(site->births, 27);
			assert_int_equal(site->live, 27);
			/* Goroutines were not recorded. */
			hint = judge_hint(&bench.model, site);
			assert_non_null(strstr(hint, "`record --goroutines`"));
			free(hint);
		} else if (site->kind == SITE_THREAD) {
			shown++;
			assert_int_equal(site->births, 13);
		} else {
			shown++;
			assert_int_equal(candidate->verdict, VERDICT_LEAK);
			assert_int_equal(site->births, 40);
			assert_non_null(strstr(candidate->advice, "munmap"));
		}
	}
	assert_int_equal(shown, 4);
	bench_close(&bench);
}

/* ---- Where they wait -------------------------------------------------------------------- */

static void test_waiting(void **state)
{
	struct heap_frame often[] = {
		{.function = "runtime.gopark", .file = "/src/queue.go", .line = 1},
		{.function = "main.(*queue).take", .file = "/src/queue.go", .line = 42},
		{.function = "main.serve", .file = "/src/queue.go", .line = 7}};
	struct heap_frame rarely[] = {
		{.function = "main.serve", .file = "/src/queue.go", .line = 9}};
	struct heap_frame others[] = {
		{.function = "main.(*queue).take", .file = "/src/queue.go", .line = 3}};
	struct goroutine_stack stacks[] = {{100, others, 1}, {30, often, 3}, {2, rarely, 1}};
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	for (uint64_t i = 1; i <= 40; i++)
		go(&bench, i * (SECOND / 4), i, 500);
	track_finish(bench.track);
	bench.model.symbols = symtab_new();
	name(&bench.model, 500, "main.accept");
	name(&bench.model, 1500, "main.serve");
	bench.model.goroutine_dumps = xcalloc(1, sizeof(*bench.model.goroutine_dumps));
	bench.model.goroutine_dumps[0].profile =
		xcalloc(1, sizeof(*bench.model.goroutine_dumps[0].profile));
	bench.model.goroutine_dumps[0].profile->stacks = stacks;
	bench.model.goroutine_dumps[0].profile->n_stacks = 3;
	bench.model.n_goroutine_dumps = 1;
	judge(&bench.model, NULL);
	assert_non_null(strstr(bench.model.candidates[0].evidence,
			       "; 30 of 32 that run main.serve wait in main.(*queue).take "
			       "(queue.go:42)"));
	free(bench.model.goroutine_dumps[0].profile);
	bench.model.n_goroutine_dumps = 0;
	bench_close(&bench);
}

/* ---- Groups and hints ------------------------------------------------------------------- */

enum { PARENT = 900, OTHER_PARENT = 901 };

/* A leak of the heap at {leaf, line, parent}. */
static void leak(struct bench *bench, uint64_t bucket, uint64_t leaf, uint64_t line,
		 uint64_t parent, uint64_t cycle)
{
	uint64_t stack[] = {leaf, line, parent};
	struct event event =
		birth_event(cycle * SECOND + bucket, bucket << 32 | cycle, bucket, 1 << 20, cycle);

	event.stack = stack;
	track_event(bench->track, &event);
}

static size_t place_of(const struct model *model, uint64_t leaf, uint64_t parent)
{
	for (size_t i = 0; i < model->n_candidates; i++) {
		const struct stack *stack =
			&model->stacks[model->sites[model->candidates[i].site].stack];

		if (stack->pcs[0] == leaf && stack->pcs[2] == parent)
			return i;
	}
	fail();
	return 0;
}

static void test_groups_and_hints(void **state)
{
	struct bench bench;
	const struct candidate *all;
	size_t first, second, apart, ticker;

	(void)state;
	bench_open(&bench, 0, 0);
	for (uint64_t cycle = 1; cycle < 60; cycle++) {
		struct event end = event_at(EVENT_GC_MARK_TERM, cycle * SECOND + SECOND / 2, PID);

		for (int n = 0; n < 4; n++)
			leak(&bench, 0x10 + (uint64_t)n * 0x1000, 10, 20, PARENT, cycle);
		leak(&bench, 0x20, 11, 21, PARENT, cycle);
		for (int n = 0; n < 2; n++)
			leak(&bench, 0x30 + (uint64_t)n * 0x1000, 10, 20, OTHER_PARENT, cycle);
		leak(&bench, 0x40, 12, 22, OTHER_PARENT, cycle);
		put(&end, FIELD_CYCLE, raw_cycle(cycle));
		track_event(bench.track, &end);
	}
	track_finish(bench.track);
	bench.model.symbols = symtab_new();
	name(&bench.model, 10, "strings.Repeat");
	name(&bench.model, 11, "encoding/json.Marshal");
	name(&bench.model, 12, "time.NewTicker");
	name(&bench.model, 20, "example.com/shop/cart.(*Cart).Add");
	name(&bench.model, 21, "example.com/shop/cart.(*Cart).Add");
	name(&bench.model, 22, "main.watch");
	judge(&bench.model, NULL);
	all = bench.model.candidates;
	first = place_of(&bench.model, 10, PARENT);
	second = place_of(&bench.model, 11, PARENT);
	apart = place_of(&bench.model, 10, OTHER_PARENT);
	ticker = place_of(&bench.model, 12, OTHER_PARENT);
	for (size_t i = 0; i < bench.model.n_candidates; i++)
		assert_int_equal(all[i].verdict, VERDICT_LEAK);
	/* It comes after its leader, though one that grows faster comes later. */
	assert_int_equal(first, 0);
	assert_int_equal(second, 1);
	assert_int_equal(all[second].leader, first);
	assert_int_equal(all[apart].leader, apart);
	assert_true(all[apart].growth > all[second].growth);
	assert_int_equal(all[ticker].leader, ticker);
	assert_non_null(strstr(all[ticker].advice, "the Stop that is missing"));
	assert_non_null(strstr(all[first].advice, "look for what keeps them"));
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goroutines),
		cmocka_unit_test(test_goroutines_before),
		cmocka_unit_test(test_goroutines_divided),
		cmocka_unit_test(test_goroutines_from),
		cmocka_unit_test(test_creation_without_chain),
		cmocka_unit_test(test_mappings),
		cmocka_unit_test(test_resident),
		cmocka_unit_test(test_resident_unknown),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_groups_and_hints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
