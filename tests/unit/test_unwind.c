#include "formats/unwind.h"

#include "common/native_symbols.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PID 7

static const struct unwind_rule *find(void *table, uint32_t pid, uint64_t pc)
{
	return unwind_table_find(table, pid, pc);
}

/* A stack of three C functions under a Go one: the second has a frame pointer of its own. */
struct scene {
	struct unwind_table *table;
	uint64_t stack[16];
	struct unwind_start start;
};

static struct scene make_scene(void)
{
	struct scene s = {.table = unwind_table_new()};

	/* 100: 16 bytes of locals; 200: pushed the frame pointer and uses it; 300: nothing. */
	unwind_table_add(s.table, PID, 100,
			 &(struct unwind_rule){UNWIND_FRAME, false, false, 24, -8, 0});
	unwind_table_add(s.table, PID, 200,
			 &(struct unwind_rule){UNWIND_FRAME, true, true, 16, -8, -16});
	unwind_table_add(s.table, PID, 300,
			 &(struct unwind_rule){UNWIND_FRAME, false, false, 8, -8, 0});
	unwind_table_add(s.table, PID, 400, &(struct unwind_rule){.kind = UNWIND_GO});
	s.stack[2] = 200;
	s.stack[4] = 0xc000001000; /* saved: Go's */
	s.stack[5] = 300;
	s.stack[6] = 400;
	s.start = (struct unwind_start){.pid = PID, .pc = 100, .sp = 0x1000, .fp = 0x1000 + 4 * 8};
	return s;
}

static size_t run(struct scene *s, size_t stack_len, uint64_t *pcs, size_t max,
		  struct unwind_end *end)
{
	s->start.stack = s->stack;
	s->start.stack_len = stack_len;
	return unwind(&s->start, find, s->table, pcs, max, end);
}

static void test_frames(void **state)
{
	struct scene s = make_scene();
	struct unwind_end end;
	uint64_t pcs[8];

	(void)state;
	assert_int_equal(run(&s, sizeof(s.stack), pcs, 8, &end), 4);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(pcs[i], 100 * (i + 1));
	assert_int_equal(end.kind, UNWIND_GO);
	assert_false(end.cut);
	assert_int_equal(end.fp, 0xc000001000);
	assert_int_equal(run(&s, sizeof(s.stack), pcs, 2, &end), 2);
	unwind_table_free(s.table);
}

/* Whatever part of the stack is there, what comes out is the beginning of the whole. */
static void test_cut(void **state)
{
	struct scene s = make_scene();
	struct unwind_end end;
	uint64_t pcs[8];

	(void)state;
	for (size_t len = 0; len < 7 * 8; len++) {
		size_t n = run(&s, len, pcs, 8, &end);

		assert_int_equal(n, 1 + (len >= 24) + (len >= 48));
		assert_true(end.cut);
		for (uint64_t i = 0; i < n; i++)
			assert_int_equal(pcs[i], 100 * (i + 1));
	}
	unwind_table_free(s.table);
}

/* Rules that do not lead upwards, or into what is no rule's, end it. */
static void test_nonsense(void **state)
{
	struct scene s = make_scene();
	struct unwind_end end;
	uint64_t pcs[8];

	(void)state;
	unwind_table_add(s.table, PID, 100,
			 &(struct unwind_rule){UNWIND_FRAME, false, false, 0, 8, 0});
	assert_int_equal(run(&s, sizeof(s.stack), pcs, 8, &end), 1);
	assert_int_equal(end.kind, UNWIND_NONE);
	unwind_table_add(s.table, PID, 100,
			 &(struct unwind_rule){UNWIND_FRAME, false, false, 24, 8, 0});
	s.stack[4] = 999;
	assert_int_equal(run(&s, sizeof(s.stack), pcs, 8, &end), 2);
	assert_int_equal(pcs[1], 999);
	assert_int_equal(end.kind, UNWIND_NONE);
	s.start.pid = PID + 1;
	assert_int_equal(run(&s, sizeof(s.stack), pcs, 8, &end), 1);
	unwind_table_free(s.table);
}

static void test_section(void **state)
{
	struct scene s = make_scene();
	struct unwind_table *again;
	struct buffer bytes = {0};
	struct unwind_end end;
	uint64_t pcs[8];

	(void)state;
	for (uint64_t i = 0; i < 5000; i++)
		unwind_table_add(s.table, PID + 1, i, &(struct unwind_rule){.cfa = (int32_t)i});
	unwind_table_encode(s.table, &bytes);
	unwind_table_free(s.table);
	assert_null(unwind_table_decode(bytes.data, bytes.len, false, &again));
	assert_int_equal(unwind_table_count(again), 5004);
	for (uint64_t i = 0; i < 5000; i++)
		assert_int_equal(unwind_table_find(again, PID + 1, i)->cfa, i);
	s.table = again;
	assert_int_equal(run(&s, sizeof(s.stack), pcs, 8, &end), 4);
	assert_int_equal(end.fp, 0xc000001000);
	unwind_table_free(again);
	for (size_t len = 0; len < 200; len++) {
		struct error *err = unwind_table_decode(bytes.data, len, false, &again);

		assert_non_null(err);
		error_free(err);
	}
	buffer_free(&bytes);
}

/*
 * The rules of this very program, from its call frame information, against the frames that the
 * compiler's own unwinder finds.
 */
struct moment {
	uint64_t pc, sp, fp, stack[64];
};

static __attribute__((noinline)) void innermost(struct moment *moment)
{
	moment->pc = (uint64_t)__builtin_return_address(0);
	moment->sp = (uint64_t)__builtin_frame_address(0) + 16;
	moment->fp = *(uint64_t *)__builtin_frame_address(0);
	memcpy(moment->stack, (void *)moment->sp, sizeof(moment->stack));
}

static __attribute__((noinline)) uint64_t middle(struct moment *moment)
{
	volatile char room[200];

	room[0] = 0;
	innermost(moment);
	return (uint64_t)__builtin_return_address(0) + (uint64_t)room[0];
}

static uint64_t program_base(void)
{
	extern char __executable_start[];

	return (uint64_t)__executable_start;
}

static void test_own_program(void **state)
{
	struct native_symbols *symbols;
	struct unwind_rule rule;
	struct moment moment;
	uint64_t wanted, found, cfa;

	(void)state;
#ifndef __x86_64__
	skip(); /* how innermost() finds its caller's stack pointer is amd64's way */
#endif
	wanted = middle(&moment);
	assert_null(native_symbols_open("/proc/self/exe", &symbols));
	/* In a program's text, addresses and offsets agree. */
	rule = native_symbols_rule(symbols, moment.pc - 1 - program_base());
	assert_int_equal(rule.kind, UNWIND_FRAME);
	cfa = (rule.cfa_from_fp ? moment.fp : moment.sp) + (uint64_t)(int64_t)rule.cfa +
	      (uint64_t)(int64_t)rule.return_address;
	assert_in_range(cfa, moment.sp, moment.sp + sizeof(moment.stack) - 8);
	memcpy(&found, (char *)moment.stack + (cfa - moment.sp), sizeof(found));
	assert_int_equal(found, wanted);
	native_symbols_close(symbols);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),	    cmocka_unit_test(test_cut),
		cmocka_unit_test(test_nonsense),    cmocka_unit_test(test_section),
		cmocka_unit_test(test_own_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
