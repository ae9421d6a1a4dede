#include "analyze/decode_wanted.h"

#include <stddef.h>
#include <string.h>

static const struct wanted_probe wanted_probes[] = {
	{
		"birth",
		EVENT_BIRTH,
		{
			{"p", FIELD_P},
			{"b", FIELD_B},
			{"size", FIELD_SIZE},
			{"nstk", FIELD_NSTK},
			{"goid", FIELD_GOID},
			{"cycle", FIELD_CYCLE},
		},
	},
	{
		"death",
		EVENT_DEATH,
		{
			{"p", FIELD_P},
			{"b", FIELD_B},
			{"size", FIELD_SIZE},
			{"kind", FIELD_KIND},
			{"cycle", FIELD_CYCLE},
		},
	},
	{
		"refill",
		EVENT_SPAN_TAKEN,
		{
			{"s", FIELD_SPAN},
			{"base", FIELD_BASE},
			{"sweepgen", FIELD_SWEEPGEN},
			{"nelems", FIELD_NELEMS},
			{"freeindex", FIELD_FREEINDEX},
			{"allocCache", FIELD_ALLOC_CACHE},
			{"allocCount", FIELD_ALLOC_COUNT},
			{"elemsize", FIELD_ELEMSIZE},
			{"goid", FIELD_GOID},
			{"cycle", FIELD_CYCLE},
		},
	},
	{
		"large",
		EVENT_SPAN_LARGE,
		{
			{"s", FIELD_SPAN},
			{"base", FIELD_BASE},
			{"sweepgen", FIELD_SWEEPGEN},
			{"size", FIELD_ELEMSIZE},
			{"goid", FIELD_GOID},
			{"cycle", FIELD_CYCLE},
		},
	},
	{
		"release",
		EVENT_SPAN_RELEASED,
		{
			{"s", FIELD_SPAN},
			{"allocCount", FIELD_ALLOC_COUNT},
			{"cycle", FIELD_CYCLE},
		},
	},
	{
		"go_create",
		EVENT_GO_CREATE,
		{
			{"goid", FIELD_GOID},
			{"fn", FIELD_FN},
			{"callerpc", FIELD_CALLERPC},
			{"creator", FIELD_CREATOR},
			{"lo", FIELD_LO},
			{"hi", FIELD_HI},
		},
	},
	{
		"go_create_coro",
		EVENT_GO_CREATE,
		{
			{"goid", FIELD_GOID},
			{"fn", FIELD_FN},
			{"callerpc", FIELD_CALLERPC},
			{"creator", FIELD_CREATOR},
			{"lo", FIELD_LO},
			{"hi", FIELD_HI},
		},
	},
	{
		"go_exit",
		EVENT_GO_EXIT,
		{
			{"goid", FIELD_GOID},
			{"fn", FIELD_FN},
			{"callerpc", FIELD_CALLERPC},
		},
	},
	{
		"lock_thread",
		EVENT_LOCK_THREAD,
		{
			{"goid", FIELD_GOID},
		},
	},
	{
		"unlock_thread",
		EVENT_UNLOCK_THREAD,
		{
			{"goid", FIELD_GOID},
		},
	},
	{
		"gc_start",
		EVENT_GC_START,
		{
			{"cycles", FIELD_CYCLES},
			{"live", FIELD_LIVE},
			{"goal", FIELD_GOAL},
			{"cycle", FIELD_CYCLE},
		},
	},
	{
		"gc_mark_term",
		EVENT_GC_MARK_TERM,
		{
			{"live", FIELD_LIVE},
			{"cycle", FIELD_CYCLE},
		},
	},
	{
		"gc_end",
		EVENT_GC_END,
		{
			{"numgc", FIELD_NUMGC},
			{"cycle", FIELD_CYCLE},
			{"sweep_term", FIELD_SWEEP_TERM},
			{"mark", FIELD_MARK},
			{"mark_term", FIELD_MARK_TERM},
			{"end", FIELD_END},
			{"heap0", FIELD_HEAP0},
			{"heap1", FIELD_HEAP1},
			{"heap2", FIELD_HEAP2},
			{"goal", FIELD_GOAL},
			{"next_goal", FIELD_NEXT_GOAL},
			{"forced", FIELD_FORCED},
			{"procs", FIELD_PROCS},
			{"live", FIELD_LIVE},
			{"rate", FIELD_RATE},
			{"assist", FIELD_ASSIST},
			{"dedicated", FIELD_DEDICATED},
			{"fractional", FIELD_FRACTIONAL},
			{"idle", FIELD_IDLE},
			{"stacks", FIELD_STACKS},
			{"pause_total", FIELD_PAUSE_TOTAL},
			{"cpu_fraction", FIELD_CPU_FRACTION},
			{"numforced", FIELD_NUMFORCED},
		},
	},
};

const struct wanted_field wanted_native_fields[MAX_FIELDS] = {
	{"p", FIELD_P},	  {"size", FIELD_SIZE}, {"count", FIELD_NMEMB}, {"chunk", FIELD_CHUNK},
	{"sp", FIELD_SP}, {"fp", FIELD_FP},	{"ret", FIELD_RET},
};

static const struct wanted_syscall wanted_syscalls[] = {
	{"mmap", SYSCALL_MMAP, {"addr", "len", "prot", "flags", "fd", "off"}},
	{"munmap", SYSCALL_MUNMAP, {"addr", "len"}},
	{"mremap", SYSCALL_MREMAP, {"addr", "old_len", "new_len", "flags", "new_addr"}},
	{"brk", SYSCALL_BRK, {"brk"}},
	{"clone", SYSCALL_CLONE, {NULL}},
	{"clone3", SYSCALL_CLONE, {NULL}},
	{"madvise", SYSCALL_MADVISE, {"start", "len_in", "behavior"}},
};

/* Where an event of that name is there already, perf probe adds a number: "birth_1". */
static bool is_named(const char *name, const char *wanted)
{
	size_t len = strlen(wanted);

	return !strncmp(name, wanted, len) &&
	       (!name[len] || (name[len] == '_' && name[len + 1] &&
			       !name[len + 1 + strspn(name + len + 1, "0123456789")]));
}

const struct wanted_probe *wanted_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(wanted_probes) / sizeof(*wanted_probes); i++)
		if (is_named(name, wanted_probes[i].name))
			return &wanted_probes[i];
	return NULL;
}

const struct wanted_probe *wanted_by_kind(enum event_kind kind)
{
	for (size_t i = 0; i < sizeof(wanted_probes) / sizeof(*wanted_probes); i++)
		if (wanted_probes[i].kind == kind)
			return &wanted_probes[i];
	return NULL;
}

const struct wanted_syscall *wanted_syscall(const char *name)
{
	for (size_t i = 0; i < sizeof(wanted_syscalls) / sizeof(*wanted_syscalls); i++)
		if (!strcmp(name, wanted_syscalls[i].name))
			return &wanted_syscalls[i];
	return NULL;
}
