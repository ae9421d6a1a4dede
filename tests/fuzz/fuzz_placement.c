#include "common/placement.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_place(const struct code *code, struct place *place)
{
	/* A breakpoint inside an instruction would break the program. */
	if (code_index(code, place->address) != (ptrdiff_t)place->index || place->sp_offset > 0 ||
	    code->insns[place->index].kind == INSN_REFUSED)
		abort();
	free(place->reason);
}

/*
 * The first byte chooses the architecture and what is needed, the rest is the function: whatever it
 * holds, instructions follow each other without a gap, and a place is the start of one.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum go_arch ids[] = {GO_ARCH_AMD64, GO_ARCH_ARM64, GO_ARCH_LOONG64};
	const struct arch *arch;
	struct place_need need;
	struct place place;
	struct code code;
	struct error *err;
	uint64_t next = 0x1000;

	if (!size)
		return 0;
	arch = arch_get(ids[data[0] % 3]);
	need = (struct place_need){.regs = UINT64_C(1) << arch->reg_args[0],
				   .stack_args = data[0] & 0x20,
				   .g = data[0] & 0x40,
				   .g_reg = data[0] & 0x80 ? arch->g : -1,
				   .on_g0 = data[0] & 0x10,
				   .chain = data[0] & 0x08};
	err = code_decode_bytes(arch, data + 1, size - 1, 0x1000, &code);
	for (size_t i = 0; i < code.n; i++) {
		if (code.insns[i].address != next || !code.insns[i].size)
			abort();
		next += code.insns[i].size;
		free(code_text(&code, i));
	}
	if (!err && (next != code.end || code.end > 0x1000 + size - 1))
		abort();
	if (!err)
		err = placement_find(&code, &need, &place);
	if (!err) {
		check_place(&code, &place);
		for (size_t i = 0; i < code.n; i++)
			if (code.insns[i].kind == INSN_CALL &&
			    placement_after_call(&code, i, need.regs, &place))
				check_place(&code, &place);
	}
	error_free(err);
	code_free(&code);
	return 0;
}
