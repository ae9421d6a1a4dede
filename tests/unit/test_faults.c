/* Page faults and other events: how they are found in a trace, and what is counted of them. */

#include "analyze/decode.h"

#include "analyze/report_text.h"
#include "tests/unit/trace_formats.h"
#include "tests/unit/track_bench.h"

#define PAGE 4096u
#define HEAP 0xc000000000u /* where the Go heap is before a reading has found it */

/* ---- In the trace ----------------------------------------------------------------------- */

static const char handler_format[] =
	"name: handle_mm_fault\nID: 801\nformat:\n" COMMON
	"\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n"
	"\tfield:u64 address;\toffset:16;\tsize:8;\tsigned:0;\n\nprint fmt: \"\"\n";
/* An event of the user's with the name of one of the recorder's. */
static const char user_format[] =
	"name: birth\nID: 802\nformat:\n" COMMON
	"\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n"
	"\tfield:u64 p;\toffset:16;\tsize:8;\tsigned:0;\n\nprint fmt: \"\"\n";

#define FAULT_TYPE                                                                      \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | \
	 PERF_SAMPLE_ADDR | PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD | PERF_SAMPLE_CALLCHAIN)

static void begin_trace(struct trace *trace)
{
	*trace = (struct trace){0};
	trace_begin_formats(&trace->tracing, 1);
	trace_begin_system(&trace->tracing, "gmt_1_2_x", 2);
	trace_put_file(&trace->tracing, handler_format);
	trace_put_file(&trace->tracing, user_format);
	trace_end_formats(&trace->tracing);
}

static void fault_sample(struct trace *trace, uint64_t id, uint64_t ip, uint64_t address,
			 uint64_t period, const uint64_t *chain, size_t n_chain)
{
	struct perf_event_header header = {.type = PERF_RECORD_SAMPLE};
	struct buffer b = {0};

	buffer_append(&b, &header, sizeof(header));
	buffer_u64(&b, id);
	buffer_u64(&b, ip);
	buffer_u32(&b, 20);
	buffer_u32(&b, 21);
	buffer_u64(&b, 1000);
	buffer_u64(&b, address);
	buffer_u64(&b, 0);
	buffer_u64(&b, period);
	buffer_u64(&b, n_chain);
	buffer_append(&b, chain, n_chain * sizeof(*chain));
	header.size = (uint16_t)b.len;
	memcpy(b.data, &header, sizeof(header));
	trace_write(trace, &b);
	buffer_free(&b);
}

static void probe_sample(struct trace *trace, uint64_t id, uint64_t value, size_t len)
{
	uint64_t raw[3] = {0, 0x42, value};

	trace_sample(trace, id, 1000, 20, 21, 0, NULL, 0, raw, len);
}

struct decoding {
	struct perfdata_reader *file;
	struct read *read;
	struct decode *decode;
	struct event event;
};

static void start(struct trace *trace, struct decoding *d)
{
	d->file = trace_reopen(trace);
	d->read = read_new(d->file, READ_DEFAULT_LIMIT);
	d->decode = decode_new(d->file);
}

static const struct event *next(struct decoding *d)
{
	struct read_record record;

	assert_true(read_next(d->read, &record));
	decode_record(d->decode, &record, &d->event);
	return &d->event;
}

static void stop(struct trace *trace, struct decoding *d)
{
	decode_free(d->decode);
	read_free(d->read);
	perfdata_close(d->file);
	trace_remove(trace);
}

static void test_best_source(void **state)
{
	const uint64_t chain[] = {PERF_CONTEXT_USER, 0x401000, 0x402000};
	uint64_t minor, major, all, handler, clock;
	const struct event *event;
	struct decoding d;
	struct trace trace;

	(void)state;
	begin_trace(&trace);
	minor = trace_add_event(&trace, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN,
				"minor-faults", FAULT_TYPE);
	major = trace_add_event(&trace, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MAJ,
				"major-faults", FAULT_TYPE);
	all = trace_add_event(&trace, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, "page-faults",
			      FAULT_TYPE);
	handler = trace_add_event(&trace, PERF_TYPE_TRACEPOINT, 801, "gmt_1_2_x:handle_mm_fault",
				  TRACE_SAMPLE_TYPE);
	clock = trace_add_event(&trace, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, "cpu-clock",
				FAULT_TYPE);
	trace_create(&trace);
	fault_sample(&trace, minor, 0x401000, HEAP + 5, 1, chain, 3);
	fault_sample(&trace, major, 0x401234, 0x7000, 3, NULL, 0);
	fault_sample(&trace, minor, 0xffffffff80001000, 0x8000, 0, NULL, 0);
	fault_sample(&trace, all, 0x401000, 0x9000, 1, chain, 3);
	probe_sample(&trace, handler, 0xa000, 24);
	fault_sample(&trace, clock, 0x401000, 0, 1, chain, 3);
	start(&trace, &d);
	event = next(&d);
	assert_int_equal(event->kind, EVENT_FAULT);
	assert_int_equal(event->fault.address, HEAP + 5);
	assert_int_equal(event->fault.weight, 1);
	assert_int_equal(event->fault.page_size, 4096);
	assert_false(event->fault.is_major);
	assert_string_equal(event->name, "minor-faults");
	assert_int_equal(event->n_stack, 2);
	assert_memory_equal(event->stack, &chain[1], 16);
	event = next(&d);
	assert_int_equal(event->kind, EVENT_FAULT);
	assert_true(event->fault.is_major);
	assert_int_equal(event->fault.weight, 3);
	/* Without a call chain the place itself, unless it is the kernel's. */
	assert_int_equal(event->n_stack, 1);
	assert_int_equal(*(const uint64_t *)event->stack, 0x401234);
	event = next(&d);
	assert_int_equal(event->n_stack, 0);
	assert_int_equal(event->fault.weight, 1);
	/* The others tell of the same faults: only counted. */
	event = next(&d);
	assert_int_equal(event->kind, EVENT_OTHER);
	assert_string_equal(event->name, "page-faults");
	event = next(&d);
	assert_int_equal(event->kind, EVENT_OTHER);
	assert_string_equal(event->name, "handle_mm_fault");
	event = next(&d);
	assert_int_equal(event->kind, EVENT_OTHER);
	assert_string_equal(event->name, "cpu-clock");
	assert_int_equal(decode_stats(d.decode)->malformed, 0);
	stop(&trace, &d);
}

static void test_probes_of_the_user(void **state)
{
	uint64_t handler, birth, all;
	const struct event *event;
	struct decoding d;
	struct trace trace;

	(void)state;
	begin_trace(&trace);
	/* Page faults without their address tell nothing of pages. */
	all = trace_add_event(&trace, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, "page-faults",
			      TRACE_SAMPLE_TYPE);
	handler = trace_add_event(&trace, PERF_TYPE_TRACEPOINT, 801, "gmt_1_2_x:handle_mm_fault",
				  TRACE_SAMPLE_TYPE);
	birth = trace_add_event(&trace, PERF_TYPE_TRACEPOINT, 802, "gmt_1_2_x:birth",
				TRACE_SAMPLE_TYPE);
	trace_create(&trace);
	probe_sample(&trace, handler, 0xa123, 24);
	probe_sample(&trace, birth, 0xc000, 24);
	probe_sample(&trace, all, 0, 0);
	probe_sample(&trace, handler, 0xa123, 16); /* its data is cut */
	start(&trace, &d);
	event = next(&d);
	assert_int_equal(event->kind, EVENT_FAULT);
	assert_int_equal(event->fault.address, 0xa123);
	assert_int_equal(event->fault.weight, 1);
	event = next(&d);
	assert_int_equal(event->kind, EVENT_OTHER);
	assert_string_equal(event->name, "birth");
	event = next(&d);
	assert_int_equal(event->kind, EVENT_OTHER);
	event = next(&d);
	assert_int_equal(event->kind, EVENT_OTHER);
	assert_int_equal(decode_stats(d.decode)->malformed, 1);
	stop(&trace, &d);
}

/* ---- What is counted -------------------------------------------------------------------- */

static void fault(struct bench *bench, uint64_t time, uint64_t address, uint64_t from,
		  uint64_t weight, bool is_major)
{
	struct event event = {
		.kind = EVENT_FAULT,
		.time = time,
		.pid = PID,
		.tid = PID,
		.n_stack = from ? 1 : 0,
		.stack = &from,
		.name = is_major ? "major-faults" : "minor-faults",
		.fault = {.address = address, .weight = weight, .is_major = is_major},
	};

	track_event(bench->track, &event);
}

static void call(struct bench *bench, uint64_t time, enum event_syscall call, uint64_t start,
		 uint64_t len, uint64_t third, uint64_t flags)
{
	struct event event = {
		.kind = EVENT_SYSCALL_ENTER,
		.time = time,
		.pid = PID,
		.tid = PID,
		.syscall = {.call = call, .args = {start, len, third, flags}},
	};

	track_event(bench->track, &event);
	/* Of advice only failures have an exit. */
	if (call == SYSCALL_MADVISE)
		return;
	event.kind = EVENT_SYSCALL_EXIT;
	event.syscall.result = call == SYSCALL_MMAP ? (int64_t)start : 0;
	track_event(bench->track, &event);
}

/* Anonymous memory of one process, as Go maps it; 0x22: MAP_PRIVATE, MAP_ANONYMOUS. */
static void map(struct bench *bench, uint64_t time, uint64_t start, uint64_t len)
{
	call(bench, time, SYSCALL_MMAP, start, len, 3, 0x22);
}

static void test_counts(void **state)
{
	const struct fault_account *account;
	const struct fault_site *sites;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	map(&bench, 10, HEAP, 16 * PAGE);
	for (uint64_t i = 0; i < 8; i++)
		fault(&bench, 20 + i, HEAP + i * PAGE, 0x401000, 1, false);
	fault(&bench, 30, HEAP + 7, 0x401000, 1, false); /* again, as copy on write does */
	fault(&bench, 31, HEAP + 9 * PAGE, 0x402000, 1, true);
	fault(&bench, 5000000, 0x5000, 0, 1, false); /* nobody knows whose it is */
	call(&bench, 6000000, SYSCALL_MUNMAP, HEAP, 4 * PAGE, 0, 0);
	track_finish(bench.track);
	assert_int_equal(bench.model.n_faults, 1);
	account = &bench.model.faults[0];
	assert_int_equal(account->total.faults, 11);
	assert_int_equal(account->total.major, 1);
	assert_int_equal(account->total.first_bytes, 10 * PAGE);
	assert_int_equal(account->resident_bytes, 6 * PAGE);
	assert_int_equal(account->owners[OWNER_GO_HEAP].faults, 10);
	assert_int_equal(account->owners[OWNER_GO_HEAP].first_bytes, 9 * PAGE);
	assert_int_equal(account->owners[OWNER_UNKNOWN].first_bytes, PAGE);
	assert_false(account->is_sampled);
	assert_int_equal(bench.model.n_fault_sites, 3);
	sites = bench.model.fault_sites;
	assert_int_equal(sites[0].tally.first_bytes, 8 * PAGE);
	assert_int_equal(sites[0].tally.faults, 9);
	assert_int_equal(bench.model.stacks[sites[0].stack].pcs[0], 0x401000);
	assert_int_equal(sites[1].tally.first_bytes, PAGE);
	/* A slot is 1 ms. */
	assert_int_equal(account->n_slots, 5);
	assert_int_equal(account->slots[0][OWNER_GO_HEAP], 9 * PAGE);
	assert_int_equal(account->slots[4][OWNER_UNKNOWN], PAGE);
	assert_int_equal(bench.model.n_others, 2);
	assert_string_equal(bench.model.others[0].name, "minor-faults");
	assert_int_equal(bench.model.others[0].count, 10);
	assert_int_equal(bench.model.others[0].first, 20);
	assert_int_equal(bench.model.others[0].last, 5000000);
	assert_int_equal(bench.model.others[1].count, 1);
	bench_close(&bench);
}

/* However long it is, the time line stays as it is, and nothing of it is lost. */
static void test_slots(void **state)
{
	const struct fault_account *account;
	uint64_t sum = 0, last = 0;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	for (uint64_t i = 1; i <= 3000; i++) {
		last = i * 1700000;
		fault(&bench, last, HEAP + i * PAGE, 0x401000, 1, false);
	}
	track_finish(bench.track);
	account = &bench.model.faults[0];
	assert_true(account->n_slots <= MODEL_FAULT_SLOTS);
	assert_true(account->n_slots > MODEL_FAULT_SLOTS / 4);
	for (size_t i = 0; i < account->n_slots; i++)
		sum += account->slots[i][OWNER_GO_HEAP];
	assert_int_equal(sum, 3000 * PAGE);
	assert_true(last - account->base < account->n_slots * account->width);
	assert_true(last - account->base >= (account->n_slots - 1) * account->width);
	bench_close(&bench);
}

static void test_untouched_objects(void **state)
{
	const struct site *site;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	map(&bench, 10, HEAP, 4096 * PAGE);
	for (uint64_t i = 0; i < 10; i++)
		fault(&bench, 20, HEAP + i * PAGE, 0x401000, 1, false);
	birth(&bench, 30, HEAP + 6 * PAGE, 0x1000, 8 * PAGE, 1);     /* four of eight pages */
	birth(&bench, 31, HEAP + 1000 * PAGE, 0x1000, 8 * PAGE, 1);  /* none */
	birth(&bench, 32, HEAP + 2 * PAGE + 8, 0x1000, 8 * PAGE, 1); /* in the ninth, 8 bytes */
	birth(&bench, 33, HEAP + 5000 * PAGE, 0x1000, 8 * PAGE, 1);  /* nobody saw it mapped */
	/* It dies as it was, though somebody comes later. */
	death(&bench, 40, HEAP + 1000 * PAGE, 0x1000, 8 * PAGE, 2);
	for (uint64_t i = 1000; i < 1008; i++)
		fault(&bench, 50, HEAP + i * PAGE, 0x401000, 1, false);
	track_finish(bench.track);
	site = site_at(&bench.model, 0x100);
	assert_int_equal(site->paged_objects, 3);
	assert_int_equal(site->untouched_objects, 1);
	assert_float_equal(site->untouched_est_bytes / site->paged_est_bytes,
			   (4.0 / 8 + 1 + 8.0 / (8 * PAGE)) / 3, 1e-9);
	bench_close(&bench);
}

/* What Go has given back and takes again without a word is empty again. */
static void test_given_back(void **state)
{
	const struct site *site;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	/* Attached: what is there is not known. */
	for (uint64_t i = 0; i < 10; i++)
		fault(&bench, 20, HEAP + i * PAGE, 0x401000, 1, false);
	birth(&bench, 30, HEAP + 512 * PAGE, 0x1000, 4 * PAGE, 1);
	death(&bench, 31, HEAP + 512 * PAGE, 0x1000, 4 * PAGE, 2);
	call(&bench, 40, SYSCALL_MADVISE, HEAP + 512 * PAGE, 512 * PAGE, 4, 0); /* DONTNEED */
	birth(&bench, 50, HEAP + 512 * PAGE, 0x1000, 4 * PAGE, 3);
	death(&bench, 51, HEAP + 512 * PAGE, 0x1000, 4 * PAGE, 4);
	call(&bench, 60, SYSCALL_MADVISE, HEAP, 512 * PAGE, 8, 0); /* FREE: perhaps, some day */
	birth(&bench, 70, HEAP, 0x1000, 4 * PAGE, 5);
	track_finish(bench.track);
	site = site_at(&bench.model, 0x100);
	assert_int_equal(site->births, 3);
	assert_int_equal(site->paged_objects, 1);
	assert_int_equal(site->untouched_objects, 1);
	bench_close(&bench);
}

/* Samples that stand for several faults do not tell of single pages. */
static void test_sampled(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	map(&bench, 10, HEAP, 4096 * PAGE);
	fault(&bench, 20, HEAP, 0x401000, 100, false);
	birth(&bench, 30, HEAP + 1000 * PAGE, 0x1000, 8 * PAGE, 1);
	track_finish(bench.track);
	assert_true(bench.model.faults[0].is_sampled);
	assert_int_equal(bench.model.faults[0].total.faults, 100);
	assert_int_equal(bench.model.faults[0].total.first_bytes, 100 * PAGE);
	assert_int_equal(site_at(&bench.model, 0x100)->paged_objects, 0);
	bench_close(&bench);
}

/* A trace without faults says nothing of pages, though mappings are in it. */
static void test_no_faults(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	map(&bench, 10, HEAP, 4096 * PAGE);
	birth(&bench, 30, HEAP + 1000 * PAGE, 0x1000, 8 * PAGE, 1);
	track_finish(bench.track);
	assert_int_equal(bench.model.n_faults, 0);
	assert_int_equal(site_at(&bench.model, 0x100)->paged_objects, 0);
	bench_close(&bench);
}

/* ---- What is said ----------------------------------------------------------------------- */

static void test_report(void **state)
{
	static const char *const wanted[] = {
		"process 100: 21 faults, of them 1 major; 80.0 KiB touched for the first time, "
		"80.0",
		"Go heap                80.0 KiB    100%         21        1",
		"40.0 KiB    50%  Go heap          [unknown]",
		"20  minor-faults, from ",
		"Never touched: some",
	};
	struct bench bench;
	char *text;
	size_t len;
	FILE *out;

	(void)state;
	bench_open(&bench, 0, 0);
	map(&bench, 10, HEAP, 4096 * PAGE);
	for (uint64_t i = 0; i < 20; i++)
		fault(&bench, 1000000 + i * 300000, HEAP + i * PAGE,
		      i < 10 ? 0x401000 : 0x402000 + i, 1, false);
	fault(&bench, 7000000, HEAP, 0x401000, 1, true);
	birth(&bench, 7000001, HEAP + 1000 * PAGE, 0x1000, 8 * PAGE, 1);
	track_finish(bench.track);
	out = open_memstream(&text, &len);
	assert_non_null(out);
	assert_null(report_text(out, &bench.model, &(struct report_options){.width = 120}));
	fclose(out);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (!strstr(text, wanted[i]))
			fail_msg("'%s' is not in\n%s", wanted[i], text);
	free(text);
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_best_source),
		cmocka_unit_test(test_probes_of_the_user),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_untouched_objects),
		cmocka_unit_test(test_given_back),
		cmocka_unit_test(test_sampled),
		cmocka_unit_test(test_no_faults),
		cmocka_unit_test(test_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
