#include "tests/unit/track_bench.h"

#include "formats/xalloc.h"

/* ---- The files of a recording ------------------------------------------------------------ */

static void part_note(struct bench *bench, uint64_t time, enum note_part_kind kind, uint32_t number,
		      bool ends)
{
	struct event event = event_at(EVENT_NOTE, time, 0);

	event.note.kind = NOTE_PART;
	event.note.part = (struct note_part){
		.recording = 77,
		.from = time,
		.kind = kind,
		.number = number,
		.ends = ends,
		.text = "for a reason",
	};
	track_event(bench->track, &event);
}

/* How many remarks have this in them. */
static size_t remarks(const struct bench *bench, const char *text)
{
	size_t n = 0;

	for (size_t i = 0; i < bench->model.n_texts; i++)
		n += strstr(bench->model.texts[i], text) != NULL;
	return n;
}

/* The second file says of the process that it was there before, which the first one knows better.
 */
static void test_files_in_a_row(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	part_note(&bench, 1, PART_ROTATED, 1, false);
	lifecycle(&bench, EVENT_EXEC, 2, PID, PID, 0, "program");
	process_note(&bench, 3, "go1.27.4", false, 524288);
	birth(&bench, 10 * MS, 0x10, 0x1000, 64, 1);
	part_note(&bench, 20 * MS, PART_ROTATED, 1, true);
	part_note(&bench, 20 * MS, PART_ROTATED, 2, false);
	process_note(&bench, 20 * MS, "go1.27.4", true, 524288);
	bucket_note(&bench, 20 * MS, 0x1000, 64, stack_of(0x1000), 3);
	death(&bench, 30 * MS, 0x10, 0x1000, 64, 2);
	part_note(&bench, 40 * MS, PART_ROTATED, 2, true);
	track_finish(bench.track);
	assert_int_equal(bench.model.n_processes, 1);
	assert_false(bench.model.processes[0].attached);
	assert_int_equal(bench.model.unmatched_deaths, 0);
	assert_int_equal(bench.model.sites[0].deaths, 1);
	assert_false(bench.model.truncated);
	assert_int_equal(remarks(&bench, "loss: "), 0);
	bench_close(&bench);
}

static void test_missing_files(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	part_note(&bench, 1, PART_ROTATED, 3, false);
	process_note(&bench, 2, "go1.27.4", true, 524288);
	part_note(&bench, 10, PART_ROTATED, 3, true);
	part_note(&bench, 30, PART_ROTATED, 6, false);
	process_note(&bench, 31, "go1.27.4", true, 524288);
	track_finish(bench.track);
	assert_true(bench.model.processes[0].attached);
	assert_int_equal(remarks(&bench, "number 3 of its recording"), 1);
	assert_int_equal(remarks(&bench, "between file 3 of the recording and file 6"), 1);
	assert_int_equal(remarks(&bench, "file 6 of the recording that breaks off"), 1);
	assert_true(bench.model.truncated);
	bench_close(&bench);
}

/* What was never ended breaks off; a trace without such notes is of another recorder. */
static void test_broken_off(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	part_note(&bench, 1, PART_WHOLE, 1, false);
	birth(&bench, 10, 0x10, 0x1000, 64, 1);
	track_finish(bench.track);
	assert_true(bench.model.truncated);
	bench_close(&bench);
	bench_open(&bench, 0, 0);
	birth(&bench, 10, 0x10, 0x1000, 64, 1);
	track_finish(bench.track);
	assert_false(bench.model.truncated);
	bench_close(&bench);
}

static void symbols_note(struct bench *bench, uint64_t address, const char *function)
{
	struct symtab_frame frame = {.function = function, .file = "main.go", .line = 7};
	struct event event = event_at(EVENT_NOTE, 5, PID);
	struct symtab *table = symtab_new();
	struct buffer body = {0};

	symtab_add(table, PID, address, &frame, 1);
	symtab_encode(table, &body);
	event.note.kind = NOTE_SYMBOLS;
	event.note.symbols = (struct note_symbols){.table = body.data, .len = body.len};
	track_event(bench->track, &event);
	/* One that is cut is passed over. */
	event.note.symbols.len /= 2;
	track_event(bench->track, &event);
	symtab_free(table);
	buffer_free(&body);
}

static void test_symbols(void **state)
{
	const struct symtab_frame *frames;
	struct bench bench;
	size_t n;

	(void)state;
	bench_open(&bench, 0, 0);
	symbols_note(&bench, 0x1000, "main.first");
	symbols_note(&bench, 0x2000, "main.second");
	track_finish(bench.track);
	assert_int_equal(symtab_count(bench.model.symbols), 2);
	frames = symtab_find(bench.model.symbols, PID, 0x1000, &n);
	assert_int_equal(n, 1);
	assert_string_equal(frames->function, "main.first");
	frames = symtab_find(bench.model.symbols, PID, 0x2000, &n);
	assert_string_equal(frames->function, "main.second");
	bench_close(&bench);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_in_a_row),
		cmocka_unit_test(test_missing_files),
		cmocka_unit_test(test_broken_off),
		cmocka_unit_test(test_symbols),
	};

	return cmocka_run_group_tests_name("track_part", tests, NULL, NULL);
}
