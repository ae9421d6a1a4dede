#include "analyze/owners.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* Linux's own limit is 65,530 mappings (vm.max_map_count). */
#define MAX_CALLS ((size_t)1 << 18)
/* New arenas come next to the ones there are: this far on, at most, between two readings. */
#define NEAR_HEAP ((uint64_t)1 << 32)
#define ARENA	  ((uint64_t)64 << 20)

/*
 * Where the heap begins before a reading has found it: 0x00c0 in the upper half of 40 bits on
 * amd64, 0x0040 elsewhere (runtime/malloc.go, mallocinit; up to 1.25, later versions choose by
 * chance).
 */
#define FIRST_HINT	0xc000000000u
#define FIRST_HINT_SIZE ((uint64_t)1 << 36)

/* ---- The calls, by address -------------------------------------------------------------- */

/* The first call whose memory ends behind the address. */
static size_t first_call(const struct owners *owners, uint64_t address)
{
	size_t low = 0, high = owners->n_calls;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (owners->calls[middle].end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Replaces n calls from `at` on by up to three. */
static void splice(struct owners *owners, size_t at, size_t n, const struct owners_call *by,
		   size_t n_by)
{
	size_t rest = owners->n_calls - at - n;

	xgrow(owners->calls, owners->cap_calls, owners->n_calls + n_by);
	memmove(&owners->calls[at + n_by], &owners->calls[at + n], rest * sizeof(*owners->calls));
	memcpy(&owners->calls[at], by, n_by * sizeof(*by));
	owners->n_calls = at + n_by + rest;
}

static bool alike(const struct owners_call *a, const struct owners_call *b)
{
	return a->stack == b->stack && a->owner == b->owner && a->reading == b->reading;
}

/* Puts a call in the place of what was there; an empty one only takes out. */
static void put(struct owners *owners, struct owners_call call, bool is_empty)
{
	size_t at = first_call(owners, call.start), n = 0, n_by = 0;
	struct owners_call by[3], tail = {0};

	/* What it touches and is like, it grows by. */
	if (!is_empty && at && owners->calls[at - 1].end == call.start &&
	    alike(&owners->calls[at - 1], &call)) {
		call.start = owners->calls[--at].start;
		n++;
	}
	for (; at + n < owners->n_calls && owners->calls[at + n].start < call.end; n++) {
		const struct owners_call *old = &owners->calls[at + n];

		if (!is_empty && alike(old, &call)) {
			call.start = old->start < call.start ? old->start : call.start;
			call.end = old->end > call.end ? old->end : call.end;
			continue;
		}
		if (old->start < call.start) {
			by[n_by] = *old;
			by[n_by++].end = call.start;
		}
		if (old->end > call.end) {
			tail = *old;
			tail.start = call.end;
		}
	}
	if (!is_empty && !tail.end && at + n < owners->n_calls &&
	    owners->calls[at + n].start == call.end && alike(&owners->calls[at + n], &call))
		call.end = owners->calls[at + n++].end;
	if (!is_empty)
		by[n_by++] = call;
	if (tail.end)
		by[n_by++] = tail;
	if ((n || n_by) && owners->n_calls + n_by <= MAX_CALLS)
		splice(owners, at, n, by, n_by);
}

void owners_mapped(struct owners *owners, const struct owners_mapping *mapping)
{
	if (mapping->end <= mapping->start)
		return;
	put(owners,
	    (struct owners_call){
		    .start = mapping->start,
		    .end = mapping->end,
		    .stack = mapping->stack,
		    .reading = owners->readings,
		    .owner = mapping->is_file	  ? OWNER_FILES
			     : mapping->is_shared ? OWNER_SHARED
						  : OWNER_ANON,
	    },
	    false);
}

void owners_unmapped(struct owners *owners, uint64_t start, uint64_t end)
{
	if (start < end)
		put(owners, (struct owners_call){.start = start, .end = end}, true);
}

void owners_brk(struct owners *owners, uint64_t end)
{
	if (!owners->brk_start || end < owners->brk_start)
		owners->brk_start = end;
	owners->brk_end = end;
}

/* ---- The reading ------------------------------------------------------------------------ */

void owners_reading(struct owners *owners, const struct note_owners *note)
{
	owners->n_ranges = 0;
	owners->heap_start = owners->heap_end = 0;
	owners->readings++;
	xgrow(owners->ranges, owners->cap_ranges, note->n_ranges);
	for (size_t i = 0; i < note->n_ranges; i++) {
		const struct note_owner_range *range = &note->ranges[i];

		owners->ranges[owners->n_ranges++] = *range;
		if (range->owner != OWNER_GO_HEAP)
			continue;
		if (!owners->heap_start)
			owners->heap_start = range->start;
		owners->heap_end = range->end;
	}
}

static const struct note_owner_range *find_range(const struct owners *owners, uint64_t address)
{
	size_t low = 0, high = owners->n_ranges;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (owners->ranges[middle].end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low < owners->n_ranges && owners->ranges[low].start <= address ? &owners->ranges[low]
									      : NULL;
}

/* Whether an address is where the Go heap has been growing. */
static bool is_near_heap(const struct owners *owners, uint64_t address)
{
	if (owners->heap_start)
		return address >= (owners->heap_start & ~(ARENA - 1)) &&
		       address < owners->heap_end + NEAR_HEAP;
	return address - FIRST_HINT < FIRST_HINT_SIZE;
}

struct owners_place owners_find(const struct owners *owners, uint64_t address)
{
	struct owners_place place = {OWNER_UNKNOWN, OWNERS_NO_STACK};
	const struct note_owner_range *range = find_range(owners, address);
	size_t at = first_call(owners, address);
	const struct owners_call *call = NULL;

	if (at < owners->n_calls && owners->calls[at].start <= address)
		call = &owners->calls[at];
	if (call)
		place.stack = call->stack;
	/* What was mapped since the reading is not what the reading found there. */
	if (range && !(call && call->reading == owners->readings))
		place.owner = range->owner;
	else if (is_near_heap(owners, address))
		place.owner = OWNER_GO_HEAP;
	else if (call)
		place.owner = call->owner;
	else if (address >= owners->brk_start && address < owners->brk_end)
		place.owner = OWNER_C_HEAP;
	return place;
}

void owners_divide(const struct owners *owners, owners_share *share, void *context)
{
	for (size_t i = 0; i < owners->n_ranges; i++) {
		const struct note_owner_range *range = &owners->ranges[i];
		double density = (double)range->rss / (double)(range->end - range->start);
		double left = (double)range->rss;

		if (!range->rss || (range->owner != OWNER_ANON && range->owner != OWNER_FILES &&
				    range->owner != OWNER_SHARED))
			continue;
		for (size_t c = first_call(owners, range->start);
		     c < owners->n_calls && owners->calls[c].start < range->end; c++) {
			const struct owners_call *call = &owners->calls[c];
			uint64_t start = call->start > range->start ? call->start : range->start;
			uint64_t end = call->end < range->end ? call->end : range->end;
			double bytes = (double)(end - start) * density;

			if (call->stack == OWNERS_NO_STACK)
				continue;
			share(context, range->owner, call->stack, bytes);
			left -= bytes;
		}
		if (left > 0.5)
			share(context, range->owner, OWNERS_NO_STACK, left);
	}
}

void owners_free(struct owners *owners)
{
	free(owners->ranges);
	free(owners->calls);
	*owners = (struct owners){0};
}

/* ---- Names ------------------------------------------------------------------------------ */

/*
 * The runtime's own way to mmap, in every version and also through cgo (runtime/mem_linux.go,
 * cgo_mmap.go); programs go by package syscall or by C.
 */
static bool is_runtime_mmap(const char *function)
{
	return !strcmp(function, "runtime.mmap") || !strncmp(function, "runtime.mmap.", 13) ||
	       !strncmp(function, "runtime.sysMmap", 15) ||
	       !strncmp(function, "runtime.sysAlloc", 16) ||
	       !strncmp(function, "runtime.sysReserve", 18) ||
	       !strncmp(function, "runtime.sysMap", 14);
}

bool owners_is_runtime(const struct model *model, uint32_t process, const uint64_t *pcs, uint32_t n)
{
	if (process >= model->n_processes || !model->symbols)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		size_t n_frames = 0;
		const struct symtab_frame *frames = symtab_find(
			model->symbols, model->processes[process].pid, pcs[i], &n_frames);

		for (size_t k = 0; frames && k < n_frames; k++) {
			if (is_runtime_mmap(frames[k].function))
				return true;
		}
	}
	return false;
}

static const struct {
	const char *name, *key;
} names[OWNER_COUNT] = {
	[OWNER_UNKNOWN] = {"not known", "unknown"},
	[OWNER_GO_HEAP] = {"Go heap", "go_heap"},
	[OWNER_GO_FREE] = {"Go heap, free", "go_free"},
	[OWNER_GO_STACKS] = {"goroutine stacks", "go_stacks"},
	[OWNER_GO_RUNTIME] = {"Go runtime", "go_runtime"},
	[OWNER_PROGRAM] = {"program", "program"},
	[OWNER_C_HEAP] = {"C heap", "c_heap"},
	[OWNER_THREAD_STACKS] = {"thread stacks", "thread_stacks"},
	[OWNER_LIBRARIES] = {"libraries", "libraries"},
	[OWNER_FILES] = {"mapped files", "files"},
	[OWNER_SHARED] = {"shared memory", "shared"},
	[OWNER_ANON] = {"other anonymous", "anonymous"},
};

const char *owner_name(enum memory_owner owner)
{
	return owner < OWNER_COUNT ? names[owner].name : names[OWNER_UNKNOWN].name;
}

const char *owner_key(enum memory_owner owner)
{
	return owner < OWNER_COUNT ? names[owner].key : names[OWNER_UNKNOWN].key;
}
