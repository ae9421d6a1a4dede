#include "common/placement.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

enum {
	MAX_PROLOGUE = 16, /* instructions up to the check: the longest form, of 1.16, has ten */
	MAX_RESTART = 64,  /* spills, call, reloads, jump */
	MAX_WALK = 256,
	MAX_AFTER = 8,
};

#define REG(n) (UINT64_C(1) << (n))

const char *placement_name(enum placement placement)
{
	switch (placement) {
	case PLACE_EMULATED_ONCE:
		return "emulated, once";
	case PLACE_EMULATED_TWICE:
		return "emulated, filtered";
	case PLACE_STEPPED_ONCE:
		return "stepped, once";
	case PLACE_ENTRY:
		return "entry, stepped";
	}
	return "?";
}

/* Whether the code from index i calls once and then jumps to the start; *end: after the jump. */
static bool is_restart(const struct code *code, size_t i, size_t *end)
{
	size_t calls = 0;

	for (size_t left = MAX_RESTART; left && i < code->n; left--, i++) {
		const struct insn *insn = &code->insns[i];

		switch (insn->kind) {
		case INSN_CALL:
			calls++;
			break;
		case INSN_JUMP:
			*end = i + 1;
			return calls == 1 && insn->target == code->start;
		case INSN_OTHER:
		case INSN_NOP:
		case INSN_PC_RELATIVE:
			break;
		default:
			return false;
		}
	}
	return false;
}

struct stack_check placement_stack_check(const struct code *code)
{
	struct stack_check check = {.branch = -1};
	size_t end;

	for (size_t i = 0; i < code->n && i < MAX_PROLOGUE; i++) {
		const struct insn *insn = &code->insns[i];
		ptrdiff_t target;

		if (insn->kind == INSN_OTHER || insn->kind == INSN_NOP)
			continue;
		if (insn->kind != INSN_BRANCH)
			break;
		target = code_index(code, insn->target);
		if (target > (ptrdiff_t)i && is_restart(code, (size_t)target, &end)) {
			check = (struct stack_check){.branch = (ptrdiff_t)i, .body = i + 1};
		} else if (is_restart(code, i + 1, &end) && target == (ptrdiff_t)end) {
			check = (struct stack_check){
				.branch = (ptrdiff_t)i, .body = end, .taken_goes_on = true};
			break;
		} else {
			break;
		}
	}
	return check;
}

/* The filter that keeps the calls that go on past the check; NULL where none can be given. */
static const char *check_filter(const struct arch *arch, const struct insn *insn,
				bool taken_goes_on, int *reg)
{
	switch (insn->condition) {
	case CONDITION_LOWER_SAME:
		*reg = ARCH_FLAGS;
		if (taken_goes_on)
			return NULL;
		if (arch->id == GO_ARCH_AMD64)
			return "!(flags & 0x41)"; /* neither CF nor ZF */
		if (arch->id == GO_ARCH_ARM64)	  /* C and not Z */
			return "flags & 0x20000000 && !(flags & 0x40000000)";
		return NULL;
	case CONDITION_ZERO:
	case CONDITION_NONZERO:
		*reg = insn->condition_reg;
		return (insn->condition == CONDITION_ZERO) == taken_goes_on ? "flags == 0"
									    : "flags != 0";
	case CONDITION_OTHER:
		break;
	}
	return NULL;
}

/* What is known at one point of the straight line from the function's entry. */
struct state {
	uint64_t changed; /* registers written since entry */
	int64_t sp;
	int g_reg;
	bool frame;
	bool args_overwritten; /* on the stack */
};

struct walk {
	const struct code *code;
	const struct place_need *need;
	struct stack_check check;
	uint64_t loop_head; /* lowest address after the check that anything jumps to */
	bool blind;	    /* the function has jumps whose targets are not known */
	bool found;
	int rank;
	struct place best;
};

/* Higher is better; 0 is no place at all. */
enum {
	RANK_NONE,
	RANK_ENTRY,
	RANK_STEPPED_ONCE,
	RANK_EMULATED_TWICE,
	RANK_EMULATED_ONCE,
	/* On push %rbp kernels from 6.12 on put the caller into the chain. */
	RANK_EMULATED_ONCE_PUSH,
	RANK_EMULATED_ONCE_FRAME,
};

static void find_loop_head(struct walk *walk)
{
	const struct code *code = walk->code;
	uint64_t body = code->insns[walk->check.branch < 0 ? 0 : walk->check.body].address;

	walk->loop_head = UINT64_MAX;
	walk->blind = !code->complete;
	for (size_t i = 0; i < code->n; i++) {
		const struct insn *insn = &code->insns[i];

		if (insn->kind == INSN_JUMP_INDIRECT)
			walk->blind = true;
		if ((insn->kind == INSN_JUMP || insn->kind == INSN_BRANCH) &&
		    insn->target >= body && insn->target < walk->loop_head &&
		    (ptrdiff_t)i != walk->check.branch)
			walk->loop_head = insn->target;
	}
}

/* Whether the kernel takes a breakpoint here; on LoongArch it also looks at the next word. */
static bool refused(const struct code *code, size_t i)
{
	return code->insns[i].kind == INSN_REFUSED ||
	       (code->arch->id == GO_ARCH_LOONG64 && i + 1 < code->n &&
		code->insns[i + 1].kind == INSN_REFUSED);
}

static bool intact(const struct walk *walk, const struct state *state)
{
	return !(state->changed & walk->need->regs) && (!walk->need->g || state->g_reg >= 0) &&
	       (!walk->need->stack_args || !state->args_overwritten);
}

/* Whether the instruction runs exactly once in a call. */
static bool runs_once(const struct walk *walk, size_t i)
{
	const struct insn *insn = &walk->code->insns[i];
	size_t body = walk->check.branch < 0 ? 0 : walk->check.body;

	if (walk->check.branch >= 0 && i < body)
		return walk->need->on_g0 && (ptrdiff_t)i == walk->check.branch;
	if (insn->address >= walk->loop_head)
		return false;
	/* With a jump table anything might be a loop, but nothing jumps to a frame's set-up. */
	return !walk->blind || (i == body && (insn->kind == INSN_PUSH || insn->sp_change < 0 ||
					      insn->stores_stack));
}

static void consider(struct walk *walk, const struct state *state, size_t i)
{
	const struct code *code = walk->code;
	const struct insn *insn = &code->insns[i];
	bool emulated = arch_emulates(code->arch, insn->kind);
	const char *filter = NULL;
	int rank = RANK_NONE, filter_reg = -1;

	if (refused(code, i) || !intact(walk, state))
		return;
	if (runs_once(walk, i)) {
		rank = RANK_STEPPED_ONCE;
		if (emulated && walk->need->chain && state->frame)
			rank = RANK_EMULATED_ONCE_FRAME;
		else if (emulated)
			rank = insn->kind == INSN_PUSH ? RANK_EMULATED_ONCE_PUSH
						       : RANK_EMULATED_ONCE;
	} else if ((ptrdiff_t)i == walk->check.branch && emulated) {
		filter = check_filter(code->arch, insn, walk->check.taken_goes_on, &filter_reg);
		rank = filter ? RANK_EMULATED_TWICE : RANK_NONE;
	} else if (i == 0) {
		rank = RANK_ENTRY;
	}
	if (rank <= walk->rank)
		return;
	walk->rank = rank;
	walk->best = (struct place){
		.index = i,
		.address = insn->address,
		.placement = rank == RANK_ENTRY		   ? PLACE_ENTRY
			     : rank == RANK_STEPPED_ONCE   ? PLACE_STEPPED_ONCE
			     : rank == RANK_EMULATED_TWICE ? PLACE_EMULATED_TWICE
							   : PLACE_EMULATED_ONCE,
		.sp_offset = state->sp,
		.g_reg = state->g_reg,
		.frame = state->frame,
		.link = code->arch->link >= 0 && !(state->changed & REG(code->arch->link)),
		.filter_reg = filter_reg,
		.filter = filter,
	};
}

/* Carries the state over an instruction; false where the straight line ends. */
static bool step(const struct walk *walk, struct state *state, size_t i)
{
	const struct arch *arch = walk->code->arch;
	const struct insn *insn = &walk->code->insns[i];

	if (!insn->known || (insn->stores && !insn->stores_stack))
		return false;
	switch (insn->kind) {
	case INSN_BRANCH:
		/* Up to the check only its own branches are passed. */
		if ((ptrdiff_t)i > walk->check.branch)
			return false;
		break;
	case INSN_OTHER:
	case INSN_NOP:
	case INSN_PUSH:
	case INSN_PC_RELATIVE:
		break;
	default:
		return false;
	}
	if (insn->stores_stack && state->sp + insn->stack_offset >= arch->stack_args)
		state->args_overwritten = true;
	/* A write to SP is accounted for in sp_change. */
	state->changed |= insn->writes & ~REG(arch->sp);
	state->sp += insn->sp_change;
	/* More was popped than pushed: what the stack pointer means from here on is not known. */
	if (state->sp > 0)
		return false;
	if (state->g_reg >= 0 && (insn->writes & REG(state->g_reg)))
		state->g_reg = -1;
	if (insn->g_from_tls >= 0)
		state->g_reg = insn->g_from_tls;
	state->frame |= insn->sets_frame && arch->frame_chain;
	return true;
}

static char *place_reason(const struct walk *walk, const struct place *place)
{
	const struct arch *arch = walk->code->arch;
	const struct insn *insn = &walk->code->insns[place->index];
	const char *where, *frame = "", *cost;

	if (walk->check.branch < 0)
		where = "no stack check";
	else if ((ptrdiff_t)place->index > walk->check.branch)
		where = "past the stack check";
	else if (place->placement == PLACE_EMULATED_ONCE)
		where = "stack check, on g0 which never grows";
	else if (place->placement == PLACE_EMULATED_TWICE)
		where = "stack check, restarts filtered out by its condition";
	else
		where = "first byte, fires again after a stack growth";
	if (place->frame)
		frame = ", frame set up";
	cost = arch->emulated_since[insn->kind];
	if (cost && arch_emulates(arch, insn->kind))
		return xasprintf("%s%s, emulated", where, frame);
	if (cost)
		return xasprintf("%s%s, single-stepped before kernel %s", where, frame, cost);
	return xasprintf("%s%s, single-stepped", where, frame);
}

struct error *placement_find(const struct code *code, const struct place_need *need,
			     struct place *place)
{
	struct walk walk = {.code = code, .need = need};
	struct state state = {.g_reg = need->g_reg};
	size_t i = 0;

	*place = (struct place){.g_reg = -1, .filter_reg = -1};
	if (!code->n)
		return error_new("no instructions");
	walk.check = placement_stack_check(code);
	find_loop_head(&walk);
	for (size_t left = MAX_WALK; left && i < code->n; left--) {
		consider(&walk, &state, i);
		if (!step(&walk, &state, i))
			break;
		i = (ptrdiff_t)i == walk.check.branch ? walk.check.body : i + 1;
	}
	if (!walk.rank)
		return error_new("no instruction at which all arguments are intact");
	*place = walk.best;
	place->reason = place_reason(&walk, place);
	return NULL;
}

static struct place place_in_body(const struct code *code, size_t i, const char *where)
{
	const struct arch *arch = code->arch;
	const struct insn *insn = &code->insns[i];
	bool emulated = arch_emulates(arch, insn->kind);

	return (struct place){
		.index = i,
		.address = insn->address,
		.placement = emulated ? PLACE_EMULATED_ONCE : PLACE_STEPPED_ONCE,
		.g_reg = arch->g,
		.frame = arch->frame_chain,
		.filter_reg = -1,
		.reason = xasprintf("%s, %s", where, emulated ? "emulated" : "single-stepped"),
	};
}

bool placement_call(const struct code *code, uint64_t target, size_t n, struct place *place)
{
	for (size_t i = 0; i < code->n; i++) {
		if (code->insns[i].kind != INSN_CALL || code->insns[i].target != target ||
		    refused(code, i) || n--)
			continue;
		*place = place_in_body(code, i, "at the call, its arguments are in place");
		return true;
	}
	return false;
}

/* Whether anything in the function jumps into the instructions after `from`, up to `to`. */
static bool jumped_into(const struct code *code, size_t from, size_t to)
{
	for (size_t i = 0; i < code->n; i++)
		if ((code->insns[i].kind == INSN_JUMP || code->insns[i].kind == INSN_BRANCH) &&
		    code->insns[i].target > code->insns[from].address &&
		    code->insns[i].target <= code->insns[to].address)
			return true;
	return false;
}

bool placement_after_call(const struct code *code, size_t call, uint64_t regs, struct place *place)
{
	static const char where[] = "after the call, its result is in place";
	const struct walk walk = {.code = code, .check = {.branch = -1}};
	struct state state = {.g_reg = code->arch->g};

	for (size_t i = call + 1; i < code->n && i <= call + MAX_AFTER; i++) {
		if (arch_emulates(code->arch, code->insns[i].kind) && !refused(code, i) &&
		    !jumped_into(code, call, i)) {
			*place = place_in_body(code, i, where);
			return true;
		}
		if (!step(&walk, &state, i) || (state.changed & (regs | REG(code->arch->g))) ||
		    (!regs && state.args_overwritten))
			break;
	}
	if (call + 1 >= code->n || refused(code, call + 1) || jumped_into(code, call, call + 1))
		return false;
	*place = place_in_body(code, call + 1, where);
	return true;
}
