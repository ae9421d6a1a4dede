#include "common/placement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define R(n) (UINT64_C(1) << (n))

enum { AX = 0, CX = 1, BX = 3, R14 = 14 };

static struct code decode(enum go_arch id, const uint8_t *bytes, size_t len)
{
	struct code code;

	assert_null(code_decode_bytes(arch_get(id), bytes, len, 0x1000, &code));
	assert_true(code.complete);
	return code;
}

/* The place in the function for this need; fails the test where there is none. */
static struct place find(enum go_arch id, const uint8_t *bytes, size_t len,
			 const struct place_need *need)
{
	struct code code = decode(id, bytes, len);
	struct place place;

	assert_null(placement_find(&code, need, &place));
	assert_non_null(place.reason);
	free(place.reason);
	place.reason = NULL;
	code_free(&code);
	return place;
}

static void assert_place(struct place place, uint64_t offset, enum placement kind)
{
	if (place.address != 0x1000 + offset || place.placement != kind)
		fail_msg("at +0x%llx, %s; wanted +0x%llx, %s",
			 (unsigned long long)(place.address - 0x1000),
			 placement_name(place.placement), (unsigned long long)offset,
			 placement_name(kind));
	assert_int_equal(place.filter != NULL, kind == PLACE_EMULATED_TWICE);
}

/* The restart of amd64 functions: spill, morestack, reload, jump to the first byte at -back. */
#define RESTART(back)                                                                             \
	0x48, 0x89, 0x44, 0x24, 0x08, 0xe8, 0x00, 0x10, 0x00, 0x00, 0x48, 0x8b, 0x44, 0x24, 0x08, \
		0xeb, (uint8_t)(0x100 - (back))

/* Go 1.21 and later. */
static const uint8_t modern[] = {
	0x49,	       0x3b, 0x66, 0x10, /* +0 cmp 0x10(%r14),%rsp */
	0x76,	       0x0d,		 /* +4 jbe +0x13 */
	0x55,				 /* +6 push %rbp */
	0x48,	       0x89, 0xe5,	 /* +7 mov %rsp,%rbp */
	0x48,	       0x83, 0xec, 0x10, /* +a sub $0x10,%rsp */
	0x90,				 /* +e nop */
	0x31,	       0xc0,		 /* +f xor %eax,%eax */
	0x90,				 /* +11 nop */
	0xc3,				 /* +12 ret */
	RESTART(0x24),			 /* +13 */
};

static void test_modern(void **state)
{
	struct place_need need = {.regs = R(AX), .g_reg = R14, .g = true};
	struct place place = find(GO_ARCH_AMD64, modern, sizeof(modern), &need);

	(void)state;
	assert_place(place, 6, PLACE_EMULATED_ONCE);
	assert_int_equal(place.sp_offset, 0);
	assert_int_equal(place.g_reg, R14);
	assert_false(place.frame);
	/* For a call chain the frame had better be set up; the second nop comes after a change of
	 * the argument. */
	need.chain = true;
	place = find(GO_ARCH_AMD64, modern, sizeof(modern), &need);
	assert_place(place, 0xe, PLACE_EMULATED_ONCE);
	assert_int_equal(place.sp_offset, -0x18);
	assert_true(place.frame);
}

static void test_arguments_intact(void **state)
{
	static const uint8_t code[] = {
		0x49,	       0x3b, 0x66, 0x10, /* +0 cmp 0x10(%r14),%rsp */
		0x76,	       0x0d,		 /* +4 jbe +0x13 */
		0x89,	       0xc3,		 /* +6 mov %eax,%ebx */
		0x48,	       0x89, 0x03,	 /* +8 mov %rax,(%rbx): not the stack */
		0x90,				 /* +b nop */
		0x48,	       0x8b, 0x09,	 /* +c mov (%rcx),%rcx */
		0x90,				 /* +f nop */
		0x90,	       0x90, 0xc3,	 /* +10 */
		RESTART(0x24),
	};
	struct place_need need = {.regs = R(BX), .g_reg = R14};

	(void)state;
	/* BX is lost at once, and after a store nothing that was fetched through memory holds. */
	assert_place(find(GO_ARCH_AMD64, code, sizeof(code), &need), 4, PLACE_EMULATED_TWICE);
	need.regs = R(AX);
	assert_place(find(GO_ARCH_AMD64, code, sizeof(code), &need), 4, PLACE_EMULATED_TWICE);
}

/* Go 1.17 to 1.20: no push. */
static void test_middle(void **state)
{
	static const uint8_t code[] = {
		0x49,	       0x3b, 0x66, 0x10,	  /* +0 cmp 0x10(%r14),%rsp */
		0x0f,	       0x86, 0x11, 0,	 0,    0, /* +4 jbe +0x1b */
		0x48,	       0x83, 0xec, 0x30,	  /* +a sub $0x30,%rsp */
		0x48,	       0x89, 0x6c, 0x24, 0x28,	  /* +e mov %rbp,0x28(%rsp) */
		0x48,	       0x8d, 0x6c, 0x24, 0x28,	  /* +13 lea 0x28(%rsp),%rbp */
		0x74,	       0x00,			  /* +18 je +0x1a */
		0xc3,					  /* +1a */
		RESTART(0x2c),				  /* +1b */
	};
	struct place_need need = {.regs = R(AX) | R(BX), .g_reg = R14, .chain = true};
	struct place place = find(GO_ARCH_AMD64, code, sizeof(code), &need);

	(void)state;
	assert_place(place, 0x18, PLACE_EMULATED_ONCE);
	assert_int_equal(place.sp_offset, -0x30);
	assert_true(place.frame);
	/* A condition in the middle is passed at most once, what follows it perhaps never. */
}

/* The emulated instruction is in a loop: the check with its filter is the better place. */
static void test_loop(void **state)
{
	static const uint8_t code[] = {
		0x49,	       0x3b, 0x66, 0x10, /* +0 cmp 0x10(%r14),%rsp */
		0x76,	       0x0a,		 /* +4 jbe +0x10 */
		0x48,	       0x83, 0xec, 0x10, /* +6 sub $0x10,%rsp */
		0x90,				 /* +a nop */
		0xff,	       0xc9,		 /* +b dec %ecx */
		0x75,	       0xfb,		 /* +d jne +0xa */
		0xc3,				 /* +f ret */
		RESTART(0x21),
	};
	struct place_need need = {.regs = R(AX), .g_reg = R14};
	struct place place = find(GO_ARCH_AMD64, code, sizeof(code), &need);

	(void)state;
	assert_place(place, 4, PLACE_EMULATED_TWICE);
	assert_string_equal(place.filter, "!(flags & 0x41)");
	assert_int_equal(place.filter_reg, ARCH_FLAGS);
	/* On g0 nothing restarts, and no filter is needed. */
	need.on_g0 = true;
	assert_place(find(GO_ARCH_AMD64, code, sizeof(code), &need), 4, PLACE_EMULATED_ONCE);
}

/* A jump whose targets are not known might lead anywhere past the frame's set-up. */
static void test_jump_table(void **state)
{
	static const uint8_t code[] = {
		0x49,	       0x3b, 0x66, 0x10, /* +0 cmp 0x10(%r14),%rsp */
		0x76,	       0x0b,		 /* +4 jbe +0x11 */
		0x55,				 /* +6 push %rbp */
		0x48,	       0x89, 0xe5,	 /* +7 mov %rsp,%rbp */
		0x90,				 /* +a nop */
		0xff,	       0x24, 0xd1,	 /* +b jmp *(%rcx,%rdx,8) */
		0x90,	       0x90, 0xc3,	 /* +e */
		RESTART(0x22),
	};
	struct place_need need = {.regs = R(AX), .g_reg = R14, .chain = true};

	(void)state;
	assert_place(find(GO_ARCH_AMD64, code, sizeof(code), &need), 6, PLACE_EMULATED_ONCE);
}

static void test_no_check(void **state)
{
	static const uint8_t nosplit[] = {0x55, 0x48, 0x89, 0xe5, 0x90, 0xc3};
	/* A branch early on is no stack check unless it leads to a restart. */
	static const uint8_t branch[] = {0x48, 0x85, 0xc0, 0x74, 0x01, 0xc3, 0x90, 0xc3};
	/* Nothing is concluded past a pop of what the function has not pushed. */
	static const uint8_t pops[] = {0x48, 0x89, 0xc3, 0x5d, 0x90, 0xc3};
	struct place_need need = {.regs = R(AX), .g_reg = R14};
	struct code code;

	(void)state;
	assert_place(find(GO_ARCH_AMD64, pops, sizeof(pops), &need), 0, PLACE_STEPPED_ONCE);
	assert_place(find(GO_ARCH_AMD64, nosplit, sizeof(nosplit), &need), 0, PLACE_EMULATED_ONCE);
	code = decode(GO_ARCH_AMD64, branch, sizeof(branch));
	assert_int_equal(placement_stack_check(&code).branch, -1);
	code_free(&code);
	assert_place(find(GO_ARCH_AMD64, branch, sizeof(branch), &need), 3, PLACE_EMULATED_ONCE);
}

/* Go 1.16: g from TLS, arguments on the stack. */
static void test_stack_abi(void **state)
{
	static const uint8_t code[] = {
		0x64, 0x48, 0x8b, 0x0c, 0x25, 0xf8, 0xff, 0xff, 0xff, /* +0 mov %fs:-8,%rcx */
		0x48, 0x3b, 0x61, 0x10,				      /* +9 cmp 0x10(%rcx),%rsp */
		0x76, 0x1a,					      /* +d jbe +0x29 */
		0x48, 0x83, 0xec, 0x18,				      /* +f sub $0x18,%rsp */
		0x90,						      /* +13 nop */
		0x48, 0x89, 0x44, 0x24, 0x28,			      /* +14 mov %rax,0x28(%rsp) */
		0x90,						      /* +19 nop */
		0x31, 0xc9,					      /* +1a xor %ecx,%ecx */
		0x90,						      /* +1c nop */
		0xc3,						      /* +1d ret */
		0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, /* +1e */
		0xe8, 0x00, 0x10, 0x00, 0x00, /* +29 call morestack */
		0xeb, 0xd0,		      /* +2e jmp +0 */
	};
	struct place_need need = {.stack_args = true, .g = true, .g_reg = -1};
	struct place place = find(GO_ARCH_AMD64, code, sizeof(code), &need);

	(void)state;
	assert_place(place, 0x13, PLACE_EMULATED_ONCE);
	assert_int_equal(place.g_reg, CX);
	assert_int_equal(place.sp_offset, -0x18);
}

static void test_entry_is_the_last_resort(void **state)
{
	/* lea changes AX before the check, as in large frames up to 1.16. */
	static const uint8_t code[] = {
		0x48, 0x8d, 0x44, 0x24, 0xf8, /* +0 lea -8(%rsp),%rax */
		0x48, 0x3b, 0x41, 0x10,	      /* +5 cmp 0x10(%rcx),%rax */
		0x76, 0x01,		      /* +9 jbe +0xc */
		0xc3,			      /* +b ret */
		0xe8, 0x00, 0x10, 0x00, 0x00, /* +c call morestack */
		0xeb, 0xed,		      /* +11 jmp +0 */
	};
	static const uint8_t refused[] = {0xf0, 0xff, 0x00, 0xc3}; /* lock incl (%rax) */
	struct place_need need = {.regs = R(AX), .g_reg = R14};
	struct code function;
	struct place place;
	struct error *err;

	(void)state;
	assert_place(find(GO_ARCH_AMD64, code, sizeof(code), &need), 0, PLACE_ENTRY);
	need.regs = R(CX);
	assert_place(find(GO_ARCH_AMD64, code, sizeof(code), &need), 9, PLACE_EMULATED_TWICE);
	function = decode(GO_ARCH_AMD64, refused, sizeof(refused));
	err = placement_find(&function, &need, &place);
	assert_non_null(err);
	error_free(err);
	code_free(&function);
}

/* No emulated instruction in reach and a check that tells nothing: single-stepping it is. */
static void test_stepped(void **state)
{
	static const uint8_t code[] = {
		0x49, 0x3b, 0x66, 0x10, /* +0 cmp 0x10(%r14),%rsp */
		0x7e, 0x04,		/* +4 jle +0xa, not a form of any Go */
		0x48, 0x89, 0xc3,	/* +6 mov %rax,%rbx */
		0xc3,			/* +9 ret */
		0xe8, 0x00, 0x10, 0x00, 0x00, 0xeb, 0xef,
	};
	struct place_need need = {.regs = R(AX) | R(BX), .g_reg = R14};

	(void)state;
	assert_place(find(GO_ARCH_AMD64, code, sizeof(code), &need), 6, PLACE_STEPPED_ONCE);
}

static void test_arm64(void **state)
{
	static const uint8_t code[] = {
		0x90, 0x0b, 0x40, 0xf9, /* +0 ldr x16,[x28,#16] */
		0xff, 0x63, 0x30, 0xeb, /* +4 cmp sp,x16 */
		0xe9, 0x00, 0x00, 0x54, /* +8 b.ls +0x24 */
		0xfe, 0x0f, 0x1d, 0xf8, /* +c str x30,[sp,#-48]! */
		0xfd, 0x83, 0x1f, 0xf8, /* +10 stur x29,[sp,#-8] */
		0xfd, 0x23, 0x00, 0xd1, /* +14 sub x29,sp,#8 */
		0x1f, 0x20, 0x03, 0xd5, /* +18 nop */
		0x80, 0x0c, 0x00, 0xb0, /* +1c adrp x0 */
		0xc0, 0x03, 0x5f, 0xd6, /* +20 ret */
		0xe3, 0x03, 0x1e, 0xaa, /* +24 mov x3,x30 */
		0x00, 0x10, 0x00, 0x94, /* +28 bl morestack */
		0xf5, 0xff, 0xff, 0x17, /* +2c b +0 */
	};
	uint8_t plain[sizeof(code)];
	struct place_need need = {.regs = R(0), .g_reg = 28, .g = true, .chain = true};
	struct place place = find(GO_ARCH_ARM64, code, sizeof(code), &need);

	(void)state;
	/* adrp is emulated by every kernel, nop by new ones only. */
	assert_place(place, 0x1c, PLACE_EMULATED_ONCE);
	assert_int_equal(place.sp_offset, -48);
	assert_true(place.frame && place.link);
	/* ldrb w0,[x0,#10] in the place of adrp leaves only the check: C set and Z clear go on. */
	memcpy(plain, code, sizeof(code));
	memcpy(plain + 0x1c, "\x00\x28\x40\x39", 4);
	place = find(GO_ARCH_ARM64, plain, sizeof(plain), &need);
	assert_place(place, 8, PLACE_EMULATED_TWICE);
	assert_string_equal(place.filter, "flags & 0x20000000 && !(flags & 0x40000000)");
	need.regs = R(16);
	need.chain = false;
	assert_place(find(GO_ARCH_ARM64, code, sizeof(code), &need), 0, PLACE_ENTRY);
}

static void test_loong64(void **state)
{
	/* 1.19 to 1.21: the check's branch goes on, the restart follows it. */
	static const uint8_t old[] = {
		0xd3, 0x42, 0xc0, 0x28, /* +0 ld.d r19,r22,16 */
		0x73, 0x8e, 0x12, 0x00, /* +4 sltu r19,r19,r3 */
		0x60, 0x12, 0x00, 0x5c, /* +8 bne r19,r0,+0x18 */
		0x25, 0x00, 0x15, 0x00, /* +c move r5,r1 */
		0x00, 0x40, 0xba, 0x57, /* +10 bl morestack */
		0xff, 0xef, 0xff, 0x53, /* +14 b +0x0 */
		0x61, 0x60, 0xff, 0x29, /* +18 st.d r1,r3,-40 */
		0x63, 0x60, 0xff, 0x02, /* +1c addi.d r3,r3,-40 */
		0xe4, 0x33, 0x00, 0x1c, /* +20 pcaddu12i r4 */
		0x20, 0x00, 0x00, 0x4c, /* +24 ret */
	};
	struct place_need need = {.regs = R(4), .g_reg = 22, .g = true};
	struct code code = decode(GO_ARCH_LOONG64, old, sizeof(old));
	struct stack_check check = placement_stack_check(&code);
	struct place place;

	(void)state;
	assert_int_equal(check.branch, 2);
	assert_int_equal(check.body, 6);
	assert_true(check.taken_goes_on);
	code_free(&code);
	place = find(GO_ARCH_LOONG64, old, sizeof(old), &need);
	assert_place(place, 0x20, PLACE_EMULATED_ONCE);
	assert_int_equal(place.sp_offset, -40);
	assert_true(place.link);
	assert_false(place.frame);
	/* Without an emulated instruction in the body the check itself, which r19 decides. */
	place = find(GO_ARCH_LOONG64, old, 0x20, &need);
	assert_place(place, 8, PLACE_EMULATED_TWICE);
	assert_string_equal(place.filter, "flags != 0");
	assert_int_equal(place.filter_reg, 19);
}

static void test_calls(void **state)
{
	static const uint8_t bytes[] = {
		0xe8, 0x00, 0x10, 0x00, 0x00, /* +0 call 0x2005 */
		0x90,			      /* +5 nop */
		0xe8, 0xfa, 0x0f, 0x00, 0x00, /* +6 call 0x2005 */
		0x48, 0x89, 0xc3,	      /* +b mov %rax,%rbx */
		0xe8, 0x00, 0x20, 0x00, 0x00, /* +e call 0x3013 */
	};
	struct code code = decode(GO_ARCH_AMD64, bytes, sizeof(bytes));
	struct place place;

	(void)state;
	assert_true(placement_call(&code, 0x2005, 0, &place));
	assert_place(place, 0, PLACE_EMULATED_ONCE);
	free(place.reason);
	assert_true(placement_after_call(&code, place.index, R(AX), &place));
	assert_place(place, 5, PLACE_EMULATED_ONCE);
	free(place.reason);
	assert_true(placement_call(&code, 0x2005, 1, &place));
	assert_place(place, 6, PLACE_EMULATED_ONCE);
	free(place.reason);
	assert_true(placement_after_call(&code, place.index, R(AX), &place));
	/* The next call is emulated, and AX is still the result there. */
	assert_place(place, 0xe, PLACE_EMULATED_ONCE);
	free(place.reason);
	assert_true(placement_after_call(&code, code_index(&code, 0x1006), R(BX), &place));
	assert_place(place, 0xb, PLACE_STEPPED_ONCE);
	free(place.reason);
	assert_false(placement_call(&code, 0x2005, 2, &place));
	assert_false(placement_call(&code, 0x2004, 0, &place));
	assert_true(placement_call(&code, 0x3013, 0, &place));
	free(place.reason);
	/* Nothing follows the last call. */
	assert_false(placement_after_call(&code, place.index, R(AX), &place));
	code_free(&code);
}

/* Whatever the bytes: a place is at the start of an instruction, inside the function. */
static void test_hostile(void **state)
{
	static const enum go_arch ids[] = {GO_ARCH_AMD64, GO_ARCH_ARM64, GO_ARCH_LOONG64};

	(void)state;
	srand(2);
	for (int round = 0; round < 20000; round++) {
		struct place_need need = {.regs = (uint64_t)rand(),
					  .g_reg = rand() % 3 ? 14 : -1,
					  .g = rand() & 1,
					  .stack_args = rand() & 1,
					  .on_g0 = rand() & 1,
					  .chain = rand() & 1};
		uint8_t bytes[sizeof(modern)];
		struct place place;
		struct error *err;
		struct code code;

		memcpy(bytes, modern, sizeof(bytes));
		for (int n = rand() % 6; n; n--)
			bytes[rand() % (int)sizeof(bytes)] = (uint8_t)rand();
		if (round % 3)
			for (size_t i = 0; i < sizeof(bytes); i++)
				bytes[i] = (uint8_t)rand();
		err = code_decode_bytes(arch_get(ids[round % 3]), bytes, sizeof(bytes), 0x1000,
					&code);
		if (!err) {
			err = placement_find(&code, &need, &place);
			if (!err) {
				assert_int_equal(code_index(&code, place.address), place.index);
				free(place.reason);
			}
		}
		error_free(err);
		code_free(&code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modern),	   cmocka_unit_test(test_arguments_intact),
		cmocka_unit_test(test_middle),	   cmocka_unit_test(test_loop),
		cmocka_unit_test(test_jump_table), cmocka_unit_test(test_no_check),
		cmocka_unit_test(test_stack_abi),  cmocka_unit_test(test_entry_is_the_last_resort),
		cmocka_unit_test(test_stepped),	   cmocka_unit_test(test_arm64),
		cmocka_unit_test(test_loong64),	   cmocka_unit_test(test_calls),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
