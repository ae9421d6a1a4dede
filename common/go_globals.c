#include "common/go_globals.h"

#include "common/code_refs.h"
#include "common/gobin_internal.h"

#include <string.h>

enum method {
	COMMON,	  /* the one address that both functions touch in the ways given */
	ARGUMENT, /* the address taken last before `first` calls `second` */
	COUNTERS, /* two neighbouring 4-byte counters that `first` increments */
	SLICE,	  /* a pointer, a length and a capacity that `first` reads */
	ONLY,	  /* the one address that `first` takes */
};

/*
 * What this one touches, every function does: where g is found by thread-local storage, as up to
 * 1.16, a shared object reads g's place from a word of its own.
 */
#define BYSTANDER "runtime.newobject"

#define ADDRESS (1u << CODE_REF_ADDRESS)
#define LOAD	(1u << CODE_REF_LOAD)
#define STORE	(1u << CODE_REF_STORE)
#define UPDATE	(1u << CODE_REF_UPDATE)
#define ANY	(ADDRESS | LOAD | STORE | UPDATE)

/*
 * How each global is recognised; checked against the symbols of unstripped builds of 1.15 to 1.27.
 * The sources are runtime/mprof.go, mcache.go, malloc.go, mgc.go, mgcwork.go and proc.go.
 */
static const struct rule {
	const char *global;
	enum method method;
	const char *first, *second;
	unsigned first_kinds, second_kinds;
	uint8_t size; /* of what is read or written; 0: any */
	int from, to; /* minor versions */
} rules[] = {
	{"runtime.mbuckets", COMMON, "runtime.mProf_FlushLocked", "runtime.stkbucket", LOAD, ANY, 8,
	 0, 0},
	{"runtime.mProf", COMMON, "runtime.mProf_Free", "runtime.mProf_Malloc", LOAD, LOAD, 4, 0,
	 18},
	{"runtime.mProfCycle", COMMON, "runtime.mProf_Free", "runtime.mProf_Malloc", LOAD, LOAD, 4,
	 19, 0},
	{"runtime.MemProfileRate", COMMON, "runtime.allocmcache", "runtime.profilealloc", LOAD,
	 LOAD, 8, 0, 0},
	{"runtime.gcController", ARGUMENT, "runtime.gcMarkDone",
	 "runtime.(*gcControllerState).endCycle", ADDRESS, 0, 0, 0, 0},
	{"runtime.mheap_", ARGUMENT, "runtime.(*mcentral).grow", "runtime.(*mheap).alloc", ADDRESS,
	 0, 0, 0, 0},
	{"runtime.memstats", COUNTERS, "runtime.gcMarkTermination", NULL, LOAD | STORE | UPDATE, 0,
	 4, 0, 0},
	/* work.full is its first field. */
	{"runtime.work", COMMON, "runtime.putfull", "runtime.trygetfull", ADDRESS, ADDRESS, 0, 0,
	 0},
	{"runtime.runtimeInitTime", COMMON, "runtime.main", "runtime.gcMarkTermination", STORE,
	 LOAD, 8, 0, 0},
	{"runtime.allgs", SLICE, "runtime.allgadd", NULL, LOAD, 0, 8, 0, 0},
	{"runtime.waitReasonStrings", ONLY, "runtime.waitReason.String", NULL, ADDRESS, 0, 0, 0, 0},
};

/* What a function refers to; false where the binary has no such function. */
static bool collect(const struct gobin *bin, const char *name, struct code_refs *refs)
{
	struct gobin_function fn;
	const uint8_t *code;

	*refs = (struct code_refs){0};
	if (!gobin_function(bin, name, &fn))
		return false;
	code = gobin_bytes(bin, fn.address, fn.size);
	if (code)
		code_refs_collect(bin->arch, code, fn.size, fn.address, refs);
	return code != NULL;
}

static bool is_writable(const struct gobin *bin, uint64_t address)
{
	const struct elf_segment *seg = elf_file_segment(bin->file, address);

	return seg && seg->writable && !seg->executable;
}

static bool matches(const struct code_ref *ref, unsigned kinds, uint8_t size)
{
	/* The address alone tells no size. */
	return kinds & 1u << ref->kind &&
	       (!size || ref->size == size || ref->kind == CODE_REF_ADDRESS);
}

static bool touches(const struct code_refs *refs, uint64_t target, unsigned kinds, uint8_t size)
{
	for (size_t i = 0; i < refs->count; i++) {
		if (refs->items[i].target == target && matches(&refs->items[i], kinds, size))
			return true;
	}
	return false;
}

static bool increments(const struct code_refs *refs, uint64_t target)
{
	return touches(refs, target, UPDATE, 4) ||
	       (touches(refs, target, LOAD, 4) && touches(refs, target, STORE, 4));
}

static bool is_slice(const struct code_refs *refs, uint64_t target)
{
	return touches(refs, target, LOAD, 8) && touches(refs, target + 8, LOAD, 8) &&
	       touches(refs, target + 16, LOAD, 8);
}

/* Whether a reference in the first function is to the global. */
static bool is_global(const struct rule *rule, const struct code_ref *ref,
		      const struct code_refs *first, const struct code_refs *second)
{
	switch (rule->method) {
	case COMMON:
		return touches(second, ref->target, rule->second_kinds, rule->size);
	case COUNTERS:
		return increments(first, ref->target) && increments(first, ref->target + 4);
	case SLICE:
		return is_slice(first, ref->target);
	case ONLY:
		return true;
	default:
		return false;
	}
}

/* The one address that fits; false where none does, or several. */
static bool find_unique(const struct gobin *bin, const struct rule *rule,
			const struct code_refs *first, const struct code_refs *second,
			uint64_t *address)
{
	struct code_refs common;
	bool found = false, doubt = false;

	collect(bin, BYSTANDER, &common);
	for (size_t i = 0; i < first->count; i++) {
		const struct code_ref *ref = &first->items[i];

		if (!matches(ref, rule->first_kinds, rule->size) ||
		    !is_writable(bin, ref->target) || !is_global(rule, ref, first, second) ||
		    touches(&common, ref->target, ANY, 0))
			continue;
		doubt |= found && ref->target != *address;
		*address = ref->target;
		found = true;
	}
	code_refs_free(&common);
	return found && !doubt;
}

static bool find_argument(const struct gobin *bin, const char *callee,
			  const struct code_refs *caller, uint64_t *address)
{
	struct gobin_function fn;
	bool taken = false;

	if (!gobin_function(bin, callee, &fn))
		return false;
	for (size_t i = 0; i < caller->count; i++) {
		const struct code_ref *ref = &caller->items[i];

		if (ref->kind == CODE_REF_CALL && ref->target == fn.address)
			return taken;
		/* What was taken before another call was not for this one. */
		if (ref->kind == CODE_REF_CALL)
			taken = false;
		if (ref->kind == CODE_REF_ADDRESS && is_writable(bin, ref->target)) {
			*address = ref->target;
			taken = true;
		}
	}
	return false;
}

static bool apply_rule(const struct gobin *bin, const struct rule *rule, uint64_t *address)
{
	struct code_refs first, second = {0};
	bool found = collect(bin, rule->first, &first);

	if (found && rule->method == ARGUMENT)
		found = find_argument(bin, rule->second, &first, address);
	else if (found)
		found = (!rule->second || collect(bin, rule->second, &second)) &&
			find_unique(bin, rule, &first, &second, address);
	code_refs_free(&first);
	code_refs_free(&second);
	/* The counters are memstats.numgc and numforcedgc. */
	if (found && rule->method == COUNTERS)
		*address -= (uint64_t)gobin_layout(bin)->memstats_numgc;
	return found;
}

bool gobin_global_decode(const struct gobin *bin, const char *name, uint64_t *address)
{
	*address = 0;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *rule = &rules[i];

		if (strcmp(rule->global, name) != 0)
			continue;
		if (bin->version.minor < rule->from || (rule->to && bin->version.minor > rule->to))
			return false;
		return apply_rule(bin, rule, address);
	}
	return false;
}

bool gobin_global(const struct gobin *bin, const char *name, uint64_t *address)
{
	return gobin_data_symbol(bin, name, address, NULL) ||
	       gobin_global_decode(bin, name, address);
}
