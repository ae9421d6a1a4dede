#include "common/decode.h"

#include "formats/xalloc.h"

/*
 * A decoder for the instructions that Go's compiler puts into prologues and straight-line code.
 * Encodings: LoongArch Reference Manual, volume 1, appendix B. What it does not know is reported
 * as such, so nothing is ever concluded from it.
 */

#define REG(n) (UINT64_C(1) << (n))

enum { SP = 3 };

enum format {
	F_RRR,	  /* rd = rj op rk */
	F_RRI12,  /* rd = rj op si12 */
	F_RRU12,  /* rd = rj op ui12 */
	F_RI20,	  /* rd = op si20 */
	F_LOAD,	  /* rd = [rj + si12] */
	F_STORE,  /* [rj + si12] = rd */
	F_LOAD14, /* rd = [rj + si14 * 4] */
	F_STORE14,
	F_RRU6,	 /* rd = rj op ui6 */
	F_PCREL, /* rd = pc op si20 */
};

static const struct opcode {
	uint32_t mask, value;
	enum format format;
	const char *name;
} opcodes[] = {
	{0xffff8000, 0x00100000, F_RRR, "add.w"},
	{0xffff8000, 0x00108000, F_RRR, "add.d"},
	{0xffff8000, 0x00110000, F_RRR, "sub.w"},
	{0xffff8000, 0x00118000, F_RRR, "sub.d"},
	{0xffff8000, 0x00120000, F_RRR, "slt"},
	{0xffff8000, 0x00128000, F_RRR, "sltu"},
	{0xffff8000, 0x00130000, F_RRR, "maskeqz"},
	{0xffff8000, 0x00138000, F_RRR, "masknez"},
	{0xffff8000, 0x00140000, F_RRR, "nor"},
	{0xffff8000, 0x00148000, F_RRR, "and"},
	{0xffff8000, 0x00150000, F_RRR, "or"},
	{0xffff8000, 0x00158000, F_RRR, "xor"},
	{0xffff8000, 0x00188000, F_RRR, "sll.d"},
	{0xffff8000, 0x00190000, F_RRR, "srl.d"},
	{0xffff8000, 0x00198000, F_RRR, "sra.d"},
	{0xffff8000, 0x001d8000, F_RRR, "mul.d"},
	{0xffff0000, 0x00410000, F_RRU6, "slli.d"},
	{0xffff0000, 0x00450000, F_RRU6, "srli.d"},
	{0xffff0000, 0x00490000, F_RRU6, "srai.d"},
	{0xffc00000, 0x02000000, F_RRI12, "slti"},
	{0xffc00000, 0x02400000, F_RRI12, "sltui"},
	{0xffc00000, 0x02800000, F_RRI12, "addi.w"},
	{0xffc00000, 0x02c00000, F_RRI12, "addi.d"},
	{0xffc00000, 0x03000000, F_RRI12, "lu52i.d"},
	{0xffc00000, 0x03400000, F_RRU12, "andi"},
	{0xffc00000, 0x03800000, F_RRU12, "ori"},
	{0xffc00000, 0x03c00000, F_RRU12, "xori"},
	{0xfe000000, 0x14000000, F_RI20, "lu12i.w"},
	{0xfe000000, 0x18000000, F_PCREL, "pcaddi"},
	{0xfe000000, 0x1a000000, F_PCREL, "pcalau12i"},
	{0xfe000000, 0x1c000000, F_PCREL, "pcaddu12i"},
	{0xfe000000, 0x1e000000, F_PCREL, "pcaddu18i"},
	{0xff000000, 0x24000000, F_LOAD14, "ldptr.w"},
	{0xff000000, 0x25000000, F_STORE14, "stptr.w"},
	{0xff000000, 0x26000000, F_LOAD14, "ldptr.d"},
	{0xff000000, 0x27000000, F_STORE14, "stptr.d"},
	{0xffc00000, 0x28000000, F_LOAD, "ld.b"},
	{0xffc00000, 0x28400000, F_LOAD, "ld.h"},
	{0xffc00000, 0x28800000, F_LOAD, "ld.w"},
	{0xffc00000, 0x28c00000, F_LOAD, "ld.d"},
	{0xffc00000, 0x29000000, F_STORE, "st.b"},
	{0xffc00000, 0x29400000, F_STORE, "st.h"},
	{0xffc00000, 0x29800000, F_STORE, "st.w"},
	{0xffc00000, 0x29c00000, F_STORE, "st.d"},
	{0xffc00000, 0x2a000000, F_LOAD, "ld.bu"},
	{0xffc00000, 0x2a400000, F_LOAD, "ld.hu"},
	{0xffc00000, 0x2a800000, F_LOAD, "ld.wu"},
};

static const struct opcode *find_opcode(uint32_t word)
{
	for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++)
		if ((word & opcodes[i].mask) == opcodes[i].value)
			return &opcodes[i];
	return NULL;
}

static int64_t sign_extend(uint64_t value, unsigned bits)
{
	return (int64_t)(value << (64 - bits)) >> (64 - bits);
}

static int field_rd(uint32_t word)
{
	return (int)(word & 31);
}

static int field_rj(uint32_t word)
{
	return (int)(word >> 5 & 31);
}

static int field_rk(uint32_t word)
{
	return (int)(word >> 10 & 31);
}

static int64_t offset16(uint32_t word)
{
	return sign_extend(word >> 10 & 0xffff, 16) * 4;
}

static int64_t offset21(uint32_t word)
{
	return sign_extend((word & 31) << 16 | (word >> 10 & 0xffff), 21) * 4;
}

static int64_t offset26(uint32_t word)
{
	return sign_extend((word & 0x3ff) << 16 | (word >> 10 & 0xffff), 26) * 4;
}

static const char *const branch_names[] = {
	[0x10] = "beqz", [0x11] = "bnez", [0x13] = "jirl", [0x14] = "b",
	[0x15] = "bl",	 [0x16] = "beq",  [0x17] = "bne",  [0x18] = "blt",
	[0x19] = "bge",	 [0x1a] = "bltu", [0x1b] = "bgeu",
};

static void set_target(struct insn *insn, enum insn_kind kind, int64_t offset)
{
	insn->kind = kind;
	insn->target = insn->address + (uint64_t)offset;
	insn->known = kind != INSN_CALL;
}

/* beq and bne against the zero register are what older compilers use for beqz and bnez. */
static void compare_branch(uint32_t word, unsigned op, struct insn *insn)
{
	int a = field_rj(word), b = field_rd(word);

	set_target(insn, INSN_BRANCH, offset16(word));
	insn->reads = REG(a) | REG(b);
	if (op == 0x16 && a == b)
		insn->kind = INSN_JUMP;
	if ((op != 0x16 && op != 0x17) || (a && b))
		return;
	insn->condition = op == 0x16 ? CONDITION_ZERO : CONDITION_NONZERO;
	insn->condition_reg = a ? a : b;
}

/* Returns whether the word is a branch (top six bits 0x10 to 0x1b). */
static bool decode_branch(uint32_t word, struct insn *insn)
{
	unsigned op = word >> 26;

	switch (op) {
	case 0x10:
	case 0x11:
		set_target(insn, INSN_BRANCH, offset21(word));
		insn->reads = REG(field_rj(word));
		insn->condition = op == 0x10 ? CONDITION_ZERO : CONDITION_NONZERO;
		insn->condition_reg = field_rj(word);
		return true;
	case 0x12: /* bceqz, bcnez: the kernel refuses them */
		insn->kind = INSN_REFUSED;
		return true;
	case 0x13:
		insn->reads = REG(field_rj(word));
		insn->writes = REG(field_rd(word));
		if (field_rd(word))
			insn->kind = INSN_CALL_INDIRECT;
		else
			insn->kind = field_rj(word) == 1 ? INSN_RETURN : INSN_JUMP_INDIRECT;
		return true;
	case 0x14:
		set_target(insn, INSN_JUMP, offset26(word));
		return true;
	case 0x15:
		set_target(insn, INSN_CALL, offset26(word));
		insn->writes = REG(1);
		return true;
	case 0x16:
	case 0x17:
	case 0x18:
	case 0x19:
	case 0x1a:
	case 0x1b:
		compare_branch(word, op, insn);
		return true;
	}
	return false;
}

static void memory(struct insn *insn, uint32_t word, bool store, int64_t offset)
{
	int rd = field_rd(word), rj = field_rj(word);

	insn->reads = REG(rj) | (store ? REG(rd) : 0);
	if (!store) {
		insn->writes = REG(rd);
		return;
	}
	insn->stores = true;
	insn->stores_stack = rj == SP;
	insn->stack_offset = offset;
}

void loong64_decode(uint32_t word, uint64_t address, struct insn *insn)
{
	const struct opcode *op = find_opcode(word);
	int64_t si12 = sign_extend(word >> 10 & 0xfff, 12);

	*insn = (struct insn){.address = address, .size = 4, .g_from_tls = -1};
	if (decode_branch(word, insn))
		return;
	/* ll, sc, atomic read-modify-write, barriers, break: refused by the kernel, or never
	 * needed. */
	if ((word & 0xfc000000) == 0x20000000 || (word & 0xffc00000) == 0x38400000 ||
	    (word & 0xffff8000) == 0x002a0000) {
		insn->kind = INSN_REFUSED;
		return;
	}
	if (!op)
		return;
	insn->known = true;
	if (word == 0x03400000)
		insn->kind = INSN_NOP;
	switch (op->format) {
	case F_RRR:
		insn->reads = REG(field_rj(word)) | REG(field_rk(word));
		insn->writes = REG(field_rd(word));
		break;
	case F_RRI12:
	case F_RRU12:
	case F_RRU6:
		insn->reads = REG(field_rj(word));
		insn->writes = REG(field_rd(word));
		break;
	case F_PCREL:
		insn->kind = INSN_PC_RELATIVE;
		insn->writes = REG(field_rd(word));
		break;
	case F_RI20:
		insn->writes = REG(field_rd(word));
		break;
	case F_LOAD:
	case F_STORE:
		memory(insn, word, op->format == F_STORE, si12);
		break;
	case F_LOAD14:
	case F_STORE14:
		memory(insn, word, op->format == F_STORE14,
		       sign_extend(word >> 10 & 0x3fff, 14) * 4);
		break;
	}
	insn->writes &= ~REG(0);
	if (insn->writes & REG(SP)) {
		if ((word & 0xffc00000) == 0x02c00000 && field_rj(word) == SP)
			insn->sp_change = si12;
		else
			insn->known = false;
	}
}

static char *branch_text(uint32_t word, uint64_t address)
{
	unsigned op = word >> 26;
	const char *name = branch_names[op];

	if (op == 0x10 || op == 0x11)
		return xasprintf("%s r%d, 0x%llx", name, field_rj(word),
				 (unsigned long long)(address + (uint64_t)offset21(word)));
	if (op == 0x13)
		return xasprintf("%s r%d, r%d, %lld", name, field_rd(word), field_rj(word),
				 (long long)offset16(word));
	if (op == 0x14 || op == 0x15)
		return xasprintf("%s 0x%llx", name,
				 (unsigned long long)(address + (uint64_t)offset26(word)));
	return xasprintf("%s r%d, r%d, 0x%llx", name, field_rj(word), field_rd(word),
			 (unsigned long long)(address + (uint64_t)offset16(word)));
}

char *loong64_text(uint32_t word, uint64_t address)
{
	const struct opcode *op = find_opcode(word);
	long long si12 = sign_extend(word >> 10 & 0xfff, 12);
	int rd = field_rd(word), rj = field_rj(word);

	if (word == 0x03400000)
		return xstrdup("nop");
	if (word >> 26 >= 0x10 && word >> 26 <= 0x1b && branch_names[word >> 26])
		return branch_text(word, address);
	if (!op)
		return xasprintf(".word 0x%08x", word);
	switch (op->format) {
	case F_RRR:
		return xasprintf("%s r%d, r%d, r%d", op->name, rd, rj, field_rk(word));
	case F_RRI12:
	case F_LOAD:
	case F_STORE:
		return xasprintf("%s r%d, r%d, %lld", op->name, rd, rj, si12);
	case F_RRU12:
		return xasprintf("%s r%d, r%d, 0x%x", op->name, rd, rj, word >> 10 & 0xfff);
	case F_RRU6:
		return xasprintf("%s r%d, r%d, %u", op->name, rd, rj, word >> 10 & 63);
	case F_LOAD14:
	case F_STORE14:
		return xasprintf("%s r%d, r%d, %lld", op->name, rd, rj,
				 (long long)sign_extend(word >> 10 & 0x3fff, 14) * 4);
	case F_RI20:
	case F_PCREL:
		return xasprintf("%s r%d, %lld", op->name, rd,
				 (long long)sign_extend(word >> 5 & 0xfffff, 20));
	}
	return xasprintf(".word 0x%08x", word);
}
