#include "common/code_refs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The encodings below were read back by llvm-mc, those of loong64 by `go tool objdump`. */

static void expect(const struct code_refs *refs, size_t i, enum code_ref_kind kind, unsigned size,
		   uint64_t at, uint64_t target)
{
	assert_true(i < refs->count);
	assert_int_equal(refs->items[i].kind, kind);
	assert_int_equal(refs->items[i].size, size);
	assert_int_equal(refs->items[i].at, at);
	assert_int_equal(refs->items[i].target, target);
}

static void test_amd64(void **state)
{
	static const uint8_t code[] = {
		0x48, 0x8b, 0x05, 0x00, 0x01, 0x00, 0x00,	      /* mov 0x100(%rip),%rax */
		0x89, 0x0d, 0xf0, 0xff, 0xff, 0xff,		      /* mov %ecx,-0x10(%rip) */
		0x48, 0x8d, 0x1d, 0x08, 0x00, 0x00, 0x00,	      /* lea 8(%rip),%rbx */
		0xff, 0x05, 0x20, 0x00, 0x00, 0x00,		      /* incl 0x20(%rip) */
		0x83, 0x3d, 0x20, 0x00, 0x00, 0x00, 0x05,	      /* cmpl $5,0x20(%rip) */
		0xe8, 0x10, 0x00, 0x00, 0x00,			      /* call +0x10 */
		0x48, 0x8b, 0x43, 0x10,				      /* mov 0x10(%rbx),%rax */
		0x48, 0xc7, 0x05, 0x30, 0x00, 0x00, 0x00, 1, 0, 0, 0, /* movq $1,0x30(%rip) */
	};
	struct code_refs refs = {0};

	(void)state;
	code_refs_collect(GO_ARCH_AMD64, code, sizeof(code), 0x400000, &refs);
	assert_int_equal(refs.count, 7);
	expect(&refs, 0, CODE_REF_LOAD, 8, 0x400000, 0x400107);
	expect(&refs, 1, CODE_REF_STORE, 4, 0x400007, 0x3ffffd);
	expect(&refs, 2, CODE_REF_ADDRESS, 0, 0x40000d, 0x40001c);
	expect(&refs, 3, CODE_REF_UPDATE, 4, 0x400014, 0x40003a);
	expect(&refs, 4, CODE_REF_LOAD, 4, 0x40001a, 0x400041);
	expect(&refs, 5, CODE_REF_CALL, 0, 0x400021, 0x400036);
	/* The immediate counts as part of the instruction. */
	expect(&refs, 6, CODE_REF_STORE, 8, 0x40002a, 0x400065);
	code_refs_free(&refs);
}

static void test_arm64(void **state)
{
	static const uint32_t code[] = {
		0xb000001b, /* adrp x27, +1 page */
		0xf9400f60, /* ldr x0, [x27, #24] */
		0xb000001b, /* adrp x27, +1 page */
		0x91008361, /* add x1, x27, #32 */
		0xf0ffffe2, /* adrp x2, -1 page */
		0xb9000443, /* str w3, [x2, #4] */
		0xc8dffc24, /* ldar x4, [x1] */
		0x94000010, /* bl +0x40 */
		0xf9400c20, /* ldr x0, [x1, #24]: x1 is no longer known */
		0x90000005, /* adrp x5, here */
		0xa94118a7, /* ldp x7, x6, [x5, #16] */
		0xd2800005, /* mov x5, #0 */
		0xf94000a6, /* ldr x6, [x5] */
	};
	struct code_refs refs = {0};

	(void)state;
	code_refs_collect(GO_ARCH_ARM64, (const uint8_t *)code, sizeof(code), 0x10ff8, &refs);
	assert_int_equal(refs.count, 7);
	expect(&refs, 0, CODE_REF_LOAD, 8, 0x10ffc, 0x11018);
	expect(&refs, 1, CODE_REF_ADDRESS, 0, 0x11004, 0x12020);
	expect(&refs, 2, CODE_REF_STORE, 4, 0x1100c, 0x10004);
	expect(&refs, 3, CODE_REF_LOAD, 8, 0x11010, 0x12020);
	expect(&refs, 4, CODE_REF_CALL, 0, 0x11014, 0x11054);
	expect(&refs, 5, CODE_REF_LOAD, 8, 0x11020, 0x11010);
	expect(&refs, 6, CODE_REF_LOAD, 8, 0x11020, 0x11018);
	code_refs_free(&refs);
}

static void test_loong64(void **state)
{
	static const uint32_t code[] = {
		0x1a00003e, /* pcalau12i $r30, 1 */
		0x28c063c4, /* ld.d $r4, $r30, 24 */
		0x1a00003e, /* pcalau12i $r30, 1 */
		0x02c083c5, /* addi.d $r5, $r30, 32 */
		0x1bffffe6, /* pcalau12i $r6, -1 */
		0x298010c7, /* st.w $r7, $r6, 4 */
		0x54004000, /* bl +0x40 */
		0x28c000a4, /* ld.d $r4, $r5, 0: $r5 is no longer known */
		0x1c000026, /* pcaddu12i $r6, 1 */
		0x2a8010c8, /* ld.wu $r8, $r6, 4 */
		0x57ffcfff, /* bl -0x34 */
	};
	struct code_refs refs = {0};

	(void)state;
	code_refs_collect(GO_ARCH_LOONG64, (const uint8_t *)code, sizeof(code), 0x10ff8, &refs);
	assert_int_equal(refs.count, 6);
	expect(&refs, 0, CODE_REF_LOAD, 8, 0x10ffc, 0x11018);
	expect(&refs, 1, CODE_REF_ADDRESS, 0, 0x11004, 0x12020);
	expect(&refs, 2, CODE_REF_STORE, 4, 0x1100c, 0x10004);
	expect(&refs, 3, CODE_REF_CALL, 0, 0x11010, 0x11050);
	/* Counted from the instruction itself, not from its page. */
	expect(&refs, 4, CODE_REF_LOAD, 4, 0x1101c, 0x1201c);
	expect(&refs, 5, CODE_REF_CALL, 0, 0x11020, 0x10fec);
	code_refs_free(&refs);
}

/* Bytes that are no code, and code that ends within an instruction. */
static void test_nonsense(void **state)
{
	static const enum go_arch archs[] = {GO_ARCH_UNKNOWN, GO_ARCH_AMD64, GO_ARCH_ARM64,
					     GO_ARCH_LOONG64};
	uint8_t bytes[512];

	(void)state;
	for (unsigned seed = 0; seed < 64; seed++) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)((i * 2654435761u + seed * 40503u) >> (seed % 24));
		for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
			struct code_refs refs = {0};

			code_refs_collect(archs[i], bytes, sizeof(bytes) - seed, UINT64_MAX - 256,
					  &refs);
			assert_true(refs.count <= 2 * sizeof(bytes));
			code_refs_free(&refs);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_amd64),
		cmocka_unit_test(test_arm64),
		cmocka_unit_test(test_loong64),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
