#include "analyze/decode.h"

#include "analyze/load.h"
#include "formats/note.h"
#include "tests/unit/trace_formats.h"

enum {
	ID_DUMMY = 1000,
	ID_BIRTH,
	ID_DEATH,
	ID_OLD_BIRTH,
	ID_GC_END,
	ID_MMAP,
	ID_EXIT,
	ID_NOTE,
	ID_FOREIGN,
	ID_NO_FORMAT,
	ID_CHAIN,
};

static void begin(struct trace *trace)
{
	*trace = (struct trace){0};
	put_formats(&trace->tracing);
	trace_add_event(trace, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY, "dummy", TRACE_SAMPLE_TYPE);
	trace_add_event(trace, PERF_TYPE_TRACEPOINT, 501, "gmt_77:birth", TRACE_SAMPLE_TYPE);
	trace_add_event(trace, PERF_TYPE_TRACEPOINT, 502, "gmt_77:death", TRACE_SAMPLE_TYPE);
	trace_add_event(trace, PERF_TYPE_TRACEPOINT, 503, "gmt_77:birth", TRACE_SAMPLE_TYPE);
	trace_add_event(trace, PERF_TYPE_TRACEPOINT, 504, "gmt_77:gc_end", TRACE_SAMPLE_TYPE);
	trace_add_event(trace, PERF_TYPE_TRACEPOINT, 601, "syscalls:sys_enter_mmap",
			TRACE_SAMPLE_TYPE);
	trace_add_event(trace, PERF_TYPE_TRACEPOINT, 602, "syscalls:sys_exit_mmap",
			TRACE_SAMPLE_TYPE);
	trace_add_event(trace, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_BPF_OUTPUT, NOTE_EVENT_NAME,
			TRACE_SAMPLE_TYPE);
	trace_add_event(trace, PERF_TYPE_TRACEPOINT, 700, "other:birth", TRACE_SAMPLE_TYPE);
	trace_add_event(trace, PERF_TYPE_TRACEPOINT, 999, "gmt_77:death", TRACE_SAMPLE_TYPE);
	trace_add_event(trace, PERF_TYPE_TRACEPOINT, 505, "gmt_77:birth",
			TRACE_SAMPLE_TYPE | PERF_SAMPLE_CALLCHAIN);
	trace_create(trace);
}

struct reading {
	struct perfdata_reader *file;
	struct read *read;
	struct decode *decode;
	struct event event;
};

static void start(struct trace *trace, struct reading *reading)
{
	reading->file = trace_reopen(trace);
	reading->read = read_new(reading->file, READ_DEFAULT_LIMIT);
	reading->decode = decode_new(reading->file);
}

static const struct event *next(struct reading *reading)
{
	struct read_record record;

	assert_true(read_next(reading->read, &record));
	decode_record(reading->decode, &record, &reading->event);
	return &reading->event;
}

static void stop(struct trace *trace, struct reading *reading)
{
	struct read_record record;

	assert_false(read_next(reading->read, &record));
	decode_free(reading->decode);
	read_free(reading->read);
	perfdata_close(reading->file);
	trace_remove(trace);
}

static void put_common(struct buffer *b)
{
	buffer_u64(b, 0);
	buffer_u64(b, 0x42796a);
}

static void sample(struct trace *trace, uint64_t id, uint64_t time, struct buffer *raw)
{
	trace_sample(trace, id, time, 20, 21, 3, NULL, 0, raw->data, raw->len);
	buffer_free(raw);
}

/* A birth of the first format with nstk stack entries, of which four fit. */
static void put_birth(struct buffer *raw, uint64_t p, uint64_t nstk)
{
	put_common(raw);
	buffer_u64(raw, p);
	buffer_u64(raw, 0xb000);
	buffer_u64(raw, 1024);
	buffer_u64(raw, nstk);
	for (uint64_t i = 0; i < 4; i++)
		buffer_u64(raw, 0x401000 + i);
	buffer_u64(raw, 17);
	buffer_u32(raw, 9);
}

static void test_births(void **state)
{
	struct buffer raw = {0};
	const struct event *event;
	struct reading reading;
	uint64_t stack[4];
	struct trace trace;

	(void)state;
	begin(&trace);
	put_birth(&raw, 0xc000010000, 3);
	sample(&trace, ID_BIRTH, 100, &raw);
	put_birth(&raw, 0xc000020000, 1ull << 63);
	sample(&trace, ID_BIRTH, 200, &raw);
	put_common(&raw);
	buffer_u16(&raw, 0xfffe);
	buffer_u64(&raw, 2);
	buffer_u64(&raw, 0x77);
	buffer_u64(&raw, 0x78);
	sample(&trace, ID_OLD_BIRTH, 300, &raw);
	start(&trace, &reading);

	event = next(&reading);
	assert_int_equal(event->kind, EVENT_BIRTH);
	assert_int_equal(event->time, 100);
	assert_int_equal(event->pid, 20);
	assert_int_equal(event->tid, 21);
	assert_int_equal(event->cpu, 3);
	assert_int_equal(event->has, EVENT_HAS(FIELD_P) | EVENT_HAS(FIELD_B) |
					     EVENT_HAS(FIELD_SIZE) | EVENT_HAS(FIELD_NSTK) |
					     EVENT_HAS(FIELD_GOID) | EVENT_HAS(FIELD_CYCLE));
	assert_int_equal(event->v[FIELD_P], 0xc000010000);
	assert_int_equal(event->v[FIELD_B], 0xb000);
	assert_int_equal(event->v[FIELD_SIZE], 1024);
	assert_int_equal(event->v[FIELD_GOID], 17);
	assert_int_equal(event->v[FIELD_CYCLE], 9);
	assert_int_equal(event->n_stack, 3);
	assert_true(event->stack_from_bucket);
	memcpy(stack, event->stack, 3 * sizeof(*stack));
	assert_int_equal(stack[2], 0x401002);

	/* More than fits: what there is. */
	event = next(&reading);
	assert_int_equal(event->n_stack, 4);
	assert_int_equal(event->v[FIELD_NSTK], 1ull << 63);

	/* Fields that are not there are 0, even where the event before had them. */
	event = next(&reading);
	assert_int_equal(event->has, EVENT_HAS(FIELD_SIZE) | EVENT_HAS(FIELD_NSTK));
	assert_int_equal((int64_t)event->v[FIELD_SIZE], -2);
	assert_int_equal(event->v[FIELD_P], 0);
	assert_int_equal(event->v[FIELD_GOID], 0);
	assert_int_equal(event->n_stack, 2);
	memcpy(stack, event->stack, 2 * sizeof(*stack));
	assert_int_equal(stack[1], 0x78);
	assert_int_equal(decode_stats(reading.decode)->malformed, 0);
	stop(&trace, &reading);
}

static void test_deaths_and_gc(void **state)
{
	struct buffer raw = {0};
	const struct event *event;
	struct reading reading;
	struct trace trace;

	(void)state;
	begin(&trace);
	put_common(&raw);
	buffer_u64(&raw, 0xc000010000);
	buffer_u64(&raw, 1024);
	buffer_u8(&raw, 0xf4);
	buffer_u64(&raw, 0xb000);
	sample(&trace, ID_DEATH, 100, &raw);
	put_common(&raw);
	buffer_u32(&raw, 0xfffffff0);
	buffer_u64(&raw, 123456789);
	buffer_u8(&raw, 1);
	buffer_u32(&raw, 8);
	sample(&trace, ID_GC_END, 200, &raw);
	/* The same name in another system is none of ours; one without a format cannot be read. */
	put_common(&raw);
	sample(&trace, ID_FOREIGN, 300, &raw);
	put_common(&raw);
	sample(&trace, ID_NO_FORMAT, 400, &raw);
	start(&trace, &reading);

	event = next(&reading);
	assert_int_equal(event->kind, EVENT_DEATH);
	assert_int_equal(event->v[FIELD_P], 0xc000010000);
	assert_int_equal(event->v[FIELD_KIND], 0xf4);
	assert_int_equal(event->v[FIELD_B], 0xb000);
	assert_false(event->has & EVENT_HAS(FIELD_CYCLE));
	event = next(&reading);
	assert_int_equal(event->kind, EVENT_GC_END);
	assert_int_equal(event->v[FIELD_NUMGC], 0xfffffff0);
	assert_int_equal(event->v[FIELD_SWEEP_TERM], 123456789);
	assert_int_equal(event->v[FIELD_FORCED], 1);
	assert_int_equal(event->v[FIELD_PROCS], 8);
	assert_int_equal(event->v[FIELD_HEAP2], 0);
	assert_int_equal(next(&reading)->kind, EVENT_OTHER);
	assert_int_equal(decode_stats(reading.decode)->no_format, 0);
	assert_int_equal(next(&reading)->kind, EVENT_OTHER);
	assert_int_equal(decode_stats(reading.decode)->no_format, 1);
	stop(&trace, &reading);
}

/* Where no stack was fetched the kernel's call chain serves, without its markers. */
static void test_call_chain(void **state)
{
	uint64_t chain[] = {
		PERF_CONTEXT_KERNEL, 0xffffffff81000000, PERF_CONTEXT_USER, 0x42796a, 0x401000,
		PERF_CONTEXT_GUEST};
	struct buffer raw = {0};
	const struct event *event;
	struct reading reading;
	uint64_t stack[2];
	struct trace trace;

	(void)state;
	begin(&trace);
	put_common(&raw);
	buffer_u64(&raw, 0xc000010000);
	trace_sample(&trace, ID_CHAIN, 100, 20, 21, 3, chain, 6, raw.data, raw.len);
	trace_sample(&trace, ID_CHAIN, 200, 20, 21, 3, chain, 2, raw.data, raw.len);
	trace_sample(&trace, ID_CHAIN, 300, 20, 21, 3, chain, 3, raw.data, raw.len);
	buffer_free(&raw);
	start(&trace, &reading);
	event = next(&reading);
	assert_int_equal(event->kind, EVENT_BIRTH);
	assert_int_equal(event->n_stack, 2);
	assert_false(event->stack_from_bucket);
	memcpy(stack, event->stack, sizeof(stack));
	assert_memory_equal(stack, ((uint64_t[]){0x42796a, 0x401000}), sizeof(stack));
	assert_int_equal(next(&reading)->n_stack, 0); /* the kernel's part alone */
	assert_int_equal(next(&reading)->n_stack, 0); /* an empty one */
	stop(&trace, &reading);
}

/* What the kernel finds where C keeps another value in the frame pointer: the same until it is
 * full. */
static void test_looping_chain(void **state)
{
	uint64_t chain[128] = {PERF_CONTEXT_USER, 0x42796a, 0x401000};
	struct buffer raw = {0};
	const struct event *event;
	struct reading reading;
	struct trace trace;

	(void)state;
	for (size_t i = 3; i < 128; i++)
		chain[i] = 0x37379310;
	begin(&trace);
	put_common(&raw);
	buffer_u64(&raw, 0xc000010000);
	trace_sample(&trace, ID_CHAIN, 100, 20, 21, 3, chain, 128, raw.data, raw.len);
	/* So few are a recursion that ends. */
	trace_sample(&trace, ID_CHAIN, 200, 20, 21, 3, chain, 10, raw.data, raw.len);
	/* A recursion as deep as the chain is one frame. */
	chain[1] = chain[2] = chain[3];
	trace_sample(&trace, ID_CHAIN, 300, 20, 21, 3, chain, 128, raw.data, raw.len);
	buffer_free(&raw);
	start(&trace, &reading);
	event = next(&reading);
	assert_int_equal(event->kind, EVENT_BIRTH);
	assert_int_equal(event->n_stack, 2);
	assert_int_equal(next(&reading)->n_stack, 9);
	assert_int_equal(next(&reading)->n_stack, 1);
	stop(&trace, &reading);
}

/* A sample whose data ends before its fields do. */
static void test_short_data(void **state)
{
	struct buffer raw = {0};
	struct reading reading;
	struct trace trace;

	(void)state;
	begin(&trace);
	put_birth(&raw, 0xc000010000, 2);
	raw.len -= 8;
	sample(&trace, ID_BIRTH, 100, &raw);
	trace_sample(&trace, ID_DEATH, 200, 20, 21, 3, NULL, 0, "", 0);
	trace_sample(&trace, 4711, 300, 20, 21, 3, NULL, 0, "", 0); /* an id no event has */
	start(&trace, &reading);
	for (uint64_t i = 1; i <= 3; i++) {
		assert_int_equal(next(&reading)->kind, EVENT_OTHER);
		assert_int_equal(decode_stats(reading.decode)->malformed, i);
	}
	stop(&trace, &reading);
}

static void test_syscalls(void **state)
{
	struct buffer raw = {0};
	const struct event *event;
	struct reading reading;
	struct trace trace;

	(void)state;
	begin(&trace);
	put_common(&raw);
	for (uint64_t i = 0; i < 6; i++)
		buffer_u64(&raw, 0x1000 + i);
	sample(&trace, ID_MMAP, 100, &raw);
	put_common(&raw);
	buffer_u64(&raw, (uint64_t)-12);
	sample(&trace, ID_EXIT, 200, &raw);
	put_common(&raw);
	sample(&trace, ID_EXIT, 300, &raw); /* cut */
	start(&trace, &reading);
	event = next(&reading);
	assert_int_equal(event->kind, EVENT_SYSCALL_ENTER);
	assert_int_equal(event->syscall.call, SYSCALL_MMAP);
	for (uint64_t i = 0; i < 6; i++)
		assert_int_equal(event->syscall.args[i], 0x1000 + i);
	event = next(&reading);
	assert_int_equal(event->kind, EVENT_SYSCALL_EXIT);
	assert_int_equal(event->syscall.call, SYSCALL_MMAP);
	assert_int_equal(event->syscall.result, -12);
	assert_int_equal(next(&reading)->kind, EVENT_OTHER);
	assert_int_equal(decode_stats(reading.decode)->malformed, 1);
	stop(&trace, &reading);
}

static void test_notes(void **state)
{
	uint64_t stack[] = {1, 2, 3};
	struct buffer raw = {0};
	const struct event *event;
	struct reading reading;
	struct trace trace;

	(void)state;
	begin(&trace);
	note_put_bucket(
		&raw,
		&(struct note_bucket){
			.pid = 20, .address = 0xb000, .size = 64, .stack = stack, .n_stack = 3});
	sample(&trace, ID_NOTE, 100, &raw);
	note_put_text(&raw, &(struct note_text){.text = "hello"});
	sample(&trace, ID_NOTE, 200, &raw);
	buffer_u64(&raw, 0x1234);
	sample(&trace, ID_NOTE, 300, &raw);
	start(&trace, &reading);
	event = next(&reading);
	assert_int_equal(event->kind, EVENT_NOTE);
	assert_int_equal(event->note.kind, NOTE_BUCKET);
	assert_int_equal(event->note.bucket.n_stack, 3);
	assert_memory_equal(event->note.bucket.stack, stack, sizeof(stack));
	event = next(&reading);
	assert_int_equal(event->note.kind, NOTE_TEXT);
	assert_string_equal(event->note.text.text, "hello");
	assert_int_equal(next(&reading)->kind, EVENT_OTHER);
	assert_int_equal(decode_stats(reading.decode)->bad_notes, 1);
	stop(&trace, &reading);
}

static void put_words(struct buffer *b, size_t n, const uint32_t *words)
{
	buffer_append(b, words, n * sizeof(*words));
}

static void other(struct trace *trace, uint32_t type, uint16_t misc, uint64_t time,
		  struct buffer *body)
{
	trace_record(trace, type, misc, time, 20, 21, body->data, body->len);
	buffer_free(body);
}

static void test_kernel_records(void **state)
{
	struct buffer body = {0};
	const struct event *event;
	struct reading reading;
	struct trace trace;

	(void)state;
	begin(&trace);
	put_words(&body, 2, (uint32_t[]){30, 31});
	buffer_append(&body, "thread\0", 8);
	other(&trace, PERF_RECORD_COMM, 0, 100, &body);
	put_words(&body, 2, (uint32_t[]){30, 30});
	buffer_append(&body, "server\0", 8);
	other(&trace, PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC, 200, &body);
	put_words(&body, 4, (uint32_t[]){30, 29, 31, 28});
	buffer_u64(&body, 300);
	other(&trace, PERF_RECORD_FORK, 0, 300, &body);
	put_words(&body, 4, (uint32_t[]){30, 29, 31, 28});
	buffer_u64(&body, 400);
	other(&trace, PERF_RECORD_EXIT, 0, 400, &body);
	put_words(&body, 2, (uint32_t[]){30, 30});
	buffer_u64(&body, 0x400000);
	buffer_u64(&body, 0x1000);
	buffer_u64(&body, 0x2000);
	put_words(&body, 8, (uint32_t[]){1, 2, 3, 0, 0, 0, 5, 2});
	buffer_append(&body, "/bin/server\0\0\0\0", 16);
	other(&trace, PERF_RECORD_MMAP2, PERF_RECORD_MISC_USER, 500, &body);
	buffer_u64(&body, ID_BIRTH);
	buffer_u64(&body, 55);
	other(&trace, PERF_RECORD_LOST, 0, 600, &body);
	buffer_u64(&body, 66);
	other(&trace, PERF_RECORD_LOST_SAMPLES, 0, 700, &body);
	/* A name that no NUL ends: the trailer has none either. */
	put_words(&body, 4, (uint32_t[]){30, 30, 0x41414141, 0x41414141});
	trace_record(&trace, PERF_RECORD_COMM, 0, 0x4141414141414141, 0x41414141, 0x41414141,
		     body.data, body.len);
	buffer_free(&body);
	start(&trace, &reading);

	event = next(&reading);
	assert_int_equal(event->kind, EVENT_COMM);
	assert_int_equal(event->pid, 30);
	assert_int_equal(event->tid, 31);
	assert_string_equal(event->comm.comm, "thread");
	event = next(&reading);
	assert_int_equal(event->kind, EVENT_EXEC);
	assert_string_equal(event->comm.comm, "server");
	event = next(&reading);
	assert_int_equal(event->kind, EVENT_FORK);
	assert_int_equal(event->pid, 30);
	assert_int_equal(event->tid, 31);
	assert_int_equal(event->fork.parent_pid, 29);
	assert_int_equal(event->fork.parent_tid, 28);
	assert_int_equal(next(&reading)->kind, EVENT_EXIT);
	event = next(&reading);
	assert_int_equal(event->kind, EVENT_MMAP);
	assert_int_equal(event->mmap.start, 0x400000);
	assert_int_equal(event->mmap.len, 0x1000);
	assert_int_equal(event->mmap.offset, 0x2000);
	assert_int_equal(event->mmap.prot, 5);
	assert_string_equal(event->mmap.path, "/bin/server");
	event = next(&reading);
	assert_int_equal(event->kind, EVENT_LOST);
	assert_int_equal(event->lost.count, 55);
	event = next(&reading);
	assert_int_equal(event->kind, EVENT_LOST);
	assert_int_equal(event->lost.count, 66);
	event = next(&reading);
	if (event->kind == EVENT_COMM)
		assert_true(strlen(event->comm.comm) < 64);
	stop(&trace, &reading);
}

/* ---- The whole pipeline ------------------------------------------------------------------ */

static struct error *load(const char *path, uint64_t from, uint64_t to, struct model *model)
{
	FILE *quiet = fopen("/dev/null", "w");
	struct log log = {.verbosity = -2, .out = quiet};
	struct error *err;

	model_init(model);
	err = load_traces(&path, 1, &(struct load_options){.from = from, .to = to, .log = &log},
			  model);
	fclose(quiet);
	return err;
}

static void test_load(void **state)
{
	struct buffer raw = {0};
	struct trace trace;
	struct model model;
	struct error *err;

	(void)state;
	begin(&trace);
	for (uint64_t i = 0; i < 100; i++) {
		put_birth(&raw, 0xc000000000 + i * 1024, 3);
		sample(&trace, ID_BIRTH, 1000000000 + i * 1000000000, &raw);
	}
	perfdata_close(trace_reopen(&trace));
	trace_ok(load(trace.path, 0, 0, &model));
	assert_int_equal(model.births, 100);
	assert_int_equal(model.n_sites, 1);
	assert_int_equal(model.sites[0].live, 100);
	assert_string_equal(model.trace_path, trace.path);
	assert_non_null(model.arch);
	assert_string_equal(model.cmdline, "record");
	assert_null(model.damage);
	assert_false(model.truncated);
	model_free(&model);

	/* Times count from the first event. */
	trace_ok(load(trace.path, 10000000000, 20000000000, &model));
	assert_int_equal(model.births, 11);
	assert_int_equal(model.first_time, 11000000000);
	model_free(&model);
	err = load(trace.path, 200000000000, 0, &model);
	assert_non_null(err);
	assert_non_null(strstr(error_message(err), "--from"));
	error_free(err);
	model_free(&model);
	trace_remove(&trace);
}

/* The parts of a recording may be given in any order. */
static void test_load_parts(void **state)
{
	FILE *quiet = fopen("/dev/null", "w");
	struct log log = {.verbosity = -2, .out = quiet};
	struct trace first, second;
	const char *paths[2];
	struct buffer raw = {0};
	struct model model;

	(void)state;
	begin(&first);
	put_birth(&raw, 0xc000010000, 3);
	sample(&first, ID_BIRTH, 1000, &raw);
	put_birth(&raw, 0xc000020000, 3);
	sample(&first, ID_BIRTH, 2000, &raw);
	perfdata_writer_times(first.writer, 1000, 2000);
	perfdata_close(trace_reopen(&first));
	begin(&second);
	put_common(&raw);
	buffer_u64(&raw, 0xc000010000);
	buffer_u64(&raw, 1024);
	buffer_u8(&raw, 2);
	buffer_u64(&raw, 0xb000);
	sample(&second, ID_DEATH, 3000, &raw);
	perfdata_writer_times(second.writer, 3000, 3000);
	perfdata_close(trace_reopen(&second));

	paths[0] = second.path;
	paths[1] = first.path;
	model_init(&model);
	trace_ok(load_traces(paths, 2, &(struct load_options){.log = &log}, &model));
	assert_int_equal(model.births, 2);
	assert_int_equal(model.unmatched_deaths, 0);
	assert_int_equal(model.sites[0].live, 1);
	assert_int_equal(model.first_time, 1000);
	assert_int_equal(model.last_time, 3000);
	assert_string_equal(model.trace_path, first.path);
	model_free(&model);
	trace_remove(&first);
	trace_remove(&second);
	fclose(quiet);
}

static void refuse(const char *path, const char *message)
{
	struct model model;
	struct error *err = load(path, 0, 0, &model);

	assert_non_null(err);
	if (!strstr(error_message(err), message))
		fail_msg("\"%s\" does not say \"%s\"", error_message(err), message);
	assert_non_null(strstr(error_message(err), path));
	error_free(err);
	model_free(&model);
}

static void test_load_refuses(void **state)
{
	char path[] = "/tmp/gmt-test-XXXXXX";
	int fd = mkstemp(path);
	struct trace trace;

	(void)state;
	refuse("/nonexistent/trace.gmt", "No such file");
	refuse(path, "empty");
	assert_int_equal(write(fd, "this is no trace at all, is it", 30), 30);
	refuse(path, "not a perf.data");
	close(fd);
	unlink(path);

	/* A perf.data with nothing in it that matters here. */
	begin(&trace);
	trace_sample(&trace, ID_DUMMY, 100, 20, 21, 0, NULL, 0, "", 0);
	perfdata_close(trace_reopen(&trace));
	refuse(trace.path, "no allocations");
	trace_remove(&trace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_births),	     cmocka_unit_test(test_deaths_and_gc),
		cmocka_unit_test(test_call_chain),   cmocka_unit_test(test_looping_chain),
		cmocka_unit_test(test_short_data),   cmocka_unit_test(test_syscalls),
		cmocka_unit_test(test_notes),	     cmocka_unit_test(test_kernel_records),
		cmocka_unit_test(test_load),	     cmocka_unit_test(test_load_parts),
		cmocka_unit_test(test_load_refuses),
	};

	return cmocka_run_group_tests_name("decode_events", tests, NULL, NULL);
}
