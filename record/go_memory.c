#include "record/go_memory.h"

#include "common/go_globals.h"
#include "formats/xalloc.h"

#include <stdlib.h>

#define ARENA	   ((uint64_t)64 << 20) /* heapArenaBytes on 64-bit Linux (malloc.go) */
#define MAX_ARENAS ((uint64_t)1 << 22)
/* Addresses on amd64 are signed, arenas are counted from the lowest one (arenaBaseOffset). */
#define BASE_AMD64 0xffff800000000000u
#define SHARDS	   3 /* of consistentHeapStats (mstats.go) */
/* More than any machine has: a figure above it was not read from where it should be. */
#define MAX_BYTES ((uint64_t)1 << 48)

struct go_memory {
	const struct memory *memory;
	const struct go_layout *layout;
	enum go_arch arch;
	uint64_t memstats, controller, heap, live; /* addresses in the process; 0: not known */
	uint64_t n_known;			   /* arenas at the last reading */
	struct ownership_range *arenas;
	size_t n_arenas, cap_arenas;
};

static uint64_t locate(const struct gobin *bin, const char *name, uint64_t load_bias)
{
	uint64_t address;

	return gobin_global(bin, name, &address) ? address + load_bias : 0;
}

struct go_memory *go_memory_new(const struct gobin *bin, uint64_t load_bias,
				const struct memory *memory)
{
	struct go_memory *go = xcalloc(1, sizeof(*go));

	go->memory = memory;
	go->layout = gobin_layout(bin);
	go->arch = gobin_arch(bin);
	go->memstats = locate(bin, "runtime.memstats", load_bias);
	go->controller = locate(bin, "runtime.gcController", load_bias);
	go->heap = locate(bin, "runtime.mheap_", load_bias);
	go->live = gobin_version(bin)->minor <= 16 ? go->memstats : go->controller;
	return go;
}

/* A member of a structure; false where either is not known, or cannot be read. */
static bool member(const struct go_memory *go, uint64_t base, int offset, uint64_t *value)
{
	*value = 0;
	return base && offset >= 0 && memory_u64(go->memory, base + (uint64_t)offset, value);
}

/* Up to 1.15 the figures stand by themselves. */
static bool read_plain(const struct go_memory *go, struct note_go_memory *figures)
{
	const struct go_layout *l = go->layout;
	uint64_t idle;

	if (!member(go, go->memstats, l->memstats_heap_inuse, &figures->in_use) ||
	    !member(go, go->memstats, l->memstats_heap_idle, &idle) ||
	    !member(go, go->memstats, l->memstats_heap_released, &figures->released) ||
	    !member(go, go->memstats, l->memstats_stacks_inuse, &figures->stacks))
		return false;
	/* They change while they are read. */
	figures->free = idle > figures->released ? idle - figures->released : 0;
	return true;
}

static uint64_t positive(uint64_t value)
{
	return value >> 63 ? 0 : value;
}

/*
 * Since 1.16 in shards that add up: one that is written to, two that were. Each field is a change,
 * so a shard by itself may be negative.
 */
static bool read_shards(const struct go_memory *go, struct note_go_memory *figures)
{
	enum { COMMITTED, RELEASED, IN_HEAP, IN_STACKS, IN_WORK, FIELDS };
	const struct go_layout *l = go->layout;
	uint64_t sums[FIELDS] = {0}, bits = 0, used;

	if (!go->memstats || l->memstats_heap_stats < 0 || l->heap_stats_size <= 0)
		return false;
	for (int shard = 0; shard < SHARDS; shard++) {
		uint64_t base = go->memstats + (uint64_t)l->memstats_heap_stats +
				(uint64_t)(shard * l->heap_stats_size);
		uint64_t values[FIELDS], value;

		if (!memory_read(go->memory, base, values, sizeof(values)))
			return false;
		for (int i = 0; i < FIELDS; i++)
			sums[i] += values[i];
		if (member(go, base, l->heap_stats_bits, &value))
			bits += value;
	}
	figures->in_use = positive(sums[IN_HEAP]);
	figures->stacks = positive(sums[IN_STACKS]);
	figures->work = positive(sums[IN_WORK]) + positive(bits);
	figures->released = positive(sums[RELEASED]);
	used = figures->in_use + figures->stacks + figures->work;
	figures->free = positive(sums[COMMITTED]) > used ? sums[COMMITTED] - used : 0;
	return true;
}

static uint64_t read_sys(const struct go_memory *go)
{
	const struct go_layout *l = go->layout;
	const int offsets[] = {l->memstats_mspan_sys, l->memstats_mcache_sys,
			       l->memstats_buckhash_sys, l->memstats_gc_sys, l->memstats_other_sys};
	uint64_t sum = 0, value;

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		if (!member(go, go->memstats, offsets[i], &value) || value > MAX_BYTES)
			return 0;
		sum += value;
	}
	return sum;
}

void go_memory_read(struct go_memory *go, struct note_go_memory *figures)
{
	*figures = (struct note_go_memory){0};
	if ((!read_shards(go, figures) && !read_plain(go, figures)) ||
	    figures->in_use > MAX_BYTES || figures->stacks > MAX_BYTES ||
	    figures->work > MAX_BYTES || figures->free > MAX_BYTES) {
		*figures = (struct note_go_memory){0};
		return;
	}
	if (!member(go, go->live, go->layout->gc_heap_live, &figures->live) ||
	    figures->live > MAX_BYTES)
		figures->live = 0;
	figures->sys = read_sys(go);
}

static int by_start(const void *a, const void *b)
{
	const struct ownership_range *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

/* Sorted; neighbours become one. */
static void settle(struct go_memory *go)
{
	size_t kept = 0;

	qsort(go->arenas, go->n_arenas, sizeof(*go->arenas), by_start);
	for (size_t i = 0; i < go->n_arenas; i++) {
		if (kept && go->arenas[kept - 1].end >= go->arenas[i].start)
			go->arenas[kept - 1].end = go->arenas[i].end;
		else
			go->arenas[kept++] = go->arenas[i];
	}
	go->n_arenas = kept;
}

const struct ownership_range *go_memory_arenas(struct go_memory *go, size_t *n)
{
	uint64_t slice[2], *indices;

	*n = go->n_arenas;
	if (!go->heap || go->layout->mheap_arenas < 0 ||
	    !memory_read(go->memory, go->heap + (uint64_t)go->layout->mheap_arenas, slice,
			 sizeof(slice)) ||
	    slice[1] > MAX_ARENAS || slice[1] == go->n_known)
		return go->arenas;
	indices = xcalloc(slice[1], sizeof(*indices));
	if (memory_read(go->memory, slice[0], indices, slice[1] * sizeof(*indices))) {
		go->n_arenas = 0;
		go->n_known = slice[1];
		xgrow(go->arenas, go->cap_arenas, slice[1]);
		for (size_t i = 0; i < slice[1]; i++) {
			uint64_t start =
				indices[i] * ARENA + (go->arch == GO_ARCH_AMD64 ? BASE_AMD64 : 0);

			go->arenas[go->n_arenas++] = (struct ownership_range){start, start + ARENA};
		}
		settle(go);
	}
	free(indices);
	*n = go->n_arenas;
	return go->arenas;
}

bool go_memory_limit(const struct go_memory *go, uint64_t *limit)
{
	if (!member(go, go->controller, go->layout->gc_memory_limit, limit))
		return false;
	/* The greatest number stands for none. */
	if (*limit > MAX_BYTES)
		*limit = 0;
	return true;
}

void go_memory_free(struct go_memory *go)
{
	if (!go)
		return;
	free(go->arenas);
	free(go);
}
