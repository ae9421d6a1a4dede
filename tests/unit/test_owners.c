#include "analyze/owners.h"

#include "formats/symtab.h"
#include "formats/xalloc.h"
#include "tests/unit/track_bench.h"

#define MIB ((uint64_t)1 << 20)

static const struct note_owner_range some_ranges[] = {
	{0x400000, 0x600000, MIB, OWNER_PROGRAM},
	{0xc000000000, 0xc004000000, 40 * MIB, OWNER_GO_HEAP},
	{0x7f0000000000, 0x7f0000400000, 2 * MIB, OWNER_ANON},
};

static struct note_owners some_note(void)
{
	return (struct note_owners){
		.pid = PID,
		.rss = 43 * MIB,
		.bytes =
			{[OWNER_PROGRAM] = MIB, [OWNER_GO_HEAP] = 40 * MIB, [OWNER_ANON] = 2 * MIB},
		.ranges = (struct note_owner_range *)some_ranges,
		.n_ranges = 3,
	};
}

static void map_at(struct owners *owners, uint64_t start, uint64_t end, uint32_t stack)
{
	owners_mapped(owners, &(struct owners_mapping){.start = start, .end = end, .stack = stack});
}

static void is_place(const struct owners *owners, uint64_t address, enum memory_owner owner,
		     uint32_t stack)
{
	struct owners_place place = owners_find(owners, address);

	assert_int_equal(place.owner, owner);
	assert_int_equal(place.stack, stack);
}

static void test_find(void **state)
{
	struct owners owners = {0};
	struct note_owners note = some_note();

	(void)state;
	is_place(&owners, 0x400000, OWNER_UNKNOWN, OWNERS_NO_STACK);
	/* Before any reading the heap is known by where it begins. */
	is_place(&owners, 0xc000123456, OWNER_GO_HEAP, OWNERS_NO_STACK);
	map_at(&owners, 0x7f0000100000, 0x7f0000200000, 5);
	is_place(&owners, 0x7f0000100000, OWNER_ANON, 5);
	is_place(&owners, 0x7f0000200000, OWNER_UNKNOWN, OWNERS_NO_STACK);
	owners_reading(&owners, &note);
	is_place(&owners, 0x400000, OWNER_PROGRAM, OWNERS_NO_STACK);
	is_place(&owners, 0x5fffff, OWNER_PROGRAM, OWNERS_NO_STACK);
	is_place(&owners, 0x600000, OWNER_UNKNOWN, OWNERS_NO_STACK);
	is_place(&owners, 0x7f0000100000, OWNER_ANON, 5);
	is_place(&owners, 0x7f0000200000, OWNER_ANON, OWNERS_NO_STACK);
	is_place(&owners, 0xc003ffffff, OWNER_GO_HEAP, OWNERS_NO_STACK);
	/* A new arena, next to the ones that were read. */
	map_at(&owners, 0xc004000000, 0xc008000000, 6);
	is_place(&owners, 0xc004000000, OWNER_GO_HEAP, 6);
	/* Mapped since, in the place of what the reading found. */
	owners_mapped(&owners,
		      &(struct owners_mapping){
			      .start = 0x500000, .end = 0x501000, .stack = 7, .is_file = true});
	is_place(&owners, 0x500000, OWNER_FILES, 7);
	is_place(&owners, 0x501000, OWNER_PROGRAM, OWNERS_NO_STACK);
	owners_unmapped(&owners, 0x500000, 0x501000);
	is_place(&owners, 0x500000, OWNER_PROGRAM, OWNERS_NO_STACK);
	owners_brk(&owners, 0x1000000);
	owners_brk(&owners, 0x1021000);
	is_place(&owners, 0x1020fff, OWNER_C_HEAP, OWNERS_NO_STACK);
	is_place(&owners, 0x1021000, OWNER_UNKNOWN, OWNERS_NO_STACK);
	owners_free(&owners);
}

/* Mapping and unmapping at random, against an array with an entry for each page. */
static void test_calls(void **state)
{
	enum { PAGES = 64 };
	uint32_t pages[PAGES];
	struct owners owners = {0};
	uint64_t random = 88172645463325252u;

	(void)state;
	for (size_t i = 0; i < PAGES; i++)
		pages[i] = OWNERS_NO_STACK;
	for (size_t n = 0; n < 20000; n++) {
		uint64_t start = next_random(&random) % PAGES;
		uint64_t len = next_random(&random) % 12;
		uint32_t stack = (uint32_t)(next_random(&random) % 4);

		if (start + len > PAGES)
			len = PAGES - start;
		if (stack)
			map_at(&owners, start << 12, (start + len) << 12, stack);
		else
			owners_unmapped(&owners, start << 12, (start + len) << 12);
		for (size_t i = start; i < start + len; i++)
			pages[i] = stack ? stack : OWNERS_NO_STACK;
		for (size_t i = 0; i < PAGES; i++)
			is_place(&owners, (uint64_t)i << 12,
				 pages[i] == OWNERS_NO_STACK ? OWNER_UNKNOWN : OWNER_ANON,
				 pages[i]);
		for (size_t i = 1; i < owners.n_calls; i++)
			assert_true(owners.calls[i - 1].end < owners.calls[i].start ||
				    (owners.calls[i - 1].end == owners.calls[i].start &&
				     owners.calls[i - 1].stack != owners.calls[i].stack));
	}
	owners_free(&owners);
}

struct shares {
	double by_stack[4], unseen;
};

static void add_share(void *context, enum memory_owner owner, uint32_t stack, double bytes)
{
	struct shares *shares = context;

	assert_int_equal(owner, OWNER_ANON);
	if (stack == OWNERS_NO_STACK)
		shares->unseen += bytes;
	else
		shares->by_stack[stack] += bytes;
}

static void test_divide(void **state)
{
	struct note_owners note = some_note();
	struct owners owners = {0};
	struct shares shares = {0};

	(void)state;
	map_at(&owners, 0x7effffe00000, 0x7f0000100000, 1);
	map_at(&owners, 0x7f0000300000, 0x7f0000380000, 2);
	owners_reading(&owners, &note);
	owners_divide(&owners, add_share, &shares);
	assert_true(fabs(shares.by_stack[1] - 0.5 * (double)MIB) < 1);
	assert_true(fabs(shares.by_stack[2] - 0.25 * (double)MIB) < 1);
	assert_true(fabs(shares.unseen - 1.25 * (double)MIB) < 1);
	owners_free(&owners);
}

/* ---- In track --------------------------------------------------------------------------- */

static void owners_event(struct bench *bench, uint64_t time, const struct note_owners *note)
{
	struct event event = event_at(EVENT_NOTE, time, PID);

	event.note.kind = NOTE_OWNERS;
	event.note.owners = *note;
	track_event(bench->track, &event);
}

static void mmap_event(struct bench *bench, uint64_t time, uint64_t address, uint64_t len,
		       const uint64_t *stack, uint32_t n_stack)
{
	struct event event = event_at(EVENT_SYSCALL_ENTER, time, PID);

	event.syscall.call = SYSCALL_MMAP;
	event.syscall.args[1] = len;
	event.syscall.args[2] = 3;
	event.syscall.args[3] = 0x22;
	event.stack = stack;
	event.n_stack = n_stack;
	track_event(bench->track, &event);
	event = event_at(EVENT_SYSCALL_EXIT, time + 1, PID);
	event.syscall.call = SYSCALL_MMAP;
	event.syscall.result = (int64_t)address;
	track_event(bench->track, &event);
}

static uint64_t sum_of(const struct rss_point *point)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < OWNER_COUNT; i++)
		sum += point->owners[i];
	return sum;
}

/* The heap is divided by the runtime's figures, whatever they say the sum stays. */
static void test_heap_divided(void **state)
{
	const struct rss_point *point;
	struct note_owners note = some_note();
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	owners_event(&bench, 10, &note);
	note.go = (struct note_go_memory){
		.in_use = 20 * MIB, .stacks = 3 * MIB, .work = MIB, .free = 10 * MIB};
	owners_event(&bench, 20, &note);
	note.go.in_use = 1000 * MIB; /* most of it never touched */
	note.go.sys = MIB;
	owners_event(&bench, 30, &note);
	note.go.stacks = 100 * MIB;
	note.go.sys = 100 * MIB;
	owners_event(&bench, 40, &note);
	track_finish(bench.track);
	assert_int_equal(bench.model.n_rss, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(sum_of(&bench.model.rss[i]), 43 * MIB);
	point = bench.model.rss;
	assert_int_equal(point[0].owners[OWNER_GO_HEAP], 40 * MIB);
	assert_int_equal(point[1].owners[OWNER_GO_HEAP], 20 * MIB);
	assert_int_equal(point[1].owners[OWNER_GO_STACKS], 3 * MIB);
	assert_int_equal(point[1].owners[OWNER_GO_RUNTIME], MIB);
	assert_int_equal(point[1].owners[OWNER_GO_FREE], 16 * MIB);
	assert_int_equal(point[2].owners[OWNER_GO_HEAP], 36 * MIB);
	assert_int_equal(point[2].owners[OWNER_GO_FREE], 0);
	assert_int_equal(point[2].owners[OWNER_GO_RUNTIME], 2 * MIB);
	assert_int_equal(point[2].owners[OWNER_ANON], MIB);
	assert_int_equal(point[3].owners[OWNER_GO_HEAP], 0);
	assert_int_equal(point[3].owners[OWNER_GO_STACKS], 40 * MIB);
	assert_int_equal(point[3].owners[OWNER_GO_RUNTIME], 2 * MIB);
	assert_int_equal(point[3].owners[OWNER_ANON], 0);
	bench_close(&bench);
}

/* Anonymous memory is the runtime's where its stack says so, and the program's where not. */
static void test_anonymous_divided(void **state)
{
	static const uint64_t by_runtime[] = {0x11, 0x12}, by_program[] = {0x21, 0x22};
	struct note_owners note = some_note();
	const struct mapped_share *shares;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	bench.model.symbols = symtab_new();
	symtab_add(bench.model.symbols, PID, 0x12,
		   &(struct symtab_frame){.function = "runtime.sysAlloc", .file = ""}, 1);
	symtab_add(bench.model.symbols, PID, 0x22,
		   &(struct symtab_frame){.function = "main.leak", .file = ""}, 1);
	mmap_event(&bench, 1, 0x7f0000000000, MIB, by_runtime, 2);
	mmap_event(&bench, 5, 0x7f0000100000, 2 * MIB, by_program, 2);
	note.go.sys = 10 * MIB;
	owners_event(&bench, 10, &note);
	note.rss -= MIB;
	note.bytes[OWNER_GO_HEAP] -= MIB;
	owners_event(&bench, 20, &note);
	track_finish(bench.track);
	/* A quarter each by the stacks of the runtime and unseen, half of it the program's. */
	assert_int_equal(bench.model.rss[0].owners[OWNER_GO_RUNTIME], MIB);
	assert_int_equal(bench.model.rss[0].owners[OWNER_ANON], MIB);
	assert_int_equal(sum_of(&bench.model.rss[0]), 43 * MIB);
	shares = bench.model.shares;
	assert_int_equal(bench.model.n_shares, 3);
	for (size_t i = 0; i < 3; i++) {
		const uint64_t *pcs = shares[i].stack == UINT32_MAX
					      ? NULL
					      : bench.model.stacks[shares[i].stack].pcs;

		assert_true(shares[i].first == shares[i].last && shares[i].first == shares[i].peak);
		assert_int_equal(shares[i].owner,
				 pcs && pcs[0] == 0x11 ? OWNER_GO_RUNTIME : OWNER_ANON);
		assert_true(fabs(shares[i].last -
				 (pcs && pcs[0] == 0x21 ? 1.0 : 0.5) * (double)MIB) < 1);
	}
	bench_close(&bench);
}

/* Outside of the time looked at a reading says whose an address is, and no more. */
static void test_window(void **state)
{
	struct note_owners note = some_note();
	struct bench bench;

	(void)state;
	bench_open(&bench, 100, 200);
	owners_event(&bench, 50, &note);
	owners_event(&bench, 150, &note);
	owners_event(&bench, 250, &note);
	track_finish(bench.track);
	assert_int_equal(bench.model.n_rss, 1);
	assert_int_equal(bench.model.rss[0].time, 150);
	bench_close(&bench);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_divide),
		cmocka_unit_test(test_heap_divided),
		cmocka_unit_test(test_anonymous_divided),
		cmocka_unit_test(test_window),
	};

	return cmocka_run_group_tests_name("owners", tests, NULL, NULL);
}
