/* formats/heaptext: the text form of a heap dump. */

#include "formats/heaptext.h"

#include "formats/bytes.h"
#include "formats/heapstack.h"
#include "formats/xalloc.h"
#include "tests/unit/slurp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATA "tests/data/pprof/"

static const char sample[] = "heap profile: 3: 1184 [5: 2208] @ heap/1048576\n"
			     "1: 1024 [2: 2048] @ 0x4b466e 0x4b4604 0x437512 0x4612a1\n"
			     "#\t0x4b466d\tmain.leak+0xad\t/src/with space/a.go:46\n"
			     "#\t0x4b4603\tmain.(*box[...]).add+0x43\t\t./b.go:65\n"
			     "#\t0x437511\tgo.(*struct { int; x func() }).Run+0x2\tc:/d.go:250\n"
			     "\n"
			     "2: 160 [2: 160] @ 0x40d7ce\n"
			     "#\t0x40d7cd\n"
			     "\n"
			     "0: 0 [1: 0] @\n"
			     "\n\n"
			     "# runtime.MemStats\n"
			     "# Alloc = 18907760\n"
			     "# Sys = 153205032\n"
			     "# Stack = 327680 / 327681\n"
			     "# NextGC = 8946670875741577966\n"
			     "# LastGC = 1795325454148662649\n"
			     "# PauseNs = [195895 283094 0]\n"
			     "# NumGC = 7\n"
			     "# NumForcedGC = 1\n"
			     "# GCCPUFraction = 0.051\n"
			     "# DebugGC = false\n"
			     "# MaxRSS = 62439424\n";

static void check_sample(const struct heap_profile *p)
{
	assert_int_equal(p->form, HEAP_PROFILE_TEXT);
	assert_int_equal(p->rate, 524288);
	assert_int_equal(p->n_entries, 3);
	assert_int_equal(p->entries[0].inuse_objects, 1);
	assert_int_equal(p->entries[0].inuse_bytes, 1024);
	assert_int_equal(p->entries[0].alloc_objects, 2);
	assert_int_equal(p->entries[0].alloc_bytes, 2048);
	assert_int_equal(p->entries[0].size, 1024);
	assert_int_equal(p->entries[0].n_pcs, 4);
	assert_int_equal(p->entries[0].pcs[3], 0x4612a1);
	assert_int_equal(p->entries[0].n_frames, 3);
	assert_string_equal(p->entries[0].frames[0].function, "main.leak");
	assert_string_equal(p->entries[0].frames[0].file, "/src/with space/a.go");
	assert_int_equal(p->entries[0].frames[0].line, 46);
	assert_string_equal(p->entries[0].frames[1].function, "main.(*box[...]).add");
	assert_string_equal(p->entries[0].frames[1].file, "./b.go");
	assert_string_equal(p->entries[0].frames[2].function, "go.(*struct { int; x func() }).Run");
	assert_string_equal(p->entries[0].frames[2].file, "c:/d.go");
	assert_int_equal(p->entries[0].frames[2].line, 250);
	assert_int_equal(p->entries[1].n_frames, 1);
	assert_string_equal(p->entries[1].frames[0].function, "");
	assert_int_equal(p->entries[2].n_pcs, 0);
	assert_int_equal(p->entries[2].size, 0);
	assert_true(p->has_memstats);
	assert_int_equal(p->memstats.alloc, 18907760);
	assert_int_equal(p->memstats.stack_inuse, 327680);
	assert_int_equal(p->memstats.stack_sys, 327681);
	assert_true(p->memstats.last_gc == UINT64_C(1795325454148662649));
	assert_true(p->memstats.next_gc == UINT64_C(8946670875741577966));
	assert_int_equal(p->memstats.num_gc, 7);
	assert_int_equal(p->memstats.num_forced_gc, 1);
	assert_int_equal(p->memstats.max_rss, 62439424);
	assert_true(p->memstats.gc_cpu_fraction == 0.051);
}

static void test_sample(void **state)
{
	struct heap_profile *p;

	(void)state;
	assert_null(heaptext_parse(sample, strlen(sample), &p));
	check_sample(p);
	heap_profile_free(p);
}

/* As a browser on Windows saves it. */
static void test_crlf(void **state)
{
	struct buffer crlf = {0};
	struct heap_profile *p;

	(void)state;
	for (const char *at = sample; *at; at++) {
		if (*at == '\n')
			buffer_u8(&crlf, '\r');
		buffer_u8(&crlf, (uint8_t)*at);
	}
	assert_null(heaptext_parse(crlf.data, crlf.len, &p));
	check_sample(p);
	heap_profile_free(p);
	buffer_free(&crlf);
}

static void assert_fails(const char *text, const char *part)
{
	struct heap_profile *p;
	struct error *err = heaptext_parse(text, strlen(text), &p);

	assert_non_null(err);
	assert_null(p);
	if (!strstr(error_message(err), part))
		fail_msg("\"%s\" lacks \"%s\"", error_message(err), part);
	error_free(err);
}

static void test_faults(void **state)
{
	(void)state;
	assert_fails("heap profile: 1: 2 [3: 4]", "line 1: not the first line");
	assert_fails("heap profile: 1: 2 [3: 4] @ heapprofile\n", "not one that Go wrote");
	assert_fails("heap profile: 1: 2 [3: 4] @ heap_v2/524288\n", "not one that Go wrote");
	assert_fails("heap profile: 1: 99999999999999999999 [3: 4] @ heap/2\n", "line 1");
	assert_fails("heap profile: 0: 0 [0: 0] @ heap/2\nrubbish\n", "line 2: not a line");
	assert_fails("heap profile: 0: 0 [0: 0] @ heap/2\n0: 0 [0: 0] @ 0x1 zz\n",
		     "line 2: the stack ends in something");
	assert_fails("heap profile: 0: 0 [0: 0] @ heap/2\n0: 0 [0: 0] @ 0x1 0x\n", "address 2");
	assert_fails("heap profile: 0: 0 [0: 0] @ heap/2\n0: 0 [0: 0] @ 0x12345678901234567\n",
		     "address 1");
	assert_fails("heap profile: 0: 0 [0: 0] @ heap/2\n# runtime.MemStats\n0: 0 [0: 0] @\n",
		     "line 3: an entry after");
	assert_fails("heap profile: 1: 8 [2: 16] @ heap/2\n1: 8 [1: 8] @ 0x1\n",
		     "cut or damaged: the first line counts 2 objects, the entries hold 1");
}

/* From Go 1.20 the allocated bytes of the first line are never those in use. */
static void test_one_too_many(void **state)
{
	static const char text[] = "heap profile: 1: 8 [1: 9] @ heap/2\n1: 8 [1: 8] @ 0x1\n";
	struct heap_profile *p;

	(void)state;
	assert_null(heaptext_parse(text, strlen(text), &p));
	assert_int_equal(p->rate, 1);
	assert_false(p->has_memstats);
	assert_int_equal(p->alloc_bytes, 8);
	heap_profile_free(p);
	assert_fails("heap profile: 1: 8 [2: 17] @ heap/2\n1: 8 [2: 16] @ 0x1\n", "cut");
}

/* A dump cut among its entries is told by the sums of its first line. */
static void test_cut(void **state)
{
	struct buffer text = slurp(DATA "go1.27.txt");
	const char *stats = memmem(text.data, text.len, "\n# runtime.MemStats", 19);
	size_t entries_end = (size_t)(stats - (char *)text.data), last_entry = 0;
	struct heap_profile *p;
	struct error *err;

	(void)state;
	for (size_t i = 0; i + 1 < entries_end; i++) {
		if (text.data[i] == '\n' && text.data[i + 1] != '#' && text.data[i + 1] != '\n')
			last_entry = i;
	}
	assert_true(last_entry > 1000);
	for (size_t n = 0; n < last_entry; n++) {
		err = heaptext_parse(text.data, n, &p);
		assert_non_null(err);
		assert_null(p);
		error_free(err);
	}
	assert_null(heaptext_parse(text.data, entries_end, &p));
	assert_false(p->has_memstats);
	heap_profile_free(p);
	buffer_free(&text);
}

/* The frames of the text are the stack's, so that the key of each can be compared with a trace. */
static void test_real_frames(void **state)
{
	struct heap_profile *p;
	size_t inlined = 0, deep = 0;

	(void)state;
	assert_null(heap_profile_read(DATA "go1.27-rate4096.txt", &p));
	assert_true(p->memstats.num_gc > 1);
	assert_true(p->memstats.last_gc > UINT64_C(1000000000000000000));
	for (size_t i = 0; i < p->n_entries; i++) {
		const struct heap_entry *e = &p->entries[i];

		assert_true(e->n_frames <= e->n_pcs);
		for (size_t k = 0; k < e->n_frames; k++)
			assert_true(*e->frames[k].function && *e->frames[k].file);
		inlined +=
			e->n_frames > 0 && !strcmp(e->frames[0].function, "main.(*box[...]).add");
		deep += e->n_frames > 50;
	}
	assert_true(inlined > 0);
	assert_true(deep > 0);
	heap_profile_free(p);
}

static void test_keys(void **state)
{
	struct heap_frame frames[] = {{"runtime.mallocgc", "malloc.go", 10},
				      {"internal/runtime/maps.NewMap", "map.go", 3},
				      {"main.f[go.shape.int,go.shape.map[string]int]", "a.go", 5},
				      {"runtime.main", "proc.go", 250},
				      {"runtime.goexit", "asm.s", 1}};
	struct heap_frame brief[] = {{"main.f[...]", "a.go", 5}, {"runtime.main", "proc.go", 250}};
	/* A package's init has lines of several files, and the proto one file for all of them. */
	struct heap_frame moved[] = {{"main.f[...]", "b.go", 5}, {"runtime.main", "proc.go", 250}};
	struct heap_frame other[] = {{"main.f[...]", "a.go", 6}, {"runtime.main", "proc.go", 250}};

	(void)state;
	assert_int_equal(heap_stack_key(frames, 5), heap_stack_key(brief, 2));
	assert_int_equal(heap_stack_key(brief, 2), heap_stack_key(moved, 2));
	assert_int_not_equal(heap_stack_key(frames, 5), heap_stack_key(other, 2));
	assert_int_not_equal(heap_stack_key(frames, 5), heap_stack_key(brief, 1));
	/* Nothing but the runtime: then all of it counts. */
	assert_int_not_equal(heap_stack_key(frames, 2), heap_stack_key(frames, 1));
	assert_int_equal(heap_stack_key(NULL, 0), heap_stack_key(frames + 4, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sample), cmocka_unit_test(test_crlf),
		cmocka_unit_test(test_faults), cmocka_unit_test(test_one_too_many),
		cmocka_unit_test(test_cut),    cmocka_unit_test(test_real_frames),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
