#include "common/cfi.h"

#include "formats/xalloc.h"

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>

#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif

struct cfi {
	Dwarf *dwarf;	       /* may be NULL */
	Dwarf_CFI *eh, *debug; /* may be NULL; debug belongs to dwarf */
	int sp, fp;	       /* as DWARF numbers them */
};

struct cfi *cfi_open(const struct elf_file *file)
{
	struct cfi cfi = {0}, *copy;

	switch (file->machine) {
	case EM_X86_64:
		cfi.fp = 6;
		cfi.sp = 7;
		break;
	case EM_AARCH64:
		cfi.fp = 29;
		cfi.sp = 31;
		break;
	case EM_LOONGARCH:
		cfi.fp = 22;
		cfi.sp = 3;
		break;
	default:
		return NULL;
	}
	if (!file->elf)
		return NULL;
	cfi.eh = dwarf_getcfi_elf(file->elf);
	cfi.dwarf = dwarf_begin_elf(file->elf, DWARF_C_READ, NULL);
	cfi.debug = cfi.dwarf ? dwarf_getcfi(cfi.dwarf) : NULL;
	if (!cfi.eh && !cfi.debug) {
		dwarf_end(cfi.dwarf);
		return NULL;
	}
	copy = xmalloc(sizeof(*copy));
	*copy = cfi;
	return copy;
}

void cfi_close(struct cfi *cfi)
{
	if (!cfi)
		return;
	if (cfi->eh)
		dwarf_cfi_end(cfi->eh);
	dwarf_end(cfi->dwarf);
	free(cfi);
}

static bool small(int64_t value)
{
	return value >= INT32_MIN && value <= INT32_MAX;
}

/* CFA = register + offset; expressions of other kinds are for the dynamic linker's stubs alone. */
static bool read_cfa(const struct cfi *cfi, Dwarf_Frame *frame, struct unwind_rule *rule)
{
	Dwarf_Op *ops;
	int64_t offset;
	size_t n;
	int reg;

	if (dwarf_frame_cfa(frame, &ops, &n) != 0 || n != 1)
		return false;
	if (ops[0].atom == DW_OP_bregx) {
		reg = (int)ops[0].number;
		offset = (int64_t)ops[0].number2;
	} else if (ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg31) {
		reg = ops[0].atom - DW_OP_breg0;
		offset = (int64_t)ops[0].number;
	} else {
		return false;
	}
	if ((reg != cfi->sp && reg != cfi->fp) || !small(offset))
		return false;
	rule->cfa_from_fp = reg == cfi->fp;
	rule->cfa = (int32_t)offset;
	return true;
}

enum saved { SAVED_AT, SAVED_SAME, SAVED_UNDEFINED, SAVED_OTHERWISE };

/* Where a register of the caller is: mostly at CFA + offset. */
static enum saved read_register(Dwarf_Frame *frame, int reg, int32_t *offset)
{
	Dwarf_Op memory[3], *ops;
	int64_t at = 0;
	size_t n;

	if (dwarf_frame_register(frame, reg, memory, &ops, &n) != 0)
		return SAVED_OTHERWISE;
	if (n == 0)
		return ops == memory ? SAVED_UNDEFINED : SAVED_SAME;
	if (ops[0].atom != DW_OP_call_frame_cfa || n > 2)
		return SAVED_OTHERWISE;
	if (n == 2 && ops[1].atom != DW_OP_plus_uconst)
		return SAVED_OTHERWISE;
	/* A negative offset is an unsigned one that wraps around. */
	if (n == 2)
		at = (int64_t)ops[1].number;
	if (!small(at))
		return SAVED_OTHERWISE;
	*offset = (int32_t)at;
	return SAVED_AT;
}

static bool read_frame(const struct cfi *cfi, Dwarf_Frame *frame, int return_address,
		       struct unwind_rule *rule)
{
	if (!read_cfa(cfi, frame, rule))
		return false;
	switch (read_register(frame, return_address, &rule->return_address)) {
	case SAVED_AT:
		break;
	case SAVED_UNDEFINED:
		rule->kind = UNWIND_OUTERMOST;
		return true;
	default:
		return false;
	}
	switch (read_register(frame, cfi->fp, &rule->fp)) {
	case SAVED_AT:
		rule->fp_saved = true;
		break;
	case SAVED_SAME:
	case SAVED_UNDEFINED:
		break;
	default:
		return false;
	}
	rule->kind = UNWIND_FRAME;
	return true;
}

static bool rule_from(const struct cfi *cfi, Dwarf_CFI *table, uint64_t address,
		      struct unwind_rule *rule)
{
	Dwarf_Frame *frame = NULL;
	bool signal, ok;
	int return_address;

	if (!table || dwarf_cfi_addrframe(table, address, &frame) != 0)
		return false;
	return_address = dwarf_frame_info(frame, NULL, NULL, &signal);
	ok = return_address >= 0 && read_frame(cfi, frame, return_address, rule);
	free(frame);
	return ok;
}

struct unwind_rule cfi_rule(struct cfi *cfi, uint64_t address)
{
	struct unwind_rule rule = {0};

	if (cfi && !rule_from(cfi, cfi->eh, address, &rule) &&
	    !rule_from(cfi, cfi->debug, address, &rule))
		rule = (struct unwind_rule){0};
	return rule;
}
