#include "record/native.h"

#include "common/arch.h"
#include "common/decode.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	NULL_TEST = 3,	  /* instructions that a test for NULL may take at an entry */
	WHOLE_UNIT = 1024 /* a thinned recording has all chunks of so many bytes times N */
};

#define NO_ARG (-1)

/* What a function of the malloc family does, and which of its arguments say what. */
struct family {
	const char *symbol, *event;
	enum { FAMILY_ALLOC, FAMILY_REALLOC, FAMILY_FREE } kind;
	int size, count, pointer;
};

/*
 * The event names are the contract with the analyzer: what ends in "_enter" is an entry, what
 * begins with "native_free" a free, all others the return of an allocation. Two names of one
 * address get one probe. The operators matter where an allocator has its own, which do not go
 * through malloc.
 */
static const struct family families[] = {
	{"malloc", "native_malloc", FAMILY_ALLOC, 0, NO_ARG, NO_ARG},
	{"calloc", "native_calloc", FAMILY_ALLOC, 1, 0, NO_ARG},
	{"realloc", "native_realloc", FAMILY_REALLOC, 1, NO_ARG, 0},
	{"memalign", "native_memalign", FAMILY_ALLOC, 1, NO_ARG, NO_ARG},
	{"aligned_alloc", "native_aligned_alloc", FAMILY_ALLOC, 1, NO_ARG, NO_ARG},
	{"valloc", "native_valloc", FAMILY_ALLOC, 0, NO_ARG, NO_ARG},
	{"pvalloc", "native_pvalloc", FAMILY_ALLOC, 0, NO_ARG, NO_ARG},
	{"_Znwm", "native_new", FAMILY_ALLOC, 0, NO_ARG, NO_ARG},
	{"_Znam", "native_new_array", FAMILY_ALLOC, 0, NO_ARG, NO_ARG},
	{"_ZnwmRKSt9nothrow_t", "native_new_nothrow", FAMILY_ALLOC, 0, NO_ARG, NO_ARG},
	{"_ZnamRKSt9nothrow_t", "native_new_array_nothrow", FAMILY_ALLOC, 0, NO_ARG, NO_ARG},
	{"_ZnwmSt11align_val_t", "native_new_aligned", FAMILY_ALLOC, 0, NO_ARG, NO_ARG},
	{"_ZnamSt11align_val_t", "native_new_array_aligned", FAMILY_ALLOC, 0, NO_ARG, NO_ARG},
	{"free", "native_free", FAMILY_FREE, NO_ARG, NO_ARG, 0},
	{"_ZdlPv", "native_free_delete", FAMILY_FREE, NO_ARG, NO_ARG, 0},
	{"_ZdaPv", "native_free_delete_array", FAMILY_FREE, NO_ARG, NO_ARG, 0},
	{"_ZdlPvm", "native_free_delete_sized", FAMILY_FREE, NO_ARG, NO_ARG, 0},
	{"_ZdaPvm", "native_free_delete_array_sized", FAMILY_FREE, NO_ARG, NO_ARG, 0},
	{"_ZdlPvSt11align_val_t", "native_free_delete_aligned", FAMILY_FREE, NO_ARG, NO_ARG, 0},
	{"_ZdaPvSt11align_val_t", "native_free_delete_array_aligned", FAMILY_FREE, NO_ARG, NO_ARG,
	 0},
	{"_ZdlPvmSt11align_val_t", "native_free_delete_sized_aligned", FAMILY_FREE, NO_ARG, NO_ARG,
	 0},
	{"_ZdaPvmSt11align_val_t", "native_free_delete_array_sized_aligned", FAMILY_FREE, NO_ARG,
	 NO_ARG, 0},
};

/* How C passes its first arguments, and its result, as the machine numbers registers. */
static const struct c_abi {
	enum go_arch arch;
	uint8_t args[2], result;
} abis[] = {
	{GO_ARCH_AMD64, {7, 6}, 0},
	{GO_ARCH_ARM64, {0, 1}, 0},
	{GO_ARCH_LOONG64, {4, 5}, 4},
};

struct planner {
	struct native *native;
	const struct arch *arch;
	const struct c_abi *abi;
	bool in_symtab; /* the allocator is part of the program, exported or not */
	size_t cap_probes;
};

/* ---- Filters ------------------------------------------------------------------------------- */

/*
 * Of 2^bits pointers one is kept: that of which `bits` sums of three bits each are even. What
 * allocates in regular steps keeps some bits of its pointers constant; a step that does so for
 * all three, 4 to 11, 12 to 19 and 20 to 27, is a multiple of 256 MiB. The kernel's filters know no
 * exclusive or, so that each sum is spelled out.
 */
char *native_sample_filter(unsigned bits)
{
	char *filter = xstrdup("");

	for (unsigned i = 0; i < bits; i++) {
		unsigned long a = 1ul << (4 + i), b = 1ul << (12 + i), c = 1ul << (20 + i);
		char *longer =
			xasprintf("%s%s(!(p & 0x%lx) && !(p & 0x%lx) && !(p & 0x%lx) || "
				  "(p & 0x%lx) && (p & 0x%lx) && !(p & 0x%lx) || "
				  "(p & 0x%lx) && !(p & 0x%lx) && (p & 0x%lx) || "
				  "!(p & 0x%lx) && (p & 0x%lx) && (p & 0x%lx))",
				  filter, i ? " && " : "", a, b, c, a, b, c, a, b, c, a, b, c);

		free(filter);
		filter = longer;
	}
	return filter;
}

/* The filter of events that name a pointer and its chunk; `given` says that it is no null. */
static char *pointer_filter(const struct native *native)
{
	unsigned bits = (unsigned)__builtin_ctzll(native->every | 1ull << 63);
	char *filter = xstrdup("p != 0"), *longer, *sample;

	if (native->min_size) {
		/* A chunk of n bytes has n - 8 usable ones; the low bits are flags. */
		longer = xasprintf("%s && chunk >= %llu", filter,
				   (unsigned long long)((native->min_size + 8 + 15) & ~15ull));
		free(filter);
		filter = longer;
	}
	if (native->every > 1) {
		sample = native_sample_filter(bits);
		longer = xasprintf("%s && (chunk >= %llu || (%s))", filter,
				   (unsigned long long)native->whole_from, sample);
		free(sample);
		free(filter);
		filter = longer;
	}
	return filter;
}

/* ---- Probes -------------------------------------------------------------------------------- */

static const char *reg_name(const struct planner *planner, unsigned reg)
{
	return planner->arch->reg_names[reg];
}

static void add_arg(struct probe *probe, const char *name, char *expr)
{
	probe->args = xreallocarray(probe->args, probe->n_args + 1, sizeof(*probe->args));
	probe->args[probe->n_args++] = (struct probe_arg){.name = name, .expr = expr};
}

static void add_register(const struct planner *planner, struct probe *probe, const char *name,
			 unsigned reg)
{
	add_arg(probe, name, xasprintf("%%%s:x64", reg_name(planner, reg)));
}

static void add_chunk(const struct planner *planner, struct probe *probe, unsigned reg)
{
	if (planner->native->has_headers)
		add_arg(probe, "chunk", xasprintf("-8(%%%s):u64", reg_name(planner, reg)));
}

static struct probe *add_probe(struct planner *planner, const char *symbol, const char *event,
			       const struct code *code, size_t index)
{
	struct plan *plan = &planner->native->plan;
	const struct insn *insn = &code->insns[index];
	const struct elf_segment *segment =
		elf_file_segment(planner->native->file.elf, insn->address);
	struct probe *probe;

	xgrow(plan->probes, planner->cap_probes, plan->n_probes + 1);
	probe = &plan->probes[plan->n_probes++];
	*probe = (struct probe){
		.role = ROLE_NATIVE,
		.event = xstrdup(event),
		.symbol = xstrdup(symbol),
		.address = insn->address,
		.file_offset = insn->address - segment->address + segment->offset,
		.instruction = code_text(code, index),
		.placement = arch_emulates(planner->arch, insn->kind) ? PLACE_EMULATED_ONCE
								      : PLACE_STEPPED_ONCE,
	};
	return probe;
}

static struct error *decode(const struct planner *planner, uint64_t address, uint64_t size,
			    struct code *code)
{
	const uint8_t *bytes = elf_file_bytes(planner->native->file.elf, address, size);

	return bytes && size ? code_decode_bytes(planner->arch, bytes, size, address, code)
			     : error_new("its code is not in the file");
}

static bool has_probe_at(const struct plan *plan, uint64_t address)
{
	for (size_t i = 0; i < plan->n_probes; i++) {
		if (plan->probes[i].address == address)
			return true;
	}
	return false;
}

/* The return of an allocation: its stack is worth having. */
static void plan_return(struct planner *planner, const struct family *family,
			const struct code *code, bool filtered)
{
	struct probe *probe = add_probe(planner, family->symbol, family->event, code, 0);

	probe->is_return = probe->callchain = probe->user_stack = true;
	probe->reason = xstrdup("the result, whatever way the function ends");
	add_register(planner, probe, "p", planner->abi->result);
	add_chunk(planner, probe, planner->abi->result);
	add_register(planner, probe, "sp", (unsigned)planner->arch->sp);
	if (filtered)
		probe->filter = pointer_filter(planner->native);
}

static void plan_enter(struct planner *planner, const struct family *family,
		       const struct code *code)
{
	char *event = xasprintf("%s_enter", family->event);
	struct probe *probe = add_probe(planner, family->symbol, event, code, 0);

	free(event);
	probe->reason = xstrdup("the arguments; the same breakpoint as for the result");
	if (family->pointer != NO_ARG) {
		add_register(planner, probe, "p", planner->abi->args[family->pointer]);
		add_chunk(planner, probe, planner->abi->args[family->pointer]);
	}
	add_register(planner, probe, "size", planner->abi->args[family->size]);
	if (family->count != NO_ARG)
		add_register(planner, probe, "count", planner->abi->args[family->count]);
	add_register(planner, probe, "sp", (unsigned)planner->arch->sp);
}

/* Whether the code at the entry tests the register for NULL and branches: "test %rdi,%rdi; je". */
static bool is_null_test(const struct code *code, size_t i, unsigned reg)
{
	const struct insn *insn = &code->insns[i];
	const uint8_t *bytes = code->bytes + (insn->address - code->start);

	return code->arch->id == GO_ARCH_AMD64 && insn->size == 3 && bytes[0] == 0x48 &&
	       bytes[1] == 0x85 && bytes[2] == (0xc0 | reg << 3 | reg) &&
	       code->insns[i + 1].kind == INSN_BRANCH;
}

static bool is_target(const struct code *code, uint64_t address)
{
	for (size_t i = 0; i < code->n; i++) {
		if (code->insns[i].target == address)
			return true;
	}
	return false;
}

/*
 * Where a free gets its breakpoint: at an instruction that the kernel emulates, which here is worth
 * more than half of the cost: the first one, or the one behind a test for NULL, of which
 * there is nothing to record.
 */
static size_t free_place(const struct planner *planner, const struct code *code, unsigned reg)
{
	size_t behind = 2;

	if (arch_emulates(planner->arch, code->insns[0].kind) || code->n < NULL_TEST ||
	    !is_null_test(code, 0, reg) ||
	    !arch_emulates(planner->arch, code->insns[behind].kind) ||
	    is_target(code, code->insns[behind].address))
		return 0;
	return behind;
}

static void plan_release(struct planner *planner, const struct family *family,
			 const struct code *code)
{
	unsigned reg = planner->abi->args[family->pointer];
	size_t place = free_place(planner, code, reg);
	struct probe *probe = add_probe(planner, family->symbol, family->event, code, place);

	probe->reason = xstrdup(place ? "behind the test for NULL" : "the argument, at the entry");
	add_register(planner, probe, "p", reg);
	if (planner->native->every > 1 || planner->native->min_size)
		add_chunk(planner, probe, reg);
	add_register(planner, probe, "sp", (unsigned)planner->arch->sp);
	probe->filter = pointer_filter(planner->native);
}

static void plan_function(struct planner *planner, const struct family *family, uint64_t address,
			  uint64_t size)
{
	struct plan *plan = &planner->native->plan;
	struct code code;
	struct error *err;

	if (has_probe_at(plan, address))
		return;
	err = decode(planner, address, size, &code);
	if (err) {
		plan_add_loss(plan, xasprintf("%s: %s", family->symbol, error_message(err)));
		error_free(err);
		return;
	}
	switch (family->kind) {
	case FAMILY_ALLOC:
		plan_return(planner, family, &code, true);
		if (!planner->native->has_headers)
			plan_enter(planner, family, &code);
		break;
	case FAMILY_REALLOC:
		/* What it takes and what it gives are told by two events, which must both be there:
		 * the analyzer thins them out. */
		plan_return(planner, family, &code, false);
		plan_enter(planner, family, &code);
		break;
	case FAMILY_FREE:
		plan_release(planner, family, &code);
		break;
	}
	code_free(&code);
}

static bool find_function(const struct planner *planner, const char *symbol, uint64_t *address,
			  uint64_t *size)
{
	return native_function(planner->native->file.elf, symbol, planner->in_symtab, address,
			       size);
}

/* The function that this one ends in with a jump; 0: none. */
static uint64_t tail_jump(const struct planner *planner, const char *symbol)
{
	uint64_t address, size, target = 0;
	struct code code;
	struct error *err;

	if (!find_function(planner, symbol, &address, &size))
		return 0;
	err = decode(planner, address, size, &code);
	if (err) {
		error_free(err);
		return 0;
	}
	for (size_t i = 0; i < code.n; i++) {
		const struct insn *insn = &code.insns[i];

		if (insn->kind == INSN_JUMP &&
		    (insn->target < address || insn->target >= address + size))
			target = insn->target;
	}
	code_free(&code);
	return target;
}

static bool calls(const struct planner *planner, const char *symbol, uint64_t target)
{
	uint64_t address, size;
	struct code code = {0};
	bool found = false;

	if (!find_function(planner, symbol, &address, &size))
		return false;
	error_free(decode(planner, address, size, &code));
	for (size_t i = 0; i < code.n && !found; i++)
		found = code.insns[i].kind == INSN_CALL && code.insns[i].target == target;
	code_free(&code);
	return found;
}

/*
 * posix_memalign gives its result through a pointer, which is gone when it returns. In glibc all
 * that allocate aligned end in one function that returns it; they get one probe, there.
 */
static bool plan_aligned(struct planner *planner)
{
	static const struct family family = {"memalign", "native_memalign", FAMILY_ALLOC, 1, NO_ARG,
					     NO_ARG};
	const struct elf_segment *segment;
	uint64_t target = tail_jump(planner, "memalign"), end;

	if (!target || !calls(planner, "posix_memalign", target))
		return false;
	segment = elf_file_segment(planner->native->file.elf, target);
	if (!segment || !segment->executable)
		return false;
	/* Its size is not known, and its first instruction is all that is asked for. */
	end = segment->address + segment->file_size;
	plan_function(planner, &family, target, end - target < 16 ? end - target : 16);
	return true;
}

static bool is_aligned(const struct family *family)
{
	return strstr(family->symbol, "align") || strstr(family->symbol, "valloc");
}

static void plan_families(struct planner *planner)
{
	struct plan *plan = &planner->native->plan;
	uint64_t address, size;
	bool aligned = planner->native->has_headers && plan_aligned(planner);

	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		const struct family *family = &families[i];

		if (aligned && is_aligned(family) && family->symbol[0] != '_')
			continue;
		if (find_function(planner, family->symbol, &address, &size))
			plan_function(planner, family, address, size);
	}
	/* musl's is made of aligned_alloc. */
	if (!aligned && find_function(planner, "posix_memalign", &address, &size) &&
	    (planner->native->has_headers ||
	     !find_function(planner, "__libc_start_main", &address, &size)))
		plan_add_loss(plan,
			      xstrdup("posix_memalign: this allocator has no function that returns "
				      "its result; what it gives out is not seen"));
}

/* ---- The whole ----------------------------------------------------------------------------- */

/* glibc puts the size of a chunk in front of it. */
static bool has_headers(const struct planner *planner)
{
	uint64_t address, size;

	return find_function(planner, "gnu_get_libc_version", &address, &size) ||
	       (planner->in_symtab && find_function(planner, "_int_malloc", &address, &size));
}

static void set_thinning(struct native *native, const struct native_options *options)
{
	native->every = 1;
	if (options->every <= 1 && !options->min_size)
		return;
	if (!native->has_headers) {
		plan_add_loss(
			&native->plan,
			xasprintf("%s: its allocations cannot be thinned out: their sizes are not "
				  "in memory; all are recorded",
				  native->file.path));
		return;
	}
	native->min_size = options->min_size;
	if (options->every > 1) {
		native->every = options->every;
		native->whole_from = options->every * WHOLE_UNIT;
	}
}

static struct error *plan_native(struct native *native, const struct native_options *options,
				 bool is_program)
{
	struct planner planner = {
		.native = native,
		.arch = arch_get(arch_of_machine(native->file.elf->machine)),
		.in_symtab = is_program,
	};

	for (size_t i = 0; i < sizeof(abis) / sizeof(*abis); i++) {
		if (planner.arch && abis[i].arch == planner.arch->id)
			planner.abi = &abis[i];
	}
	if (!planner.abi)
		return error_remedy(
			error_new("%s: nothing is known about its architecture", native->file.path),
			"programs for x86-64, arm64 and loongarch64 can be recorded");
	native->has_headers = has_headers(&planner);
	set_thinning(native, options);
	plan_families(&planner);
	return NULL;
}

struct error *native_plan(const struct target *target, const struct native_options *options,
			  struct native **out)
{
	struct native_files files = {0};
	struct native_file *allocator;
	struct native *native;
	struct error *err;
	bool is_program;

	native_files_find(target, &files);
	allocator = native_files_allocator(&files);
	if (!allocator) {
		native_files_free(&files);
		return error_remedy(
			error_new("%s: no malloc is found in it or in what it maps", target->exe),
			"a program without C code has none; of a statically linked one the "
			"symbols are needed (not stripped)");
	}
	native = xcalloc(1, sizeof(*native));
	is_program = allocator == &files.list[0];
	native->file = *allocator;
	*allocator = (struct native_file){.fd = -1};
	native->ref = target_kernel_path(native->file.path, native->file.fd);
	native_files_free(&files);
	err = plan_native(native, options, is_program);
	if (!err && !native->plan.n_probes)
		err = error_new("%s: none of its functions can be probed", native->file.path);
	if (err) {
		native_free(native);
		return err;
	}
	*out = native;
	return NULL;
}

void native_free(struct native *native)
{
	if (!native)
		return;
	elf_file_close(native->file.elf);
	free(native->file.path);
	if (native->file.fd >= 0)
		close(native->file.fd);
	free(native->ref);
	plan_free(&native->plan);
	free(native);
}
