#include "tests/unit/track_bench.h"

#include "formats/xalloc.h"

/* ---- Processes -------------------------------------------------------------------------- */

static void test_process_lives(void **state)
{
	struct process *process;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	lifecycle(&bench, EVENT_FORK, 5, PID, PID, 1, NULL);
	lifecycle(&bench, EVENT_EXEC, 6, PID, PID, 0, "first");
	lifecycle(&bench, EVENT_COMM, 7, PID, PID + 5, 0, "thread");
	birth(&bench, 10, 0x10, 0x1000, 64, 1);
	lifecycle(&bench, EVENT_EXIT, 11, PID, PID + 5, 1, NULL); /* a thread */
	/* A new program in the same process: its heap is empty, its buckets are others. */
	lifecycle(&bench, EVENT_EXEC, 20, PID, PID, 0, "second");
	birth(&bench, 30, 0x10, 0x1000, 64, 0);
	birth(&bench, 31, 0x20, 0x1000, 64, 0);
	lifecycle(&bench, EVENT_EXIT, 35, PID, PID, 1, NULL);
	death(&bench, 36, 0x10, 0x1000, 64, 1); /* only the first thread had ended */
	assert_int_equal(bench.model.processes[1].end, 0);
	birth(&bench, 37, 0x10, 0x1000, 64, 1);
	lifecycle(&bench, EVENT_EXIT, 40, PID, PID, 1, NULL);
	bucket_note(&bench, 45, 0x1000, 64, stack_of(0x1000), 3); /* what was left to tell */
	/* The pid is given out again. */
	lifecycle(&bench, EVENT_FORK, 50, PID, PID, 1, NULL);
	birth(&bench, 60, 0x20, 0x1000, 64, 0);
	/* Processes nothing happens in leave no trace. */
	for (uint32_t pid = 1000; pid < 3000; pid++) {
		lifecycle(&bench, EVENT_FORK, 70, pid, pid, 1, NULL);
		lifecycle(&bench, EVENT_EXEC, 71, pid, pid, 1, "other");
		lifecycle(&bench, EVENT_EXIT, 72, pid, pid, 1, NULL);
	}
	track_finish(bench.track);
	assert_int_equal(bench.model.n_processes, 3);
	assert_int_equal(bench.model.lost_deaths, 0);
	process = bench.model.processes;
	assert_string_equal(process[0].comm, "first");
	assert_int_equal(process[0].start, 6);
	assert_int_equal(process[0].end, 20);
	assert_string_equal(process[1].comm, "second");
	assert_int_equal(process[1].start, 20);
	assert_int_equal(process[1].end, 40);
	assert_int_equal(process[2].start, 50);
	assert_int_equal(process[2].end, 0);
	assert_int_equal(bench.model.n_sites, 3);
	assert_int_equal(bench.model.sites[0].live, 1);
	assert_int_equal(bench.model.sites[1].live, 2);
	assert_int_equal(bench.model.sites[2].live, 1);
	bench_close(&bench);
}

/* A trace that broke off before the first events were flushed. */
static void test_notes_alone(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	process_note(&bench, 100, "go1.27.4", false, 0);
	process_note(&bench, 250, "go1.27.4", false, 0);
	track_finish(bench.track);
	assert_int_equal(bench.model.first_time, 100);
	assert_int_equal(bench.model.last_time, 250);
	bench_close(&bench);
}

static void test_window(void **state)
{
	const struct site *site;
	struct bench bench;

	(void)state;
	bench_open(&bench, 100, 200);
	birth(&bench, 50, 0x10, 0x1000, 64, 1);
	birth(&bench, 100, 0x20, 0x1000, 64, 1);
	death(&bench, 150, 0x10, 0x1000, 64, 2);
	birth(&bench, 200, 0x30, 0x1000, 64, 2);
	death(&bench, 250, 0x20, 0x1000, 64, 3);
	track_finish(bench.track);
	site = site_at(&bench.model, 0x100);
	assert_int_equal(site->births, 2);
	assert_int_equal(site->deaths, 0);
	assert_int_equal(site->unmatched_deaths, 1);
	assert_int_equal(site->live, 2);
	assert_true(bench.model.processes[0].attached);
	assert_int_equal(bench.model.first_time, 100);
	assert_int_equal(bench.model.last_time, 200);
	bench_close(&bench);
}

/* ---- GC cycles -------------------------------------------------------------------------- */

static void gc_end(struct bench *bench, uint64_t time, uint64_t number, uint64_t cycle)
{
	struct event event = event_at(EVENT_GC_END, time, PID);
	double share = 0.125;
	uint64_t bits;

	memcpy(&bits, &share, sizeof(bits));
	put(&event, FIELD_ASSIST, 100 * number);
	put(&event, FIELD_DEDICATED, 20);
	put(&event, FIELD_FRACTIONAL, 3);
	put(&event, FIELD_IDLE, number == 2 ? UINT64_MAX : 7);
	put(&event, FIELD_STACKS, 64);
	/* 11, 12, ...: each cycle stops a little longer. */
	put(&event, FIELD_PAUSE_TOTAL, number * 10 + number * (number + 1) / 2);
	put(&event, FIELD_CPU_FRACTION, number == 2 ? bits : UINT64_MAX);
	put(&event, FIELD_NUMFORCED, number / 2);

	put(&event, FIELD_NUMGC, number);
	put(&event, FIELD_CYCLE, raw_cycle(cycle));
	put(&event, FIELD_SWEEP_TERM, time - 40);
	put(&event, FIELD_MARK, time - 30);
	put(&event, FIELD_MARK_TERM, time - 20);
	put(&event, FIELD_END, time - 10);
	put(&event, FIELD_HEAP0, 4000 + number);
	put(&event, FIELD_HEAP1, 5000 + number);
	put(&event, FIELD_HEAP2, 2000 + number);
	put(&event, FIELD_GOAL, number == 4 ? UINT64_MAX : 8000 + number);
	if (number == 1)
		put(&event, FIELD_NEXT_GOAL, 9001);
	put(&event, FIELD_FORCED, 0xff00 | (number == 2));
	put(&event, FIELD_PROCS, 2);
	track_event(bench->track, &event);
}

static void gc_start(struct bench *bench, uint64_t time, uint64_t number)
{
	struct event event = event_at(EVENT_GC_START, time, PID);

	put(&event, FIELD_CYCLES, number);
	put(&event, FIELD_LIVE, 4100);
	put(&event, FIELD_GOAL, 8100);
	track_event(bench->track, &event);
}

static void test_gc_cycles(void **state)
{
	struct gc_cycle *cycles;
	struct epoch *epochs;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	gc_start(&bench, 1060, 1);
	gc_start(&bench, 1061, 1); /* hit twice */
	mark_term(&bench, 1079, 0);
	gc_end(&bench, 1100, 1, 1);
	gc_end(&bench, 1101, 1, 1); /* hit twice */
	gc_start(&bench, 2060, 2);
	mark_term(&bench, 2079, 1);
	gc_end(&bench, 2100, 2, 2);
	gc_start(&bench, 3060, 3); /* its end is lost */
	mark_term(&bench, 3079, 2);
	gc_start(&bench, 4060, 4);
	mark_term(&bench, 4079, 3);
	gc_end(&bench, 4100, 4, 4); /* GOGC=off: no goal */
	gc_start(&bench, 5060, 5);  /* the trace ends within it */
	track_finish(bench.track);
	assert_int_equal(bench.model.n_cycles, 4);
	assert_int_equal(bench.model.cycles[3].goal, 0);
	cycles = bench.model.cycles;
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(cycles[i].number, i + 1);
		assert_int_equal(cycles[i].prof_cycle, i + 1);
		assert_int_equal(cycles[i].start, 1060 + i * 1000);
	}
	assert_int_equal(cycles[1].mark, 2070);
	assert_int_equal(cycles[1].mark_term, 2080);
	assert_int_equal(cycles[1].end, 2090);
	assert_int_equal(cycles[1].heap0, 4002);
	assert_int_equal(cycles[1].heap1, 5002);
	assert_int_equal(cycles[1].heap2, 2002);
	assert_int_equal(cycles[1].goal, 8002);
	assert_true(cycles[1].forced);
	assert_false(cycles[0].forced);
	assert_int_equal(cycles[1].procs, 2);
	assert_true(cycles[0].has_cpu);
	assert_int_equal(cycles[0].assist, 100);
	assert_int_equal(cycles[0].background, 23);
	assert_int_equal(cycles[0].idle, 7);
	assert_int_equal(cycles[1].idle, 0); /* no time */
	assert_int_equal(cycles[0].stacks, 64);
	assert_int_equal(cycles[0].pause, 11);
	assert_int_equal(cycles[1].pause, 12);
	assert_int_equal(cycles[1].pause_total, 23);
	assert_int_equal(cycles[1].forced_total, 1);
	assert_true(cycles[1].runtime_cpu_share == 0.125);
	assert_true(cycles[0].runtime_cpu_share == 0); /* no number */
	/* Of two cycles only the sum is known, as one's end is lost. */
	assert_false(cycles[2].has_cpu);
	assert_int_equal(cycles[3].pause, 0);
	assert_int_equal(cycles[3].pause_total, 50);
	assert_int_equal(cycles[2].mark_term, 3079);
	assert_int_equal(cycles[2].end, 0);
	assert_int_equal(cycles[2].heap0, 4100);
	epochs = bench.model.processes[0].epochs;
	assert_int_equal(epochs[0].heap_live, 2001);
	assert_int_equal(epochs[0].heap_goal, 9001);
	assert_int_equal(epochs[1].heap_live, 2002);
	assert_int_equal(epochs[1].heap_goal, 8002);
	assert_int_equal(epochs[0].end_time, 1079);
	bench_close(&bench);
}

/* Probes that tell the number of the cycle alone. */
static void test_gc_numbers(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	for (uint64_t i = 0; i < 6; i++) {
		struct event event = event_at(EVENT_GC_END, 1000 + i, PID);

		put(&event, FIELD_NUMGC, 7 + i / 2); /* each is hit twice */
		put(&event, FIELD_HEAP2, 100 + i);
		track_event(bench.track, &event);
	}
	track_finish(bench.track);
	assert_int_equal(bench.model.n_cycles, 3);
	assert_int_equal(bench.model.cycles[2].number, 9);
	assert_int_equal(bench.model.cycles[2].heap2, 104);
	assert_int_equal(bench.model.cycles[2].end, 1004);
	bench_close(&bench);
}

/* ---- Mappings --------------------------------------------------------------------------- */

static void call(struct bench *bench, uint64_t time, enum event_syscall which, int64_t result,
		 uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct event event = event_at(EVENT_SYSCALL_ENTER, time, PID);

	event.syscall.call = which;
	event.syscall.args[0] = a;
	event.syscall.args[1] = b;
	event.syscall.args[2] = c;
	event.syscall.args[3] = d;
	track_event(bench->track, &event);
	event.kind = EVENT_SYSCALL_EXIT;
	event.syscall.result = result;
	track_event(bench->track, &event);
}

#define FIXED 0x10

static void map_at(struct bench *bench, uint64_t at, uint64_t len, uint64_t flags)
{
	call(bench, 10, SYSCALL_MMAP, (int64_t)at, flags ? at : 0, len, 3, flags | 0x22);
}

static void test_mappings(void **state)
{
	struct process *process;
	struct bench bench;
	struct event event;
	int64_t sum = 0;

	(void)state;
	bench_open(&bench, 0, 0);
	lifecycle(&bench, EVENT_EXEC, 1, PID, PID, 0, "target");
	map_at(&bench, 0x100000, 0x10000, 0);
	process = bench.model.processes;
	assert_int_equal(process->mapped_net, 0x10000);
	map_at(&bench, 0x104000, 0x4000, FIXED); /* over what is there: nothing new */
	assert_int_equal(process->mapped_net, 0x10000);
	map_at(&bench, 0x10f000, 0x2000, FIXED); /* half of it new */
	assert_int_equal(process->mapped_net, 0x11000);
	map_at(&bench, 0x200000, 1, 0); /* a page at least */
	assert_int_equal(process->mapped_net, 0x12000);
	call(&bench, 20, SYSCALL_MUNMAP, 0, 0x101000, 0x2000, 0, 0); /* a hole */
	assert_int_equal(process->mapped_net, 0x10000);
	call(&bench, 20, SYSCALL_MUNMAP, 0, 0x100000, 0x4000, 0, 0); /* around the hole */
	assert_int_equal(process->mapped_net, 0xe000);
	call(&bench, 20, SYSCALL_MUNMAP, -22, 0x104000, 0x4000, 0, 0); /* fails */
	call(&bench, 20, SYSCALL_MMAP, -12, 0, 0x4000, 3, 0x22);
	assert_int_equal(process->mapped_net, 0xe000);
	assert_int_equal(process->mmap_calls, 4);
	assert_int_equal(process->munmap_calls, 2);
	call(&bench, 20, SYSCALL_MREMAP, 0x300000, 0x200000, 0x1000, 0x3000, 1);
	assert_int_equal(process->mapped_net, 0x10000);
	call(&bench, 20, SYSCALL_MUNMAP, 0, 0, 0x1000000, 0, 0); /* everything */
	assert_int_equal(process->mapped_net, 0);

	call(&bench, 30, SYSCALL_BRK, 0x5000000, 0, 0, 0, 0);
	call(&bench, 30, SYSCALL_BRK, 0x5021000, 0x5021000, 0, 0, 0);
	assert_int_equal(process->mapped_net, 0x21000);
	call(&bench, 30, SYSCALL_BRK, 0x5021000, 0x9021000, 0, 0, 0); /* refused */
	assert_int_equal(process->mapped_net, 0x21000);
	call(&bench, 30, SYSCALL_BRK, 0x5020000, 0x5020000, 0, 0, 0);
	assert_int_equal(process->mapped_net, 0x20000);
	call(&bench, 30, SYSCALL_MADVISE, 0, 0x100000, 0x1000, 4, 0);
	assert_int_equal(process->madvise_calls, 1);
	assert_int_equal(process->released, 0x1000);
	/* One that failed gave nothing back; of one that did not, no exit is recorded. */
	call(&bench, 30, SYSCALL_MADVISE, -22, 0x100000, 0x7000, 4, 0);
	event = event_at(EVENT_SYSCALL_ENTER, 30, PID);
	event.syscall.call = SYSCALL_MADVISE;
	event.syscall.args[0] = 0x100000;
	event.syscall.args[1] = 0x2001;
	event.syscall.args[2] = 8;
	track_event(bench.track, &event);
	assert_int_equal(process->madvise_calls, 2);
	assert_int_equal(process->released, 0x4000);
	/* Advice that gives nothing back: NOHUGEPAGE. */
	call(&bench, 30, SYSCALL_MADVISE, 0, 0x100000, 0x1000, 15, 0);
	assert_int_equal(process->madvise_calls, 2);
	assert_int_equal(process->released, 0x4000);

	/* An exit without its enter says nothing. */
	event = event_at(EVENT_SYSCALL_EXIT, 40, PID);
	event.syscall.call = SYSCALL_MMAP;
	event.syscall.result = 0x700000;
	track_event(bench.track, &event);
	assert_int_equal(process->mapped_net, 0x20000);
	for (size_t i = 0; i < bench.model.n_maps; i++)
		sum += bench.model.maps[i].delta;
	assert_int_equal(sum, 0x20000);
	bench_close(&bench);
}

/* Against a bitmap of pages. */
static void test_mappings_at_random(void **state)
{
	static bool pages[512];
	uint64_t seed = 42;
	struct bench bench;

	(void)state;
	memset(pages, 0, sizeof(pages));
	bench_open(&bench, 0, 0);
	lifecycle(&bench, EVENT_EXEC, 1, PID, PID, 0, "target");
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t r = next_random(&seed), at = r % 512, n = 1 + (r >> 16) % 8;
		bool map = (r >> 32) % 2;
		int64_t mapped = 0;

		if (at + n > 512)
			n = 512 - at;
		memset(&pages[at], map, n);
		if (map)
			map_at(&bench, 0x100000 + at * 4096, n * 4096, FIXED);
		else
			call(&bench, 20 + i, SYSCALL_MUNMAP, 0, 0x100000 + at * 4096, n * 4096, 0,
			     0);
		if (i % 1000)
			continue;
		for (size_t page = 0; page < 512; page++)
			mapped += pages[page] * 4096;
		if (bench.model.n_processes)
			assert_int_equal(bench.model.processes[0].mapped_net, mapped);
	}
	/* The series stays bounded, and its sum right. */
	assert_true(bench.model.n_maps <= 65536);
	{
		int64_t sum = 0;

		for (size_t i = 0; i < bench.model.n_maps; i++)
			sum += bench.model.maps[i].delta;
		assert_int_equal(sum, bench.model.processes[0].mapped_net);
	}
	bench_close(&bench);
}

/* As Go's heap grows: a reservation, of which a part is put to use, and given back. */
static void test_reservations(void **state)
{
	struct process *process;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.27.4", true, 524288);
	process = bench.model.processes;
	call(&bench, 10, SYSCALL_MMAP, 0x400000, 0, 0x100000, 0, 0x22);
	assert_int_equal(process->mapped_net, 0);
	call(&bench, 11, SYSCALL_MUNMAP, 0, 0x4f0000, 0x10000, 0, 0); /* to be aligned */
	assert_int_equal(process->mapped_net, 0);
	map_at(&bench, 0x400000, 0x20000, FIXED);
	assert_int_equal(process->mapped_net, 0x20000);
	map_at(&bench, 0x410000, 0x20000, FIXED);
	assert_int_equal(process->mapped_net, 0x30000);
	call(&bench, 12, SYSCALL_MMAP, 0x400000, 0x400000, 0x8000, 0, FIXED | 0x22);
	assert_int_equal(process->mapped_net, 0x28000);
	call(&bench, 13, SYSCALL_MUNMAP, 0, 0x400000, 0xf0000, 0, 0);
	assert_int_equal(process->mapped_net, 0);
	bench_close(&bench);
}

static void test_attached_mappings(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.27.4", true, 524288);
	map_at(&bench, 0x100000, 0x4000, FIXED); /* over a reservation made before */
	assert_int_equal(bench.model.processes[0].mapped_net, 0x4000);
	/* All of it was mapped, half of it before. */
	call(&bench, 20, SYSCALL_MUNMAP, 0, 0x100000, 0x8000, 0, 0);
	assert_int_equal(bench.model.processes[0].mapped_net, -0x4000);
	bench_close(&bench);
}

/* ---- GC logs within the trace ------------------------------------------------------------ */

static void gctrace_note(struct bench *bench, uint64_t time, uint32_t pid, const char *text)
{
	struct event event = event_at(EVENT_NOTE, time, pid);

	event.note.kind = NOTE_GCTRACE;
	event.note.gctrace = (struct note_gctrace){.pid = pid, .text = text};
	track_event(bench->track, &event);
}

/* Each process has a log of its own, in order, whatever window is looked at. */
static void test_gctrace_lines(void **state)
{
	const struct model *model;
	struct bench bench;

	(void)state;
	bench_open(&bench, 50, 60);
	process_note(&bench, 1, "go1.27.4", false, 524288);
	gctrace_note(&bench, 2, PID, "gc 1 @1s");
	gctrace_note(&bench, 3, PID + 1, "gc 7 @1s");
	gctrace_note(&bench, 90, PID, "gc 2 @2s");
	track_finish(bench.track);
	model = &bench.model;
	assert_int_equal(model->n_gctrace_texts, 2);
	assert_int_equal(model->processes[model->gctrace_texts[0].process].pid, PID);
	assert_int_equal(model->gctrace_texts[0].text.len, 18);
	assert_memory_equal(model->gctrace_texts[0].text.data, "gc 1 @1s\ngc 2 @2s\n", 18);
	assert_int_equal(model->processes[model->gctrace_texts[1].process].pid, PID + 1);
	assert_memory_equal(model->gctrace_texts[1].text.data, "gc 7 @1s\n", 9);
	assert_int_equal(model->gctrace_texts[0].left_out, 0);
	bench_close(&bench);
}

/* What is kept of them has a limit, and what lies beyond it is counted. */
static void test_gctrace_limit(void **state)
{
	char *line = xmalloc(1u << 20);
	struct bench bench;

	(void)state;
	memset(line, 'x', (1u << 20) - 1);
	line[(1u << 20) - 1] = '\0';
	bench_open(&bench, 0, 0);
	for (int i = 0; i < 70; i++)
		gctrace_note(&bench, 1, PID, line);
	track_finish(bench.track);
	assert_in_range(bench.model.gctrace_texts[0].text.len, MODEL_MAX_GCTRACE - (1u << 20),
			MODEL_MAX_GCTRACE);
	assert_in_range(bench.model.gctrace_texts[0].left_out, 6, 7);
	bench_close(&bench);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process_lives),
		cmocka_unit_test(test_notes_alone),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_gc_cycles),
		cmocka_unit_test(test_gc_numbers),
		cmocka_unit_test(test_mappings),
		cmocka_unit_test(test_mappings_at_random),
		cmocka_unit_test(test_reservations),
		cmocka_unit_test(test_attached_mappings),
		cmocka_unit_test(test_gctrace_lines),
		cmocka_unit_test(test_gctrace_limit),
	};

	return cmocka_run_group_tests_name("track_process", tests, NULL, NULL);
}
