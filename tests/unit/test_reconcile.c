/* analyze/reconcile: dumps of a modelled runtime against what a recorder would have seen of it. */

#include "analyze/reconcile.h"

#include "common/gobin.h"
#include "common/map.h"
#include "formats/heapstack.h"
#include "formats/pprof.h"
#include "tests/unit/mprof_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define PID 4711

/* ---- The program: site i is function leaf<i>, inlined into mid<i>, called by main.main ---------
 */

#define LEAF(i)	     (0x10000 + (i)*0x100)
#define MID(i)	     (0x20000 + (i)*0x100)
#define MALLOCGC     0x800
#define MAIN	     0x900
#define RUNTIME_MAIN 0xa00
#define GOEXIT	     0xb00

static void add_symbol(struct model *model, uint64_t pc, const char *inner, const char *outer,
		       uint32_t line)
{
	struct symtab_frame frames[] = {{inner, "/src/a.go", line, 1},
					{outer ? outer : "", "/src/b.go", line + 1, 1}};

	symtab_add(model->symbols, PID, pc, frames, outer ? 2 : 1);
}

/* Stacks as Go 1.26 and later have them in buckets: with the runtime's frames in front. */
static void add_stacks(struct model *model, bool symbols)
{
	model->symbols = symbols ? symtab_new() : NULL;
	xgrow(model->stacks, model->cap_stacks, SITES);
	for (uint32_t i = 0; i < SITES; i++) {
		const uint64_t pcs[] = {MALLOCGC, LEAF(i), MID(i), MAIN, RUNTIME_MAIN, GOEXIT};
		struct stack *stack = &model->stacks[model->n_stacks++];
		char leaf[32], mid[32];

		stack->n = 6;
		stack->pcs = xmalloc(sizeof(pcs));
		memcpy(stack->pcs, pcs, sizeof(pcs));
		model->sites[i].stack = i;
		snprintf(leaf, sizeof(leaf), "main.leaf%u[go.shape.int]", i);
		snprintf(mid, sizeof(mid), "main.mid%u", i);
		if (!symbols)
			continue;
		add_symbol(model, LEAF(i), leaf, mid, i);
		/* The address in the frame it was inlined into has that frame alone. */
		symtab_add(model->symbols, PID, MID(i),
			   &(struct symtab_frame){mid, "/src/b.go", i + 1, 1}, 1);
	}
	if (!symbols)
		return;
	add_symbol(model, MALLOCGC, "runtime.mallocgc", NULL, 5);
	add_symbol(model, MAIN, "main.main", NULL, 6);
	add_symbol(model, RUNTIME_MAIN, "runtime.main", NULL, 7);
	add_symbol(model, GOEXIT, "runtime.goexit", NULL, 8);
}

static void add_program(struct model *model, bool attached, bool symbols)
{
	xgrow(model->processes, model->cap_processes, 1);
	model->processes[model->n_processes++] = (struct process){
		.pid = PID,
		.exe = xstrdup("/bin/program"),
		.build_id = xstrdup("aabbcc"),
		.attached = attached,
	};
	add_stacks(model, symbols);
}

/* ---- Its dumps ---------------------------------------------------------------------------- */

static void append(struct buffer *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void append(struct buffer *b, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	assert_in_range(n, 0, sizeof(line) - 1);
	buffer_append(b, line, (size_t)n);
}

static struct buffer text_dump(const struct dump *dump)
{
	int64_t totals[4] = {0};
	struct buffer b = {0};

	for (uint32_t i = 0; i < SITES; i++) {
		totals[0] += dump->inuse[i].objects;
		totals[1] += dump->inuse[i].bytes;
		totals[2] += (int64_t)dump->counts[i].allocs;
		totals[3] += (int64_t)(dump->counts[i].allocs * size_of(i));
	}
	append(&b,
	       "heap profile: %" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64 "] @ heap/1048576\n",
	       totals[0], totals[1], totals[2], totals[3] + (totals[1] == totals[3]));
	for (uint32_t i = 0; i < SITES; i++) {
		append(&b, "%" PRId64 ": %" PRId64 " [%" PRIu64 ": %" PRIu64 "] @",
		       dump->inuse[i].objects, dump->inuse[i].bytes, dump->counts[i].allocs,
		       dump->counts[i].allocs * size_of(i));
		append(&b, " %#x %#x %#x %#x %#x %#x\n", MALLOCGC, LEAF(i), MID(i), MAIN,
		       RUNTIME_MAIN, GOEXIT);
		append(&b, "#\t%#x\tmain.leaf%u[...]+0x5\t\t/src/a.go:%u\n", LEAF(i) - 1, i, i);
		append(&b, "#\t%#x\tmain.mid%u+0x5\t/src/b.go:%u\n", MID(i) - 1, i, i + 1);
		append(&b, "#\t%#x\tmain.main+0x5\t/src/a.go:6\n", MAIN - 1);
		append(&b, "#\t%#x\truntime.main+0x5\t/src/a.go:7\n\n", RUNTIME_MAIN - 1);
	}
	append(&b, "\n# runtime.MemStats\n# LastGC = %" PRIu64 "\n# NumGC = %u\n",
	       WALL_ZERO + dump->last_gc, dump->cycle);
	return b;
}

static uint32_t add_frame(struct pprof_profile *p, const char *name, const char *file, int64_t line,
			  struct pprof_line *to)
{
	to->function = pprof_add_function(p, name, file, 1);
	to->line = line;
	return to->function;
}

static struct pprof_profile *proto_profile(const struct dump *dump)
{
	struct pprof_profile *p = pprof_new();
	struct pprof_mapping mapping = {.file = "/bin/program", .build_id = "aabbcc"};
	struct pprof_line lines[2] = {0};
	uint32_t outer[2];

	pprof_add_sample_type(p, "alloc_objects", "count");
	pprof_add_sample_type(p, "alloc_space", "bytes");
	pprof_add_sample_type(p, "inuse_objects", "count");
	pprof_add_sample_type(p, "inuse_space", "bytes");
	p->period = 524288;
	p->time_nanos = (int64_t)(WALL_ZERO + dump->time);
	pprof_add_mapping(p, &mapping);
	add_frame(p, "main.main", "/src/a.go", 6, &lines[0]);
	outer[0] = pprof_add_location(p, 0, MAIN - 1, lines, 1);
	add_frame(p, "runtime.main", "/src/a.go", 7, &lines[0]);
	outer[1] = pprof_add_location(p, 0, RUNTIME_MAIN - 1, lines, 1);
	for (uint32_t i = 0; i < SITES; i++) {
		double scale = heap_scale(size_of(i), 524288);
		int64_t allocs = (int64_t)dump->counts[i].allocs;
		int64_t size = (int64_t)size_of(i);
		int64_t values[] = {(int64_t)((double)allocs * scale),
				    (int64_t)((double)(allocs * size) * scale),
				    (int64_t)((double)dump->inuse[i].objects * scale),
				    (int64_t)((double)dump->inuse[i].bytes * scale)};
		struct pprof_label label = {.key = "bytes", .str = "", .unit = "", .num = size};
		uint32_t locations[3] = {0, outer[0], outer[1]};
		char name[40];

		snprintf(name, sizeof(name), "main.leaf%u[go.shape.int]", i);
		add_frame(p, name, "/src/a.go", i, &lines[0]);
		snprintf(name, sizeof(name), "main.mid%u", i);
		add_frame(p, name, "/src/b.go", i + 1, &lines[1]);
		locations[0] = pprof_add_location(p, 0, LEAF(i) - 1, lines, 2);
		pprof_add_sample(p, locations, 3, values, &label, 1);
	}
	return p;
}

static struct buffer encode(struct pprof_profile *p)
{
	struct buffer b = {0};

	assert_null(pprof_encode(p, true, &b));
	pprof_free(p);
	return b;
}

static void load(struct model *model, struct buffer content)
{
	struct error *err = reconcile_load_data(model, "a dump", content.data, content.len);

	if (err)
		fail_msg("%s", error_message(err));
	buffer_free(&content);
}

/* ---- Running ------------------------------------------------------------------------------ */

struct setup {
	uint64_t seed;
	unsigned cycles_before; /* it is attached to after so many; 0: recorded from its start */
	bool text, unread_table, no_symbols;
	unsigned lose;
	uint64_t from;
};

static struct runtime *new_runtime(const struct setup *setup)
{
	struct runtime *r = runtime_new(setup->seed);

	r->lose = setup->lose;
	r->model.from = setup->from;
	r->skip_table = setup->unread_table;
	add_program(&r->model, setup->cycles_before > 0, !setup->no_symbols);
	return r;
}

/* The program runs once for its dumps, then again with them named, and they are reconciled. */
static struct runtime *run(const struct setup *setup)
{
	struct runtime *rehearsal = new_runtime(setup), *r = new_runtime(setup);

	simulate(rehearsal, setup->cycles_before);
	for (size_t i = 0; i < rehearsal->n_dumps; i++)
		load(&r->model, setup->text ? text_dump(&rehearsal->dumps[i])
					    : encode(proto_profile(&rehearsal->dumps[i])));
	runtime_free(rehearsal);
	simulate(r, setup->cycles_before);
	reconcile_dumps(&r->model);
	assert_int_equal(r->model.n_dumps, r->n_dumps);
	return r;
}

static void assert_perfect(const struct runtime *r, size_t i)
{
	const struct heap_dump *got = &r->model.dumps[i];
	const struct dump *want = &r->dumps[i];
	int64_t objects = 0, bytes = 0;

	for (uint32_t k = 0; k < SITES; k++) {
		objects += want->inuse[k].objects;
		bytes += want->inuse[k].bytes;
	}
	if (got->problem)
		fail_msg("%s", got->problem);
	assert_int_equal(got->process, 0);
	assert_int_equal(got->prof_cycle, want->cycle);
	assert_true(got->after_gc == want->after_gc);
	assert_int_equal(got->n_rows, 0);
	assert_int_equal(got->dump_objects + got->older_objects, objects);
	assert_int_equal(got->dump_bytes + got->older_bytes, bytes);
	assert_true(got->dump_objects > 0);
	assert_int_equal(got->matched_objects, got->dump_objects);
	assert_int_equal(got->matched_bytes, got->dump_bytes);
	assert_int_equal(got->trace_objects, got->dump_objects);
	assert_int_equal(got->trace_bytes, got->dump_bytes);
	assert_true(got->older_known);
}

static void test_launched(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		struct setup setup = {.seed = i, .text = i % 2, .no_symbols = i % 4 == 3};
		struct runtime *r = run(&setup);

		for (size_t k = 0; k < r->n_dumps; k++) {
			assert_perfect(r, k);
			assert_int_equal(r->model.dumps[k].older_objects, 0);
			assert_int_equal(r->model.dumps[k].time,
					 setup.text ? r->dumps[k].last_gc : r->dumps[k].time);
		}
		runtime_free(r);
	}
}

static void test_attached(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		struct setup setup = {.seed = i, .text = i % 2, .cycles_before = 2 + i};
		struct runtime *r = run(&setup);

		assert_true(r->model.dumps[0].older_objects > 10);
		for (size_t k = 0; k < r->n_dumps; k++)
			assert_perfect(r, k);
		runtime_free(r);
	}
}

/* Without a reading of the table, what is older is said to be unknown, and nothing is accused. */
static void test_unread_table(void **state)
{
	struct setup setup = {.seed = 3, .cycles_before = 5, .unread_table = true};
	struct runtime *r = run(&setup);

	(void)state;
	for (size_t k = 0; k < r->n_dumps; k++) {
		const struct heap_dump *dump = &r->model.dumps[k];

		assert_false(dump->older_known);
		assert_non_null(strstr(dump->problem, "bucket table was not read"));
		assert_int_equal(dump->matched_objects, dump->trace_objects);
	}
	runtime_free(r);
}

/* The same where the user leaves out the beginning of the trace. */
static void test_window(void **state)
{
	struct setup setup = {.seed = 3, .from = 50 * MS};
	struct runtime *r = run(&setup);

	(void)state;
	assert_false(r->model.dumps[0].older_known);
	assert_non_null(strstr(r->model.dumps[0].problem, "--from is left out"));
	runtime_free(r);
}

/* What was lost shows, at its stacks and in its number. */
static void test_loss(void **state)
{
	struct setup setup = {.seed = 5, .lose = 10};
	struct runtime *r = run(&setup);
	uint64_t in_dumps = 0, matched = 0;
	size_t rows = 0;

	(void)state;
	for (size_t k = 2; k < r->n_dumps; k++) {
		const struct heap_dump *dump = &r->model.dumps[k];
		int64_t gap = (int64_t)(dump->dump_objects - dump->trace_objects), sum = 0;
		uint64_t last = UINT64_MAX;

		assert_true(dump->matched_objects <= dump->dump_objects);
		matched += dump->matched_objects;
		in_dumps += dump->dump_objects;
		for (size_t i = 0; i < dump->n_rows; i++) {
			const struct reconcile_row *row = &dump->rows[i];
			int64_t bytes = (int64_t)(row->dump_bytes - row->trace_bytes);

			sum += (int64_t)(row->dump_objects - row->trace_objects);
			assert_true((uint64_t)llabs(bytes) <= last);
			last = (uint64_t)llabs(bytes);
			assert_memory_equal(row->name, "main.leaf", 9);
		}
		assert_int_equal(sum, gap);
		rows += dump->n_rows;
	}
	assert_true(rows > r->n_dumps);
	assert_true(matched > in_dumps / 2);
	assert_true(matched < in_dumps - in_dumps / 50);
	runtime_free(r);
}

/* ---- What cannot be compared --------------------------------------------------------------- */

/* A model in which little happened, and a dump of it with changes. */
static struct runtime *quiet(void)
{
	struct runtime *r = runtime_new(1);

	add_program(&r->model, false, true);
	r->dumps[0].cycle = 3;
	r->dumps[0].time = 35 * MS;
	r->dumps[0].last_gc = 30 * MS;
	return r;
}

static void finish_quiet(struct runtime *r)
{
	for (unsigned i = 0; i < 7; i++) {
		r->time = i * 10 * MS + 1000;
		snapshots_cycle(r->model.snapshots, 0, r->time, i, i);
		xgrow(r->model.cycles, r->model.cap_cycles, r->model.n_cycles + 1);
		r->model.cycles[r->model.n_cycles++] =
			(struct gc_cycle){.number = i, .prof_cycle = i, .mark_term = r->time};
	}
	snapshots_finish(r->model.snapshots, 70 * MS);
	reconcile_dumps(&r->model);
}

static void expect_problem(struct buffer content, const char *part)
{
	struct runtime *r = quiet();
	const char *problem;

	load(&r->model, content);
	finish_quiet(r);
	problem = r->model.dumps[0].problem;
	if (!part && problem)
		fail_msg("%s", problem);
	if (part && (!problem || !strstr(problem, part)))
		fail_msg("\"%s\" lacks \"%s\"", problem ? problem : "(none)", part);
	runtime_free(r);
}

static struct pprof_profile *quiet_proto(void)
{
	struct runtime *r = quiet();
	struct pprof_profile *p = proto_profile(&r->dumps[0]);

	runtime_free(r);
	return p;
}

static struct buffer quiet_text(uint64_t last_gc)
{
	struct runtime *r = quiet();
	struct buffer b;

	r->dumps[0].last_gc = last_gc;
	b = text_dump(&r->dumps[0]);
	runtime_free(r);
	return b;
}

static void test_problems(void **state)
{
	struct pprof_profile *p;
	struct buffer text;

	(void)state;
	expect_problem(encode(quiet_proto()), NULL);
	expect_problem(quiet_text(30 * MS), NULL);
	expect_problem(quiet_text(3000 * MS), "another run of the program");
	p = quiet_proto();
	p->duration_nanos = 5000000000;
	expect_problem(encode(p), "difference of two dumps");
	p = quiet_proto();
	p->time_nanos = 0;
	expect_problem(encode(p), "lacks the time");
	p = quiet_proto();
	p->time_nanos = (int64_t)(WALL_ZERO - 5 * 1000 * MS);
	expect_problem(encode(p), "before the process was first seen");
	text = quiet_text(30 * MS);
	text.len = (size_t)((uint8_t *)memmem(text.data, text.len, "\n# runtime", 10) - text.data);
	expect_problem(text, "lacks the MemStats");
	p = quiet_proto();
	p->mappings[0].build_id = "ffff";
	expect_problem(encode(p), "of another program, /bin/program (build id ffff): the trace is "
				  "of /bin/program (build id aabbcc)");
	p = quiet_proto();
	p->mappings[0].build_id = "";
	p->mappings[0].file = "/bin/other";
	for (size_t i = 0; i < p->n_functions; i++)
		p->functions[i].name = "main.other";
	expect_problem(encode(p), "of another program, /bin/other: the trace is of /bin/program "
				  "(build id aabbcc) and does not have its call stacks");
}

/* Written after the end, and something is missing: both are said. */
static void test_after_end(void **state)
{
	struct runtime *r = quiet();

	(void)state;
	r->dumps[0].time = 500 * MS;
	r->dumps[0].counts[3] = (struct snapshots_counts){.allocs = 2};
	r->dumps[0].inuse[3] = (struct snapshot_count){2, 2 * (int64_t)size_of(3)};
	load(&r->model, encode(proto_profile(&r->dumps[0])));
	finish_quiet(r);
	assert_non_null(strstr(r->model.dumps[0].problem, "after the recording ended"));
	assert_int_equal(r->model.dumps[0].n_rows, 1);
	assert_int_equal(r->model.dumps[0].rows[0].dump_objects, 2);
	assert_int_equal(r->model.dumps[0].rows[0].site, 3);
	runtime_free(r);
}

/*
 * As in Go 1.27: the dump begins at the frame whose return address lies in a function that was
 * inlined after the call, though the frame is of the runtime like all others.
 */
static void test_all_runtime(void **state)
{
	struct runtime *r = quiet();
	struct pprof_profile *p = quiet_proto();
	struct pprof_line line = {0};
	struct pprof_label label = {.key = "bytes", .str = "", .unit = "", .num = 9472};
	double scale = heap_scale(9472, 524288);
	int64_t values[] = {(int64_t)scale, (int64_t)(9472 * scale), (int64_t)scale,
			    (int64_t)(9472 * scale)};
	uint32_t location;

	(void)state;
	add_frame(p, "runtime.main", "/src/a.go", 7, &line);
	location = pprof_add_location(p, 0, RUNTIME_MAIN - 1, &line, 1);
	pprof_add_sample(p, &location, 1, values, &label, 1);
	load(&r->model, encode(p));
	/* Site 0 becomes one of the runtime alone. */
	r->model.stacks[0].pcs[1] = MALLOCGC;
	r->model.stacks[0].pcs[2] = RUNTIME_MAIN;
	r->model.stacks[0].n = 3;
	snapshots_cycle(r->model.snapshots, 0, 1, 0, 0);
	snapshots_birth(r->model.snapshots, 0, 2, 0, 9472);
	finish_quiet(r);
	assert_null(r->model.dumps[0].problem);
	assert_int_equal(r->model.dumps[0].dump_objects, 1);
	assert_int_equal(r->model.dumps[0].matched_objects, 1);
	assert_int_equal(r->model.dumps[0].n_rows, 0);
	runtime_free(r);
}

/* Each process has its own dumps. */
static void test_two_processes(void **state)
{
	struct runtime *r = quiet();
	uint32_t site = (uint32_t)r->model.n_sites, stack = (uint32_t)r->model.n_stacks;
	struct symtab_frame frame = {"main.other", "/src/other.go", 9, 1};
	uint64_t pc = 0x77;

	(void)state;
	xgrow(r->model.processes, r->model.cap_processes, 2);
	r->model.processes[r->model.n_processes++] =
		(struct process){.pid = PID + 1, .exe = xstrdup("/bin/second")};
	xgrow(r->model.stacks, r->model.cap_stacks, stack + 1);
	r->model.stacks[r->model.n_stacks] = (struct stack){.pcs = xmalloc(sizeof(pc)), .n = 1};
	r->model.stacks[r->model.n_stacks++].pcs[0] = pc;
	symtab_add(r->model.symbols, PID + 1, pc, &frame, 1);
	xgrow(r->model.sites, r->model.cap_sites, site + 1);
	r->model.sites[r->model.n_sites++] = (struct site){.process = 1, .stack = stack};
	load(&r->model, encode(quiet_proto()));
	finish_quiet(r);
	assert_null(r->model.dumps[0].problem);
	assert_int_equal(r->model.dumps[0].process, 0);
	runtime_free(r);
}

/* Two processes of one program: the dump is of the one that holds its objects. */
static void test_two_alike(void **state)
{
	struct runtime *r = quiet();
	struct snapshots *s = r->model.snapshots;

	(void)state;
	xgrow(r->model.processes, r->model.cap_processes, 2);
	r->model.processes[r->model.n_processes++] =
		(struct process){.pid = PID, .exe = xstrdup("/bin/program")};
	xgrow(r->model.sites, r->model.cap_sites, 2 * SITES);
	for (uint32_t i = 0; i < SITES; i++)
		r->model.sites[r->model.n_sites++] = (struct site){.process = 1, .stack = i};
	r->dumps[0].counts[3] = (struct snapshots_counts){.allocs = 2};
	r->dumps[0].inuse[3] = (struct snapshot_count){2, 2 * (int64_t)size_of(3)};
	load(&r->model, encode(proto_profile(&r->dumps[0])));
	for (uint32_t i = 0; i < 2; i++)
		snapshots_cycle(s, i, 1, 0, 0);
	snapshots_birth(s, 4, 2, 0, size_of(4));
	for (uint64_t i = 0; i < 2; i++)
		snapshots_birth(s, SITES + 3, 3 + i, 0, size_of(3));
	for (uint32_t i = 1; i < 5; i++)
		snapshots_cycle(s, 1, i * 10 * MS, i, i);
	finish_quiet(r);
	assert_null(r->model.dumps[0].problem);
	assert_int_equal(r->model.dumps[0].process, 1);
	assert_int_equal(r->model.dumps[0].matched_objects, 2);
	assert_int_equal(r->model.dumps[0].n_rows, 0);
	runtime_free(r);
}

static void test_unreadable(void **state)
{
	struct model model;
	struct error *err;

	(void)state;
	model_init(&model);
	err = reconcile_load(&model, "/nonexistent/heap.pb.gz");
	assert_non_null(err);
	assert_non_null(strstr(error_message(err), "/nonexistent/heap.pb.gz"));
	error_free(err);
	err = reconcile_load_data(&model, "x.txt", "hello\n", 6);
	assert_non_null(err);
	assert_string_equal(error_message(err), "x.txt: not a heap dump: it begins with \"hello\"");
	assert_non_null(error_remedy_text(err));
	error_free(err);
	assert_int_equal(model.n_dumps, 0);
	assert_null(model.snapshots);
	reconcile_dumps(&model);
	model_free(&model);
}

/* ---- Real stacks --------------------------------------------------------------------------- */

/*
 * The stacks of a real dump, read from its text form as the buckets have them, and named by the
 * binary's own tables as a trace has them: their keys are those of the proto form's samples.
 */
static void compare_keys(struct gobin *bin, const struct heap_profile *text,
			 const struct heap_profile *proto)
{
	struct map keys = {0};
	struct model model;
	size_t cut = 0;

	for (size_t i = 0; i < proto->n_entries; i++) {
		const struct heap_entry *e = &proto->entries[i];

		*map_put(&keys, heap_stack_key(e->frames, e->n_frames), NULL) +=
			(uint64_t)e->alloc_bytes;
	}
	model_init(&model);
	model.symbols = symtab_new();
	xgrow(model.processes, model.cap_processes, 1);
	model.processes[model.n_processes++] = (struct process){.pid = PID};
	for (size_t i = 0; i < text->n_entries; i++) {
		const struct heap_entry *e = &text->entries[i];
		struct stack stack = {.pcs = e->pcs, .n = (uint32_t)e->n_pcs};
		struct site site = {0};
		uint64_t *left;

		for (size_t k = 0; k < e->n_pcs; k++) {
			struct symtab_frame frames[32];
			size_t n = gobin_frames(bin, e->pcs[k] - 1, frames, 32);

			symtab_add(model.symbols, PID, e->pcs[k], frames, n);
		}
		model.stacks = &stack;
		model.n_stacks = 1;
		left = map_find(&keys, reconcile_site_key(&model, &site, 0));
		assert_true(left || !e->alloc_objects);
		if (left)
			*left -= (uint64_t)e->alloc_bytes;
		cut += e->n_frames > 20;
	}
	uint64_t key, left;
	for (size_t at = 0; map_next(&keys, &at, &key, &left);)
		assert_int_equal(left, 0);
	assert_true(map_count(&keys) > 10);
	assert_true(cut > 0);
	model.stacks = NULL;
	model.n_stacks = 0;
	model_free(&model);
	map_free(&keys);
}

static void test_real_stacks(void **state)
{
	char dir[] = "/tmp/test_reconcile_XXXXXX", path[64];
	struct heap_profile *text, *proto;
	struct gobin *bin;
	char *command;

	(void)state;
	assert_non_null(mkdtemp(dir));
	command = xasprintf("cp tests/data/pprof/dumper.go %s && cd %s && GO111MODULE=off "
			    "go build dumper.go 2>/dev/null && ./dumper out 512",
			    dir, dir);
	if (system(command)) {
		free(command);
		skip();
	}
	free(command);
	snprintf(path, sizeof(path), "%s/dumper", dir);
	assert_null(gobin_open(path, &bin));
	snprintf(path, sizeof(path), "%s/out.txt", dir);
	assert_null(heap_profile_read(path, &text));
	snprintf(path, sizeof(path), "%s/out.pb.gz", dir);
	assert_null(heap_profile_read(path, &proto));
	compare_keys(bin, text, proto);
	heap_profile_free(text);
	heap_profile_free(proto);
	gobin_close(bin);
	command = xasprintf("rm -r %s", dir);
	assert_int_equal(system(command), 0);
	free(command);
}

/* The runtime leaves wrappers out of stacks; the symbol table has them. */
static void test_wrappers(void **state)
{
	struct symtab_frame deferred[] = {{"main.put", "a.go", 3, 1},
					  {"main.f.deferwrap1", "a.go", 9, 1}};
	struct symtab_frame method[] = {{"main.T.M", "a.go", 5, 1},
					{"main.(*T).M", "<autogenerated>", 1, 1}};
	struct symtab_frame caller = {"main.f", "a.go", 20, 1};
	struct symtab_frame spawned[] = {{"main.g", "a.go", 7, 1}, {"main.f", "a.go", 20, 1}};
	struct heap_frame want[] = {{"main.put", "a.go", 3},
				    {"main.T.M", "a.go", 5},
				    {"main.f", "a.go", 20},
				    {"main.g", "a.go", 7},
				    {"main.f", "a.go", 20}};
	uint64_t pcs[] = {1, 2, 3, 4};
	struct stack stack = {.pcs = pcs, .n = 4};
	struct process process = {.pid = PID};
	struct model model = {.stacks = &stack,
			      .n_stacks = 1,
			      .processes = &process,
			      .n_processes = 1,
			      .symbols = symtab_new()};
	struct site site = {0};

	(void)state;
	symtab_add(model.symbols, PID, 1, deferred, 2);
	symtab_add(model.symbols, PID, 2, method, 2);
	symtab_add(model.symbols, PID, 3, &caller, 1);
	/* The depth's limit cut the last one's own caller off: pprof puts it back. */
	symtab_add(model.symbols, PID, 4, spawned, 2);
	assert_int_equal(reconcile_site_key(&model, &site, 0), heap_stack_key(want, 5));
	symtab_free(model.symbols);
	model.symbols = NULL;
	assert_int_equal(reconcile_site_key(&model, &site, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_launched),      cmocka_unit_test(test_attached),
		cmocka_unit_test(test_unread_table),  cmocka_unit_test(test_window),
		cmocka_unit_test(test_loss),	      cmocka_unit_test(test_problems),
		cmocka_unit_test(test_after_end),     cmocka_unit_test(test_all_runtime),
		cmocka_unit_test(test_two_processes), cmocka_unit_test(test_two_alike),
		cmocka_unit_test(test_unreadable),    cmocka_unit_test(test_real_stacks),
		cmocka_unit_test(test_wrappers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
