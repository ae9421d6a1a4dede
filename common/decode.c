#include "common/decode.h"

#include "formats/xalloc.h"

#include <capstone/capstone.h>
#include <stdlib.h>
#include <string.h>

/* No Go function that we probe comes near this; it bounds the work on a hostile symbol table. */
enum { MAX_FUNCTION = 256 * 1024 };

#define REG(n) (UINT64_C(1) << (n))

/* --- amd64 --- */

/* Numbers of capstone's registers, sub-registers included; -1 for all others. */
static int amd64_number(unsigned reg)
{
	static const uint16_t legacy[8][5] = {
		{X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL, X86_REG_AH},
		{X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH},
		{X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH},
		{X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH},
		{X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL},
		{X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL},
		{X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL},
		{X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL},
	};

	for (int i = 0; i < 8; i++)
		for (int j = 0; j < 5; j++)
			if (legacy[i][j] && legacy[i][j] == reg)
				return i;
	if (reg >= X86_REG_R8 && reg <= X86_REG_R15)
		return (int)(8 + reg - X86_REG_R8);
	if (reg >= X86_REG_R8D && reg <= X86_REG_R15D)
		return (int)(8 + reg - X86_REG_R8D);
	if (reg >= X86_REG_R8W && reg <= X86_REG_R15W)
		return (int)(8 + reg - X86_REG_R8W);
	if (reg >= X86_REG_R8B && reg <= X86_REG_R15B)
		return (int)(8 + reg - X86_REG_R8B);
	if (reg == X86_REG_EFLAGS)
		return ARCH_FLAGS;
	return -1;
}

/* Instructions whose operands tell all that they do. What is not here ends a straight line. */
static bool amd64_known(unsigned id)
{
	static const uint16_t ids[] = {
		X86_INS_MOV,	X86_INS_MOVABS,	  X86_INS_MOVZX,     X86_INS_MOVSX,
		X86_INS_MOVSXD, X86_INS_LEA,	  X86_INS_ADD,	     X86_INS_SUB,
		X86_INS_AND,	X86_INS_OR,	  X86_INS_XOR,	     X86_INS_CMP,
		X86_INS_TEST,	X86_INS_NEG,	  X86_INS_NOT,	     X86_INS_INC,
		X86_INS_DEC,	X86_INS_SHL,	  X86_INS_SHR,	     X86_INS_SAR,
		X86_INS_NOP,	X86_INS_PUSH,	  X86_INS_POP,	     X86_INS_BT,
		X86_INS_MOVUPS, X86_INS_MOVAPS,	  X86_INS_MOVDQU,    X86_INS_XORPS,
		X86_INS_PXOR,	X86_INS_MOVQ,	  X86_INS_MOVD,	     X86_INS_MOVSD,
		X86_INS_MOVSS,	X86_INS_MULSD,	  X86_INS_ADDSD,     X86_INS_SUBSD,
		X86_INS_DIVSD,	X86_INS_CVTSI2SD, X86_INS_CVTTSD2SI, X86_INS_UCOMISD,
		X86_INS_CMOVE,	X86_INS_CMOVNE,	  X86_INS_CMOVA,     X86_INS_CMOVAE,
		X86_INS_CMOVB,	X86_INS_CMOVBE,	  X86_INS_CMOVG,     X86_INS_CMOVGE,
		X86_INS_CMOVL,	X86_INS_CMOVLE,	  X86_INS_SETE,	     X86_INS_SETNE,
		X86_INS_SETA,	X86_INS_SETAE,	  X86_INS_SETB,	     X86_INS_SETBE,
		X86_INS_SETG,	X86_INS_SETGE,	  X86_INS_SETL,	     X86_INS_SETLE,
	};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		if (ids[i] == id)
			return true;
	return false;
}

/*
 * Bytes decide, as they do in the kernel: a breakpoint is refused after the prefixes es, cs, ss,
 * ds and lock and on instructions that trap, wait or mask exceptions.
 */
static bool amd64_refused(const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		switch (b[i]) {
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0xf0:
			return true;
		case 0x64:
		case 0x65:
		case 0x66:
		case 0x67:
		case 0xf2:
		case 0xf3:
			continue;
		}
		if (b[i] >= 0x40 && b[i] <= 0x4f)
			continue;
		if (b[i] == 0x0f)
			return i + 1 < n && (b[i + 1] == 0x0b || b[i + 1] == 0x05 ||
					     b[i + 1] == 0x34 || b[i + 1] == 0xff);
		return b[i] == 0x17 || (b[i] >= 0x6c && b[i] <= 0x6f) || b[i] == 0x8e ||
		       (b[i] >= 0xcc && b[i] <= 0xcf) || (b[i] >= 0xe4 && b[i] <= 0xe7) ||
		       (b[i] >= 0xec && b[i] <= 0xef) || b[i] == 0xf1 || b[i] == 0xf4 ||
		       b[i] == 0xfa || b[i] == 0xfb;
	}
	return true;
}

static enum insn_kind amd64_kind(const uint8_t *b, size_t n, const cs_insn *cs)
{
	const cs_detail *d = cs->detail;
	bool jump = false, call = false;

	if (amd64_refused(b, n))
		return INSN_REFUSED;
	if ((n == 1 && b[0] == 0x90) || (n == 2 && b[0] == 0x66 && b[1] == 0x90))
		return INSN_NOP;
	if ((n == 1 && b[0] >= 0x50 && b[0] <= 0x57) ||
	    (n == 2 && b[0] == 0x41 && b[1] >= 0x50 && b[1] <= 0x57))
		return INSN_PUSH;
	if (b[0] == 0xeb || b[0] == 0xe9)
		return INSN_JUMP;
	if (b[0] == 0xe8)
		return INSN_CALL;
	if ((b[0] >= 0x70 && b[0] <= 0x7f) ||
	    (n == 6 && b[0] == 0x0f && b[1] >= 0x80 && b[1] <= 0x8f))
		return INSN_BRANCH;
	for (uint8_t i = 0; i < d->groups_count; i++) {
		if (d->groups[i] == CS_GRP_RET || d->groups[i] == CS_GRP_IRET)
			return INSN_RETURN;
		jump |= d->groups[i] == CS_GRP_JUMP;
		call |= d->groups[i] == CS_GRP_CALL;
	}
	if (call)
		return INSN_CALL_INDIRECT;
	/* Also jrcxz and loop, which Go does not use: anything may follow them. */
	return jump ? INSN_JUMP_INDIRECT : INSN_OTHER;
}

static void amd64_stack(const cs_insn *cs, struct insn *insn)
{
	const cs_x86 *x = &cs->detail->x86;
	const cs_x86_op *op = x->operands;

	if (cs->id == X86_INS_PUSH) {
		insn->sp_change = -8;
	} else if (cs->id == X86_INS_POP) {
		insn->sp_change = 8;
	} else if ((cs->id == X86_INS_SUB || cs->id == X86_INS_ADD) && x->op_count == 2 &&
		   op[0].type == X86_OP_REG && op[0].reg == X86_REG_RSP) {
		if (op[1].type == X86_OP_IMM)
			insn->sp_change = cs->id == X86_INS_SUB ? -op[1].imm : op[1].imm;
		else
			insn->known = false;
	} else if (insn->writes & REG(4)) {
		insn->known = false;
	}
	if (x->op_count != 2 || op[0].type != X86_OP_REG)
		return;
	if (op[0].reg == X86_REG_RBP)
		insn->sets_frame =
			(cs->id == X86_INS_MOV && op[1].type == X86_OP_REG &&
			 op[1].reg == X86_REG_RSP) ||
			(cs->id == X86_INS_LEA && op[1].type == X86_OP_MEM &&
			 op[1].mem.base == X86_REG_RSP && op[1].mem.index == X86_REG_INVALID);
	/* mov %fs:-8,%rcx or mov %fs:(%rcx),%rcx: g, the first word of Go's TLS. */
	if (cs->id == X86_INS_MOV && op[1].type == X86_OP_MEM && op[1].mem.segment == X86_REG_FS &&
	    op[0].size == 8)
		insn->g_from_tls = amd64_number(op[0].reg);
}

static void amd64_decode(csh handle, const uint8_t *b, const cs_insn *cs, struct insn *insn)
{
	const cs_x86 *x = &cs->detail->x86;
	cs_regs reads, writes;
	uint8_t n_reads = 0, n_writes = 0;

	insn->kind = amd64_kind(b, cs->size, cs);
	insn->known = amd64_known(cs->id) && insn->kind != INSN_REFUSED;
	if (cs_regs_access(handle, cs, reads, &n_reads, writes, &n_writes) != CS_ERR_OK)
		insn->known = false;
	for (uint8_t i = 0; i < n_reads; i++)
		if (amd64_number(reads[i]) >= 0)
			insn->reads |= REG(amd64_number(reads[i]));
	for (uint8_t i = 0; i < n_writes; i++)
		if (amd64_number(writes[i]) >= 0)
			insn->writes |= REG(amd64_number(writes[i]));
	for (uint8_t i = 0; i < x->op_count; i++) {
		const cs_x86_op *op = &x->operands[i];

		if (op->type != X86_OP_MEM || cs->id == X86_INS_LEA || cs->id == X86_INS_NOP ||
		    !(op->access & CS_AC_WRITE))
			continue;
		insn->stores = true;
		insn->stores_stack = op->mem.base == X86_REG_RSP &&
				     op->mem.index == X86_REG_INVALID &&
				     op->mem.segment == X86_REG_INVALID;
		insn->stack_offset = op->mem.disp;
	}
	if (insn->kind == INSN_JUMP || insn->kind == INSN_BRANCH || insn->kind == INSN_CALL) {
		insn->known = insn->kind != INSN_CALL;
		if (x->op_count == 1 && x->operands[0].type == X86_OP_IMM)
			insn->target = (uint64_t)x->operands[0].imm;
		if (insn->kind == INSN_BRANCH && (b[0] == 0x76 || (b[0] == 0x0f && b[1] == 0x86)))
			insn->condition = CONDITION_LOWER_SAME;
	}
	amd64_stack(cs, insn);
}

/* --- arm64 --- */

static int arm64_number(unsigned reg)
{
	if (reg >= ARM64_REG_X0 && reg <= ARM64_REG_X28)
		return (int)(reg - ARM64_REG_X0);
	if (reg >= ARM64_REG_W0 && reg <= ARM64_REG_W30)
		return (int)(reg - ARM64_REG_W0);
	switch (reg) {
	case ARM64_REG_X29:
		return 29;
	case ARM64_REG_X30:
		return 30;
	case ARM64_REG_SP:
	case ARM64_REG_WSP:
		return 31;
	case ARM64_REG_NZCV:
		return ARCH_FLAGS;
	}
	return -1;
}

static bool arm64_known(unsigned id)
{
	static const uint16_t ids[] = {
		ARM64_INS_MOV,	 ARM64_INS_MOVZ, ARM64_INS_MOVN,  ARM64_INS_MOVK,  ARM64_INS_ADD,
		ARM64_INS_SUB,	 ARM64_INS_CMP,	 ARM64_INS_CMN,	  ARM64_INS_TST,   ARM64_INS_AND,
		ARM64_INS_ORR,	 ARM64_INS_EOR,	 ARM64_INS_LSL,	  ARM64_INS_LSR,   ARM64_INS_ASR,
		ARM64_INS_UBFX,	 ARM64_INS_UBFM, ARM64_INS_SXTW,  ARM64_INS_UXTB,  ARM64_INS_UXTH,
		ARM64_INS_UXTW,	 ARM64_INS_LDR,	 ARM64_INS_LDRB,  ARM64_INS_LDRH,  ARM64_INS_LDRSW,
		ARM64_INS_LDUR,	 ARM64_INS_LDP,	 ARM64_INS_LDURB, ARM64_INS_LDURH, ARM64_INS_STR,
		ARM64_INS_STRB,	 ARM64_INS_STRH, ARM64_INS_STUR,  ARM64_INS_STP,   ARM64_INS_STURB,
		ARM64_INS_ADR,	 ARM64_INS_ADRP, ARM64_INS_NOP,	  ARM64_INS_CSEL,  ARM64_INS_CSET,
		ARM64_INS_CSINC, ARM64_INS_NEG,	 ARM64_INS_MVN,	  ARM64_INS_MADD,  ARM64_INS_MUL,
		ARM64_INS_UBFIZ,
	};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		if (ids[i] == id)
			return true;
	return false;
}

static enum insn_kind arm64_kind(uint32_t word)
{
	if (word == 0xd503201f)
		return INSN_NOP;
	if ((word & 0xfc000000) == 0x14000000)
		return INSN_JUMP;
	if ((word & 0xfc000000) == 0x94000000)
		return INSN_CALL;
	if ((word & 0xff000010) == 0x54000000 || (word & 0x7e000000) == 0x34000000 ||
	    (word & 0x7e000000) == 0x36000000)
		return INSN_BRANCH; /* b.cond; cbz, cbnz; tbz, tbnz */
	if ((word & 0xfffffc1f) == 0xd61f0000)
		return INSN_JUMP_INDIRECT;
	if ((word & 0xfffffc1f) == 0xd63f0000)
		return INSN_CALL_INDIRECT;
	if ((word & 0xfffffc1f) == 0xd65f0000)
		return INSN_RETURN;
	if ((word & 0x1f000000) == 0x10000000)
		return INSN_PC_RELATIVE; /* adr, adrp */
	/*
	 * Exclusive and ordered accesses, loads of PC-relative literals, and what is left of the
	 * branch, exception and system group (hints, msr, mrs, svc, brk, pointer authentication).
	 */
	if ((word & 0x3f000000) == 0x08000000 || (word & 0x3b000000) == 0x18000000 ||
	    (word & 0x1c000000) == 0x14000000)
		return INSN_REFUSED;
	return INSN_OTHER;
}

static void arm64_branch(uint32_t word, const cs_arm64 *a, struct insn *insn)
{
	insn->known = insn->kind != INSN_CALL;
	if (a->op_count && a->operands[a->op_count - 1].type == ARM64_OP_IMM)
		insn->target = (uint64_t)a->operands[a->op_count - 1].imm;
	if (insn->kind != INSN_BRANCH)
		return;
	if ((word & 0xff000010) == 0x54000000) {
		if ((word & 15) == 9)
			insn->condition = CONDITION_LOWER_SAME;
	} else if ((word & 0xfe000000) == 0xb4000000) { /* cbz, cbnz of 64 bits */
		insn->condition = word & 0x01000000 ? CONDITION_NONZERO : CONDITION_ZERO;
		insn->condition_reg = (int)(word & 31);
	}
}

static void arm64_stack(const cs_insn *cs, struct insn *insn)
{
	const cs_arm64 *a = &cs->detail->arm64;
	const cs_arm64_op *op = a->operands;

	for (uint8_t i = 0; i < a->op_count; i++) {
		if (op[i].type != ARM64_OP_MEM || op[i].mem.base != ARM64_REG_SP || !a->writeback)
			continue;
		/* Pre-index has the step in the operand, post-index in an operand of its own. */
		if (i + 1 == a->op_count)
			insn->sp_change = op[i].mem.disp;
		else
			insn->known = false;
		if (insn->stores_stack)
			insn->stack_offset = op[i].mem.disp;
		return;
	}
	if ((cs->id == ARM64_INS_SUB || cs->id == ARM64_INS_ADD) && a->op_count == 3 &&
	    op[0].type == ARM64_OP_REG && op[1].type == ARM64_OP_REG &&
	    op[2].type == ARM64_OP_IMM && op[1].reg == ARM64_REG_SP) {
		int64_t imm = op[2].imm
			      << (op[2].shift.type == ARM64_SFT_LSL ? op[2].shift.value : 0);

		if (op[0].reg == ARM64_REG_SP)
			insn->sp_change = cs->id == ARM64_INS_SUB ? -imm : imm;
		insn->sets_frame = op[0].reg == ARM64_REG_X29;
		return;
	}
	if (insn->writes & REG(31))
		insn->known = false;
}

static void arm64_decode(csh handle, const uint8_t *b, const cs_insn *cs, struct insn *insn)
{
	const cs_arm64 *a = &cs->detail->arm64;
	uint32_t word =
		(uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
	cs_regs reads, writes;
	uint8_t n_reads = 0, n_writes = 0;

	insn->kind = arm64_kind(word);
	insn->known = arm64_known(cs->id) && insn->kind != INSN_REFUSED;
	if (cs_regs_access(handle, cs, reads, &n_reads, writes, &n_writes) != CS_ERR_OK)
		insn->known = false;
	for (uint8_t i = 0; i < n_reads; i++)
		if (arm64_number(reads[i]) >= 0)
			insn->reads |= REG(arm64_number(reads[i]));
	for (uint8_t i = 0; i < n_writes; i++)
		if (arm64_number(writes[i]) >= 0)
			insn->writes |= REG(arm64_number(writes[i]));
	/* Comparisons are subtractions to the zero register, whose number is also SP's. */
	if (cs->id == ARM64_INS_CMP || cs->id == ARM64_INS_CMN || cs->id == ARM64_INS_TST)
		insn->writes = 0;
	if (a->update_flags)
		insn->writes |= REG(ARCH_FLAGS);
	/* Loads and stores of single registers and pairs: bit 22 is set in a load. */
	if ((word & 0x0a000000) == 0x08000000 && !(word & 0x00400000)) {
		insn->stores = true;
		for (uint8_t i = 0; i < a->op_count; i++) {
			const cs_arm64_op *op = &a->operands[i];

			if (op->type != ARM64_OP_MEM)
				continue;
			insn->stores_stack =
				op->mem.base == ARM64_REG_SP && op->mem.index == ARM64_REG_INVALID;
			insn->stack_offset = op->mem.disp;
		}
	}
	if (insn->kind == INSN_JUMP || insn->kind == INSN_BRANCH || insn->kind == INSN_CALL)
		arm64_branch(word, a, insn);
	arm64_stack(cs, insn);
}

/* --- all --- */

static struct error *open_capstone(const struct arch *arch, csh *handle)
{
	cs_err err = arch->id == GO_ARCH_AMD64
			     ? cs_open(CS_ARCH_X86, CS_MODE_64, handle)
			     : cs_open(CS_ARCH_ARM64, CS_MODE_ARM | CS_MODE_LITTLE_ENDIAN, handle);

	if (err != CS_ERR_OK)
		return error_new("no decoder for %s: %s", arch->name, cs_strerror(err));
	return NULL;
}

static struct insn *code_append(struct code *code, size_t *cap, uint64_t address, unsigned size)
{
	struct insn *insn;

	xgrow(code->insns, *cap, code->n + 1);
	insn = &code->insns[code->n++];
	*insn = (struct insn){.address = address, .size = size, .g_from_tls = -1};
	return insn;
}

static void decode_loong64(struct code *code, size_t len)
{
	size_t cap = 0;

	for (size_t i = 0; i + 4 <= len; i += 4) {
		const uint8_t *b = code->bytes + i;
		uint32_t word = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
				(uint32_t)b[3] << 24;

		loong64_decode(word, code->start + i, code_append(code, &cap, code->start + i, 4));
	}
	code->end = code->start + code->n * 4;
}

static struct error *decode_capstone(struct code *code, size_t len)
{
	const bool amd64 = code->arch->id == GO_ARCH_AMD64;
	const uint8_t *pos = code->bytes;
	uint64_t address = code->start;
	size_t left = len, cap = 0;
	cs_insn *cs;
	csh handle;

	TRY(open_capstone(code->arch, &handle));
	cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
	cs = cs_malloc(handle);
	if (!cs) {
		cs_close(&handle);
		return error_new("out of memory");
	}
	while (left) {
		const uint8_t *at = pos;
		uint64_t here = address;

		if (cs_disasm_iter(handle, &pos, &left, &address, cs)) {
			struct insn *insn = code_append(code, &cap, here, cs->size);

			(amd64 ? amd64_decode : arm64_decode)(handle, at, cs, insn);
		} else if (!amd64 && left >= 4) {
			/* A literal or an instruction that capstone does not know. */
			code_append(code, &cap, here, 4)->kind = INSN_REFUSED;
			pos = at + 4;
			left -= 4;
			address = here + 4;
		} else {
			break;
		}
	}
	code->end = address;
	code->complete = !left;
	cs_free(cs, 1);
	cs_close(&handle);
	return NULL;
}

struct error *code_decode_bytes(const struct arch *arch, const uint8_t *bytes, size_t len,
				uint64_t address, struct code *code)
{
	bool cut = len > MAX_FUNCTION;

	*code = (struct code){.arch = arch, .bytes = bytes, .start = address};
	if (cut)
		len = MAX_FUNCTION;
	if (arch->id == GO_ARCH_LOONG64) {
		decode_loong64(code, len);
		code->complete = true;
	} else {
		TRY(decode_capstone(code, len));
	}
	if (cut)
		code->complete = false;
	if (!code->n)
		return error_new("no instruction can be decoded at 0x%llx",
				 (unsigned long long)address);
	return NULL;
}

struct error *code_decode(const struct gobin *bin, const struct gobin_function *fn,
			  struct code *code)
{
	const struct arch *arch = arch_get(gobin_arch(bin));
	const uint8_t *bytes;

	*code = (struct code){0};
	if (!arch)
		return error_new("%s: no knowledge of this architecture", fn->name);
	bytes = fn->size ? gobin_bytes(bin, fn->address, fn->size) : NULL;
	if (!bytes)
		return error_new("%s: its code is not in the file", fn->name);
	return error_context(code_decode_bytes(arch, bytes, fn->size, fn->address, code), "%s",
			     fn->name);
}

void code_free(struct code *code)
{
	free(code->insns);
	*code = (struct code){0};
}

ptrdiff_t code_index(const struct code *code, uint64_t address)
{
	size_t low = 0, high = code->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (code->insns[mid].address < address)
			low = mid + 1;
		else
			high = mid;
	}
	return low < code->n && code->insns[low].address == address ? (ptrdiff_t)low : -1;
}

char *code_text(const struct code *code, size_t index)
{
	const struct insn *insn = &code->insns[index];
	const uint8_t *bytes = code->bytes + (insn->address - code->start);
	char *text = NULL;
	cs_insn *cs = NULL;
	struct error *err;
	csh handle;

	if (code->arch->id == GO_ARCH_LOONG64)
		return loong64_text((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
					    (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24,
				    insn->address);
	err = open_capstone(code->arch, &handle);
	if (err) {
		error_free(err);
		return xstrdup("?");
	}
	if (code->arch->id == GO_ARCH_AMD64)
		cs_option(handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
	if (cs_disasm(handle, bytes, insn->size, insn->address, 1, &cs) == 1) {
		text = cs->op_str[0] ? xasprintf("%s %s", cs->mnemonic, cs->op_str)
				     : xstrdup(cs->mnemonic);
		cs_free(cs, 1);
	}
	cs_close(&handle);
	return text ? text : xstrdup("?");
}
