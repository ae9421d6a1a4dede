#include "common/code_refs.h"

#include "formats/xalloc.h"

#include <capstone/capstone.h>
#include <stdlib.h>
#include <string.h>

#define N_REGISTERS 32

/* What the registers hold, as far as the code at hand says so (arm64, loong64). */
struct constants {
	bool known[N_REGISTERS];
	uint64_t value[N_REGISTERS];
};

static void add_ref(struct code_refs *refs, enum code_ref_kind kind, unsigned size, uint64_t at,
		    uint64_t target)
{
	xgrow(refs->items, refs->cap, refs->count + 1);
	refs->items[refs->count++] = (struct code_ref){
		.kind = kind,
		.size = (uint8_t)size,
		.at = at,
		.target = target,
	};
}

void code_refs_free(struct code_refs *refs)
{
	free(refs->items);
	*refs = (struct code_refs){0};
}

static void amd64_operand(const cs_insn *insn, const cs_x86_op *op, struct code_refs *refs)
{
	uint64_t target = insn->address + insn->size + (uint64_t)op->mem.disp;
	enum code_ref_kind kind;

	if (op->type != X86_OP_MEM || op->mem.base != X86_REG_RIP)
		return;
	if (insn->id == X86_INS_LEA)
		kind = CODE_REF_ADDRESS;
	else if (insn->id == X86_INS_CMP || insn->id == X86_INS_TEST || op->access == CS_AC_READ)
		kind = CODE_REF_LOAD;
	else if (op->access == CS_AC_WRITE)
		kind = CODE_REF_STORE;
	else
		kind = CODE_REF_UPDATE;
	add_ref(refs, kind, kind == CODE_REF_ADDRESS ? 0 : op->size, insn->address, target);
}

static void collect_amd64(const uint8_t *code, size_t len, uint64_t address, struct code_refs *refs)
{
	cs_insn *insn;
	csh handle;

	if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
		return;
	cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
	insn = cs_malloc(handle);
	while (insn && len > 0) {
		const cs_x86 *x86;

		if (!cs_disasm_iter(handle, &code, &len, &address, insn)) {
			/* Not known to the decoder, or data: go on at the next byte. */
			code++;
			len--;
			address++;
			continue;
		}
		x86 = &insn->detail->x86;
		if (insn->id == X86_INS_CALL && x86->op_count == 1 &&
		    x86->operands[0].type == X86_OP_IMM) {
			add_ref(refs, CODE_REF_CALL, 0, insn->address,
				(uint64_t)x86->operands[0].imm);
			continue;
		}
		for (int i = 0; i < x86->op_count; i++)
			amd64_operand(insn, &x86->operands[i], refs);
	}
	if (insn)
		cs_free(insn, 1);
	cs_close(&handle);
}

static uint32_t get_u32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

/* `bits` bits of a word from bit `low` up; with their sign. */
static uint32_t field(uint32_t word, unsigned low, unsigned bits)
{
	return word >> low & ((1u << bits) - 1);
}

static int64_t signed_field(uint32_t word, unsigned low, unsigned bits)
{
	return (int64_t)((uint64_t)field(word, low, bits) << (64 - bits)) >> (64 - bits);
}

static void set_constant(struct constants *regs, unsigned reg, uint64_t value)
{
	regs->known[reg] = true;
	regs->value[reg] = value;
}

/* A load or store of `size` bytes at a register plus an offset. */
static void access_ref(struct code_refs *refs, const struct constants *regs, unsigned base,
		       int64_t offset, bool load, unsigned size, uint64_t at)
{
	if (regs->known[base])
		add_ref(refs, load ? CODE_REF_LOAD : CODE_REF_STORE, size, at,
			regs->value[base] + (uint64_t)offset);
}

/* Arm Architecture Reference Manual, C4: the encodings of ADRP, ADD, BL, loads and stores. */
static void step_arm64(uint32_t word, uint64_t at, struct constants *regs, struct code_refs *refs)
{
	unsigned rd = field(word, 0, 5), rn = field(word, 5, 5);

	if ((word & 0x9f000000) == 0x90000000) { /* ADRP */
		int64_t pages = signed_field(word, 5, 19) * 4 + field(word, 29, 2);

		set_constant(regs, rd, (at & ~UINT64_C(0xfff)) + (uint64_t)pages * 4096);
		return;
	}
	if ((word & 0xff800000) == 0x91000000 && regs->known[rn]) { /* ADD, immediate */
		uint64_t sum =
			regs->value[rn] + (field(word, 10, 12) << (field(word, 22, 1) ? 12 : 0));

		add_ref(refs, CODE_REF_ADDRESS, 0, at, sum);
		set_constant(regs, rd, sum);
		return;
	}
	if ((word & 0xfc000000) == 0x94000000) { /* BL */
		add_ref(refs, CODE_REF_CALL, 0, at, at + (uint64_t)signed_field(word, 0, 26) * 4);
		*regs = (struct constants){0};
		return;
	}
	if ((word & 0x3f000000) == 0x39000000) { /* LDR, STR, unsigned offset */
		unsigned scale = field(word, 30, 2);

		access_ref(refs, regs, rn, (int64_t)field(word, 10, 12) << scale,
			   field(word, 22, 2) != 0, 1u << scale, at);
		if (field(word, 22, 2) == 0)
			return;				/* a store changes no register */
	} else if ((word & 0x7e400000) == 0x28400000) { /* LDP */
		unsigned size = field(word, 31, 1) ? 8 : 4;

		access_ref(refs, regs, rn, signed_field(word, 15, 7) * size, true, size, at);
		access_ref(refs, regs, rn, signed_field(word, 15, 7) * size + size, true, size, at);
		regs->known[field(word, 10, 5)] = false;
	} else if ((word & 0x3f000000) == 0x08000000) { /* exclusive and ordered ones */
		bool load = field(word, 22, 1);

		access_ref(refs, regs, rn, 0, load, 1u << field(word, 30, 2), at);
		if (!load)
			return;
	}
	regs->known[rd] = false;
}

/* LoongArch Reference Manual, volume 1, appendix B. */
static void step_loong64(uint32_t word, uint64_t at, struct constants *regs, struct code_refs *refs)
{
	unsigned rd = field(word, 0, 5), rj = field(word, 5, 5), op = word >> 22;

	if ((word & 0xfe000000) == 0x1a000000 || (word & 0xfe000000) == 0x1c000000) {
		/* PCALAU12I clears the low bits of the sum, PCADDU12I leaves them. */
		uint64_t sum = at + (uint64_t)signed_field(word, 5, 20) * 4096;

		set_constant(regs, rd,
			     (word & 0xfe000000) == 0x1a000000 ? sum & ~UINT64_C(0xfff) : sum);
		return;
	}
	if (op == 0x0b) { /* ADDI.D */
		if (regs->known[rj]) {
			uint64_t sum = regs->value[rj] + (uint64_t)signed_field(word, 10, 12);

			add_ref(refs, CODE_REF_ADDRESS, 0, at, sum);
			set_constant(regs, rd, sum);
			return;
		}
	} else if ((word & 0xfc000000) == 0x54000000) { /* BL */
		int64_t offset =
			(int64_t)((uint64_t)(field(word, 0, 10) << 16 | field(word, 10, 16))
				  << 38) >>
			36;

		add_ref(refs, CODE_REF_CALL, 0, at, at + (uint64_t)offset);
		*regs = (struct constants){0};
		return;
	} else if (op >= 0xa0 && op <= 0xaa) { /* LD.B .. LD.WU */
		bool store = op >= 0xa4 && op <= 0xa7;

		access_ref(refs, regs, rj, signed_field(word, 10, 12), !store, 1u << (op & 3), at);
		if (store)
			return;
	}
	regs->known[rd] = false;
}

void code_refs_collect(enum go_arch arch, const uint8_t *code, size_t len, uint64_t address,
		       struct code_refs *refs)
{
	struct constants regs = {0};

	if (arch == GO_ARCH_AMD64)
		collect_amd64(code, len, address, refs);
	if (arch != GO_ARCH_ARM64 && arch != GO_ARCH_LOONG64)
		return;
	for (; len >= 4; code += 4, len -= 4, address += 4) {
		if (arch == GO_ARCH_ARM64)
			step_arm64(get_u32(code), address, &regs, refs);
		else
			step_loong64(get_u32(code), address, &regs, refs);
	}
}
