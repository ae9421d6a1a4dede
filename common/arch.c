#include "common/arch.h"

#include <elf.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif

/*
 * Sources. Register names: the regoffset_table of arch/ARCH/kernel/ptrace.c (Linux 6.1; LoongArch:
 * 6.3). Go's register assignment: src/cmd/compile/abi-internal.md (Go 1.27), first versions:
 * src/internal/buildcfg/exp.go of each. The oldest kernel that the recorder supports is 4.19.
 */

/*
 * Emulation: arch/x86/kernel/uprobes.c, branch_setup_xol_ops (jmp, jcc, call, nop since 3.16) and
 * push_setup_xol_ops (push since 4.16). Everything else, ret and pop included, is copied
 * out of line and single-stepped.
 */
static const struct arch amd64 = {
	.id = GO_ARCH_AMD64,
	.name = "amd64",
	.reg_names = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8", "r9", "r10", "r11",
		      "r12", "r13", "r14", "r15", [ARCH_FLAGS] = "flags"},
	.perf_regs = {0, 2, 3, 1, 7, 6, 4, 5, 16, 17, 18, 19, 20, 21, 22, 23, [ARCH_FLAGS] = 9},
	.reg_args = {0 /* rax */, 3 /* rbx */, 1 /* rcx */, 7 /* rdi */, 6 /* rsi */, 8, 9, 10, 11},
	.n_reg_args = 9,
	.reg_abi_since = 17,
	.sp = 4,
	.fp = 5,
	.link = -1,
	.g = 14,
	.g_since = 17,
	.stack_args = 8,
	.stack_args_call = 0,
	.insn_align = 1,
	.frame_chain = true,
	.emulated_since = {[INSN_NOP] = "3.16",
			   [INSN_JUMP] = "3.16",
			   [INSN_BRANCH] = "3.16",
			   [INSN_CALL] = "3.16",
			   [INSN_PUSH] = "4.16"},
	.uprobes_since = "3.5",
};

/*
 * Emulation: arch/arm64/kernel/probes/decode-insn.c, arm_probe_decode_insn (b, b.cond, bl, cbz,
 * tbz, adr, adrp, br, blr, ret; the same since uprobes came in 4.10; nop since 6.13).
 */
static const struct arch arm64 = {
	.id = GO_ARCH_ARM64,
	.name = "arm64",
	.reg_names = {"x0",  "x1",  "x2",
		      "x3",  "x4",  "x5",
		      "x6",  "x7",  "x8",
		      "x9",  "x10", "x11",
		      "x12", "x13", "x14",
		      "x15", "x16", "x17",
		      "x18", "x19", "x20",
		      "x21", "x22", "x23",
		      "x24", "x25", "x26",
		      "x27", "x28", "x29",
		      "x30", "sp",  [ARCH_FLAGS] = "pstate"},
	.perf_regs = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
		      16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31},
	.reg_args = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	.n_reg_args = 16,
	.reg_abi_since = 18,
	.sp = 31,
	.fp = 29,
	.link = 30,
	.g = 28,
	.g_since = 0,
	.stack_args = 8,
	.stack_args_call = 8,
	.insn_align = 4,
	.frame_chain = true,
	.emulated_since = {[INSN_NOP] = "6.13",
			   [INSN_JUMP] = "4.10",
			   [INSN_BRANCH] = "4.10",
			   [INSN_CALL] = "4.10",
			   [INSN_JUMP_INDIRECT] = "4.10",
			   [INSN_CALL_INDIRECT] = "4.10",
			   [INSN_RETURN] = "4.10",
			   [INSN_PC_RELATIVE] = "4.10"},
	.uprobes_since = "4.10",
};

/*
 * Emulation: arch/loongarch/kernel/inst.c, insns_need_simulation (branches and the pcadd family;
 * the same since uprobes came in 6.5). R22, the platform's frame pointer, is g in Go.
 */
static const struct arch loong64 = {
	.id = GO_ARCH_LOONG64,
	.name = "loong64",
	.reg_names = {"r0",  "r1",  "r2",  "r3",  "r4",	 "r5",	"r6",  "r7",  "r8",  "r9",  "r10",
		      "r11", "r12", "r13", "r14", "r15", "r16", "r17", "r18", "r19", "r20", "r21",
		      "r22", "r23", "r24", "r25", "r26", "r27", "r28", "r29", "r30", "r31"},
	.perf_regs = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
		      16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31},
	.reg_args = {4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19},
	.n_reg_args = 16,
	.reg_abi_since = 22,
	.sp = 3,
	.fp = -1,
	.link = 1,
	.g = 22,
	.g_since = 0,
	.stack_args = 8,
	.stack_args_call = 8,
	.insn_align = 4,
	.frame_chain = false,
	.emulated_since = {[INSN_JUMP] = "6.5",
			   [INSN_BRANCH] = "6.5",
			   [INSN_CALL] = "6.5",
			   [INSN_JUMP_INDIRECT] = "6.5",
			   [INSN_CALL_INDIRECT] = "6.5",
			   [INSN_RETURN] = "6.5",
			   [INSN_PC_RELATIVE] = "6.5"},
	.uprobes_since = "6.5",
};

const struct arch *arch_get(enum go_arch id)
{
	switch (id) {
	case GO_ARCH_AMD64:
		return &amd64;
	case GO_ARCH_ARM64:
		return &arm64;
	case GO_ARCH_LOONG64:
		return &loong64;
	case GO_ARCH_UNKNOWN:
		break;
	}
	return NULL;
}

int arch_perf_register(const struct arch *arch, const char *name, size_t len)
{
	for (size_t i = 0; i < ARCH_MAX_REGS; i++) {
		if (arch->reg_names[i] && strlen(arch->reg_names[i]) == len &&
		    !strncmp(arch->reg_names[i], name, len))
			return i != ARCH_FLAGS || arch->perf_regs[i] ? arch->perf_regs[i] : -1;
	}
	return -1;
}

enum go_abi arch_abi(const struct arch *arch, const struct go_version *version)
{
	/* A development version (minor -1) is newer than any table. */
	if (version->minor < 0 || version->minor >= arch->reg_abi_since)
		return GO_ABI_REGISTERS;
	return GO_ABI_STACK;
}

static int kernel_number(const char *release)
{
	int major = 0, minor = 0;

	sscanf(release, "%d.%d", &major, &minor);
	return major * 1000 + minor;
}

bool arch_emulates(const struct arch *arch, enum insn_kind kind)
{
	const int oldest = 4019, first = kernel_number(arch->uprobes_since);
	const char *since = arch->emulated_since[kind];

	return since && kernel_number(since) <= (first > oldest ? first : oldest);
}

enum go_arch arch_of_machine(uint16_t machine)
{
	switch (machine) {
	case EM_X86_64:
		return GO_ARCH_AMD64;
	case EM_AARCH64:
		return GO_ARCH_ARM64;
	case EM_LOONGARCH:
		return GO_ARCH_LOONG64;
	default:
		return GO_ARCH_UNKNOWN;
	}
}
