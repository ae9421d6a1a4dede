#include "common/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define R(n)  (UINT64_C(1) << (n))
#define FLAGS R(ARCH_FLAGS)
#define ANY   UINT64_MAX

/*
 * What each instruction does, from the architecture manuals; the bytes are what Go compilers wrote
 * (the assembly beside them is `go tool objdump -gnu`).
 */
struct expected {
	const char *text; /* as our decoder says it */
	uint8_t bytes[12];
	unsigned size;
	enum insn_kind kind;
	uint64_t writes;
	int64_t sp_change;
	bool stores, stack, frame;
	bool unknown;
};

static const struct expected amd64[] = {
	{"cmpq 0x10(%r14), %rsp", {0x49, 0x3b, 0x66, 0x10}, 4, INSN_OTHER, FLAGS, 0, 0, 0, 0, 0},
	{"jbe 0x1086", {0x0f, 0x86, 0x80, 0, 0, 0}, 6, INSN_BRANCH, 0, 0, 0, 0, 0, 0},
	{"pushq %rbp", {0x55}, 1, INSN_PUSH, 0, -8, 0, 0, 0, 0},
	{"pushq %r12", {0x41, 0x54}, 2, INSN_PUSH, 0, -8, 0, 0, 0, 0},
	{"movq %rsp, %rbp", {0x48, 0x89, 0xe5}, 3, INSN_OTHER, R(5), 0, 0, 0, 1, 0},
	{"subq $0x28, %rsp", {0x48, 0x83, 0xec, 0x28}, 4, INSN_OTHER, FLAGS, -0x28, 0, 0, 0, 0},
	{"addq $-0x80, %rsp", {0x48, 0x83, 0xc4, 0x80}, 4, INSN_OTHER, FLAGS, -0x80, 0, 0, 0, 0},
	{"movq %rbp, 0x20(%rsp)", {0x48, 0x89, 0x6c, 0x24, 0x20}, 5, INSN_OTHER, 0, 0, 1, 1, 0, 0},
	{"leaq 0x20(%rsp), %rbp",
	 {0x48, 0x8d, 0x6c, 0x24, 0x20},
	 5,
	 INSN_OTHER,
	 R(5),
	 0,
	 0,
	 0,
	 1,
	 0},
	{"leaq -0x130(%rsp), %r12",
	 {0x4c, 0x8d, 0xa4, 0x24, 0xd0, 0xfe, 0xff, 0xff},
	 8,
	 INSN_OTHER,
	 R(12),
	 0,
	 0,
	 0,
	 0,
	 0},
	{"nop", {0x90}, 1, INSN_NOP, 0, 0, 0, 0, 0, 0},
	{"nop", {0x66, 0x90}, 2, INSN_NOP, 0, 0, 0, 0, 0, 0},
	/* The kernel emulates one-byte nops only (and optimises the five-byte one since 6.18). */
	{"nopl (%rax)", {0x0f, 0x1f, 0x00}, 3, INSN_OTHER, 0, 0, 0, 0, 0, 0},
	{"movzbl 0xa(%rax), %edx", {0x0f, 0xb6, 0x50, 0x0a}, 4, INSN_OTHER, R(2), 0, 0, 0, 0, 0},
	{"incl 0x108(%rdx)", {0xff, 0x82, 0x08, 0x01, 0, 0}, 6, INSN_OTHER, FLAGS, 0, 1, 0, 0, 0},
	{"movb $1, %cl", {0xb1, 0x01}, 2, INSN_OTHER, R(1), 0, 0, 0, 0, 0},
	{"xchgl %eax, (%rcx)", {0x87, 0x01}, 2, INSN_OTHER, ANY, 0, 1, 0, 0, 1},
	{"lock cmpxchgl %edx, (%rbx)",
	 {0xf0, 0x0f, 0xb1, 0x13},
	 4,
	 INSN_REFUSED,
	 ANY,
	 0,
	 1,
	 0,
	 0,
	 1},
	{"int3", {0xcc}, 1, INSN_REFUSED, ANY, 0, 0, 0, 0, 1},
	{"ud2", {0x0f, 0x0b}, 2, INSN_REFUSED, ANY, 0, 0, 0, 0, 1},
	{"callq 0x1060", {0xe8, 0x5b, 0, 0, 0}, 5, INSN_CALL, ANY, 0, 0, 0, 0, 1},
	{"callq *%rsi", {0xff, 0xd6}, 2, INSN_CALL_INDIRECT, ANY, 0, 0, 0, 0, 1},
	{"jmpq *(%rcx, %rdx, 8)", {0xff, 0x24, 0xd1}, 3, INSN_JUMP_INDIRECT, ANY, 0, 0, 0, 0, 1},
	{"jmp 0x1014", {0xeb, 0x12}, 2, INSN_JUMP, 0, 0, 0, 0, 0, 0},
	{"retq", {0xc3}, 1, INSN_RETURN, ANY, 0, 0, 0, 0, 1},
	{"popq %rbp", {0x5d}, 1, INSN_OTHER, R(5), 8, 0, 0, 0, 0},
};

static const struct expected arm64[] = {
	{"ldr x16, [x28, #0x10]", {0x90, 0x0b, 0x40, 0xf9}, 4, INSN_OTHER, R(16), 0, 0, 0, 0, 0},
	{"cmp sp, x16", {0xff, 0x63, 0x30, 0xeb}, 4, INSN_OTHER, FLAGS, 0, 0, 0, 0, 0},
	{"b.ls #0x1090", {0x89, 0x04, 0x00, 0x54}, 4, INSN_BRANCH, 0, 0, 0, 0, 0, 0},
	{"str x30, [sp, #-0x30]!", {0xfe, 0x0f, 0x1d, 0xf8}, 4, INSN_OTHER, 0, -0x30, 1, 1, 0, 0},
	{"stur x29, [sp, #-8]", {0xfd, 0x83, 0x1f, 0xf8}, 4, INSN_OTHER, 0, 0, 1, 1, 0, 0},
	{"sub x29, sp, #8", {0xfd, 0x23, 0x00, 0xd1}, 4, INSN_OTHER, R(29), 0, 0, 0, 1, 0},
	{"sub x17, sp, #0x140", {0xf1, 0x03, 0x05, 0xd1}, 4, INSN_OTHER, R(17), 0, 0, 0, 0, 0},
	{"stp x29, x30, [x20, #-8]", {0x9d, 0xfa, 0x3f, 0xa9}, 4, INSN_OTHER, 0, 0, 1, 0, 0, 0},
	{"mov sp, x20", {0x9f, 0x02, 0x00, 0x91}, 4, INSN_OTHER, ANY, 0, 0, 0, 0, 1},
	{"nop", {0x1f, 0x20, 0x03, 0xd5}, 4, INSN_NOP, 0, 0, 0, 0, 0, 0},
	{"adrp x0, #0x192000", {0x80, 0x0c, 0x00, 0xb0}, 4, INSN_PC_RELATIVE, R(0), 0, 0, 0, 0, 0},
	{"cbz x0, #0x1164", {0x20, 0x0b, 0x00, 0xb4}, 4, INSN_BRANCH, 0, 0, 0, 0, 0, 0},
	{"ldp x0, x1, [sp, #8]",
	 {0xe0, 0x87, 0x40, 0xa9},
	 4,
	 INSN_OTHER,
	 R(0) | R(1),
	 0,
	 0,
	 0,
	 0,
	 0},
	{"ldrb w5, [x0, #0xa]", {0x05, 0x28, 0x40, 0x39}, 4, INSN_OTHER, R(5), 0, 0, 0, 0, 0},
	{"ldaxr w0, [x1]", {0x20, 0xfc, 0x5f, 0x88}, 4, INSN_REFUSED, ANY, 0, 0, 0, 0, 1},
	{"brk #0", {0x00, 0x00, 0x20, 0xd4}, 4, INSN_REFUSED, ANY, 0, 0, 0, 0, 1},
	{"ret", {0xc0, 0x03, 0x5f, 0xd6}, 4, INSN_RETURN, ANY, 0, 0, 0, 0, 1},
};

static const struct expected loong64[] = {
	{"ld.d r19, r22, 16", {0xd3, 0x42, 0xc0, 0x28}, 4, INSN_OTHER, R(19), 0, 0, 0, 0, 0},
	{"sltu r19, r19, r3", {0x73, 0x8e, 0x12, 0x00}, 4, INSN_OTHER, R(19), 0, 0, 0, 0, 0},
	{"bne r19, r0, 0x1010", {0x60, 0x12, 0x00, 0x5c}, 4, INSN_BRANCH, 0, 0, 0, 0, 0, 0},
	{"beqz r20, 0x109c", {0x80, 0x9e, 0x00, 0x40}, 4, INSN_BRANCH, 0, 0, 0, 0, 0, 0},
	{"bl 0x3ca40", {0x00, 0x40, 0xba, 0x57}, 4, INSN_CALL, ANY, 0, 0, 0, 0, 1},
	{"beq r0, r0, 0xfec", {0x00, 0xec, 0xff, 0x5b}, 4, INSN_JUMP, 0, 0, 0, 0, 0, 0},
	{"b 0xf44", {0xff, 0x47, 0xff, 0x53}, 4, INSN_JUMP, 0, 0, 0, 0, 0, 0},
	{"st.d r1, r3, -40", {0x61, 0x60, 0xff, 0x29}, 4, INSN_OTHER, 0, 0, 1, 1, 0, 0},
	{"addi.d r3, r3, -40", {0x63, 0x60, 0xff, 0x02}, 4, INSN_OTHER, R(3), -40, 0, 0, 0, 0},
	{"st.w r4, r5, 0", {0xa4, 0x00, 0x80, 0x29}, 4, INSN_OTHER, 0, 0, 1, 0, 0, 0},
	{"pcaddu12i r4, 415", {0xe4, 0x33, 0x00, 0x1c}, 4, INSN_PC_RELATIVE, R(4), 0, 0, 0, 0, 0},
	{"pcalau12i r4, 480", {0x04, 0x3c, 0x00, 0x1a}, 4, INSN_PC_RELATIVE, R(4), 0, 0, 0, 0, 0},
	{"nop", {0x00, 0x00, 0x40, 0x03}, 4, INSN_NOP, 0, 0, 0, 0, 0, 0},
	{"ld.bu r9, r4, 16", {0x89, 0x40, 0x00, 0x2a}, 4, INSN_OTHER, R(9), 0, 0, 0, 0, 0},
	{"or r5, r1, r0", {0x25, 0x00, 0x15, 0x00}, 4, INSN_OTHER, R(5), 0, 0, 0, 0, 0},
	{".word 0x38720000", {0x00, 0x00, 0x72, 0x38}, 4, INSN_REFUSED, ANY, 0, 0, 0, 0, 1},
	{"jirl r0, r1, 0", {0x20, 0x00, 0x00, 0x4c}, 4, INSN_RETURN, ANY, 0, 0, 0, 0, 1},
};

static void check_table(enum go_arch id, const struct expected *table, size_t n)
{
	const struct arch *arch = arch_get(id);

	for (size_t i = 0; i < n; i++) {
		const struct expected *want = &table[i];
		const struct insn *insn;
		struct code code;
		char *text;

		assert_null(code_decode_bytes(arch, want->bytes, want->size, 0x1000, &code));
		assert_int_equal(code.n, 1);
		assert_true(code.complete);
		insn = &code.insns[0];
		text = code_text(&code, 0);
		assert_string_equal(text, want->text);
		assert_int_equal(insn->size, want->size);
		if (insn->kind != want->kind || insn->known == want->unknown)
			fail_msg("%s: kind %d, wanted %d; known %d", text, insn->kind, want->kind,
				 insn->known);
		/* A push, or a sub of SP, changes SP too; that is in sp_change. */
		if (want->writes != ANY &&
		    (insn->writes & ~R(arch->sp)) != (want->writes & ~R(arch->sp)))
			fail_msg("%s: writes 0x%llx, wanted 0x%llx", text,
				 (unsigned long long)insn->writes,
				 (unsigned long long)want->writes);
		if (!want->unknown) {
			assert_int_equal(insn->sp_change, want->sp_change);
			assert_int_equal(insn->stores, want->stores);
			assert_int_equal(insn->stores_stack, want->stack);
			assert_int_equal(insn->sets_frame, want->frame);
		}
		free(text);
		code_free(&code);
	}
}

static void test_amd64(void **state)
{
	(void)state;
	check_table(GO_ARCH_AMD64, amd64, sizeof(amd64) / sizeof(amd64[0]));
}

static void test_arm64(void **state)
{
	(void)state;
	check_table(GO_ARCH_ARM64, arm64, sizeof(arm64) / sizeof(arm64[0]));
}

static void test_loong64(void **state)
{
	(void)state;
	check_table(GO_ARCH_LOONG64, loong64, sizeof(loong64) / sizeof(loong64[0]));
}

static void test_targets(void **state)
{
	static const uint8_t x86[] = {0x76, 0x02, 0x90, 0x90, 0xeb, 0xfa,
				      0xe8, 0xf5, 0xff, 0xff, 0xff};
	static const uint8_t arm[] = {0x80, 0x00, 0x00, 0xb5, 0xff, 0xff, 0xff, 0x97};
	struct code code;

	(void)state;
	assert_null(code_decode_bytes(arch_get(GO_ARCH_AMD64), x86, sizeof(x86), 0x1000, &code));
	assert_int_equal(code.n, 5);
	assert_int_equal(code.insns[0].target, 0x1004);
	assert_int_equal(code.insns[0].condition, CONDITION_LOWER_SAME);
	assert_int_equal(code.insns[3].target, 0x1000);
	assert_int_equal(code.insns[4].target, 0x1000);
	assert_int_equal(code_index(&code, 0x1006), 4);
	assert_int_equal(code_index(&code, 0x1005), -1);
	assert_int_equal(code_index(&code, 0x100b), -1);
	code_free(&code);
	assert_null(code_decode_bytes(arch_get(GO_ARCH_ARM64), arm, sizeof(arm), 0x1000, &code));
	assert_int_equal(code.insns[0].target, 0x1010);
	assert_int_equal(code.insns[0].condition, CONDITION_NONZERO);
	assert_int_equal(code.insns[0].condition_reg, 0);
	assert_int_equal(code.insns[1].target, 0x1000);
	code_free(&code);
}

/* Before Go 1.17 amd64 code loads g from TLS. */
static void test_tls(void **state)
{
	static const uint8_t exe[] = {0x64, 0x48, 0x8b, 0x0c, 0x25, 0xf8, 0xff, 0xff, 0xff};
	static const uint8_t pie[] = {0x48, 0xc7, 0xc1, 0xf8, 0xff, 0xff,
				      0xff, 0x64, 0x48, 0x8b, 0x09};
	const struct arch *arch = arch_get(GO_ARCH_AMD64);
	struct code code;

	(void)state;
	assert_null(code_decode_bytes(arch, exe, sizeof(exe), 0, &code));
	assert_int_equal(code.insns[0].g_from_tls, 1);
	code_free(&code);
	assert_null(code_decode_bytes(arch, pie, sizeof(pie), 0, &code));
	assert_int_equal(code.n, 2);
	assert_int_equal(code.insns[0].g_from_tls, -1);
	assert_int_equal(code.insns[1].g_from_tls, 1);
	code_free(&code);
}

/* Bytes that are no code: decoding stops and says so, and never reads past the end. */
static void test_hostile(void **state)
{
	static const enum go_arch ids[] = {GO_ARCH_AMD64, GO_ARCH_ARM64, GO_ARCH_LOONG64};
	static const uint8_t cut[] = {0x90, 0x0f, 0x86, 0x80};
	struct code code;
	struct error *err;

	(void)state;
	assert_null(code_decode_bytes(arch_get(GO_ARCH_AMD64), cut, sizeof(cut), 0, &code));
	assert_int_equal(code.n, 1);
	assert_int_equal(code.end, 1);
	assert_false(code.complete);
	code_free(&code);
	err = code_decode_bytes(arch_get(GO_ARCH_AMD64), cut + 1, 3, 0, &code);
	assert_non_null(err);
	error_free(err);
	code_free(&code);
	srand(1);
	for (int round = 0; round < 3000; round++) {
		size_t len = (size_t)(rand() % 64);
		uint8_t *bytes = malloc(len ? len : 1);
		uint64_t next = 0x1000;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)rand();
		err = code_decode_bytes(arch_get(ids[round % 3]), bytes, len, 0x1000, &code);
		for (size_t i = 0; !err && i < code.n; i++) {
			char *text = code_text(&code, i);

			assert_true(code.insns[i].address == next);
			assert_true(code.insns[i].size > 0);
			next += code.insns[i].size;
			free(text);
		}
		assert_true(err || (next == code.end && code.end <= 0x1000 + len));
		error_free(err);
		code_free(&code);
		free(bytes);
	}
}

static void test_arch(void **state)
{
	const struct go_version v117 = {.major = 1, .minor = 17}, v116 = {.major = 1, .minor = 16},
				v121 = {.major = 1, .minor = 21}, v122 = {.major = 1, .minor = 22};
	const struct arch *x86 = arch_get(GO_ARCH_AMD64), *arm = arch_get(GO_ARCH_ARM64),
			  *loong = arch_get(GO_ARCH_LOONG64);

	(void)state;
	assert_null(arch_get(GO_ARCH_UNKNOWN));
	assert_int_equal(arch_abi(x86, &v116), GO_ABI_STACK);
	assert_int_equal(arch_abi(x86, &v117), GO_ABI_REGISTERS);
	assert_int_equal(arch_abi(arm, &v117), GO_ABI_STACK);
	assert_int_equal(arch_abi(loong, &v121), GO_ABI_STACK);
	assert_int_equal(arch_abi(loong, &v122), GO_ABI_REGISTERS);
	assert_true(arch_emulates(x86, INSN_PUSH));
	assert_true(arch_emulates(x86, INSN_BRANCH));
	assert_false(arch_emulates(x86, INSN_RETURN));
	assert_false(arch_emulates(x86, INSN_OTHER));
	/* arm64 emulates nop since 6.13 only: it cannot be relied on. */
	assert_false(arch_emulates(arm, INSN_NOP));
	assert_true(arch_emulates(arm, INSN_PC_RELATIVE));
	assert_true(arch_emulates(loong, INSN_BRANCH));
	assert_false(arch_emulates(loong, INSN_NOP));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_amd64),	cmocka_unit_test(test_arm64),
		cmocka_unit_test(test_loong64), cmocka_unit_test(test_targets),
		cmocka_unit_test(test_tls),	cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_arch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
