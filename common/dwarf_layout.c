#include "common/dwarf_layout.h"

#include "common/dwarf_walk.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

enum owner {
	OWNER_SPECIAL,
	OWNER_SPECIALPROFILE,
	OWNER_BUCKET,
	OWNER_RECORD,
	OWNER_G,
	OWNER_M,
	OWNER_CONTROLLER,
	OWNER_MSTATS,
	OWNER_HEAPSTATS,
	OWNER_MHEAP,
	OWNER_MSPAN,
	OWNER_WORK,
	OWNER_KIND,
	OWNER_COUNT,
};

/* What to look for among the top-level entries, with the tag it has there. */
static const struct {
	const char *name;
	int tag;
} owners[OWNER_COUNT] = {
	[OWNER_SPECIAL] = {"runtime.special", DW_TAG_structure_type},
	[OWNER_SPECIALPROFILE] = {"runtime.specialprofile", DW_TAG_structure_type},
	[OWNER_BUCKET] = {"runtime.bucket", DW_TAG_structure_type},
	[OWNER_RECORD] = {"runtime.memRecordCycle", DW_TAG_structure_type},
	[OWNER_G] = {"runtime.g", DW_TAG_structure_type},
	[OWNER_M] = {"runtime.m", DW_TAG_structure_type},
	[OWNER_CONTROLLER] = {"runtime.gcControllerState", DW_TAG_structure_type},
	[OWNER_MSTATS] = {"runtime.mstats", DW_TAG_structure_type},
	[OWNER_HEAPSTATS] = {"runtime.heapStatsDelta", DW_TAG_structure_type},
	[OWNER_MHEAP] = {"runtime.mheap", DW_TAG_structure_type},
	[OWNER_MSPAN] = {"runtime.mspan", DW_TAG_structure_type},
	/* Its type had no name before 1.20. */
	[OWNER_WORK] = {"runtime.work", DW_TAG_variable},
	[OWNER_KIND] = {"runtime._KindSpecialProfile", DW_TAG_constant},
};

#define FIELD(name) offsetof(struct go_layout, name)

/* The members, under each name they have had. */
static const struct {
	enum owner owner;
	const char *member;
	size_t field;
} members[] = {
	{OWNER_SPECIAL, "offset", FIELD(special_offset)},
	{OWNER_SPECIAL, "kind", FIELD(special_kind)},
	{OWNER_SPECIALPROFILE, "b", FIELD(special_profile_bucket)},
	{OWNER_BUCKET, "allnext", FIELD(bucket_allnext)},
	{OWNER_BUCKET, "typ", FIELD(bucket_type)},
	{OWNER_BUCKET, "size", FIELD(bucket_size)},
	{OWNER_BUCKET, "nstk", FIELD(bucket_nstk)},
	{OWNER_G, "m", FIELD(g_m)},
	{OWNER_G, "goid", FIELD(g_goid)},
	{OWNER_G, "atomicstatus", FIELD(g_status)},
	{OWNER_G, "waitsince", FIELD(g_wait_since)},
	{OWNER_G, "waitreason", FIELD(g_wait_reason)},
	{OWNER_G, "gopc", FIELD(g_gopc)},
	{OWNER_G, "startpc", FIELD(g_startpc)},
	{OWNER_G, "parentGoid", FIELD(g_parent_goid)},
	{OWNER_M, "g0", FIELD(m_g0)},
	{OWNER_M, "procid", FIELD(m_procid)},
	{OWNER_M, "curg", FIELD(m_curg)},
	/* mgcpacer.go since 1.17; the goal is computed from 1.19 on, this is its main part. */
	{OWNER_CONTROLLER, "heapLive", FIELD(gc_heap_live)},
	{OWNER_CONTROLLER, "heapGoal", FIELD(gc_heap_goal)},
	{OWNER_CONTROLLER, "gcPercentHeapGoal", FIELD(gc_heap_goal)},
	{OWNER_CONTROLLER, "lastHeapGoal", FIELD(gc_last_heap_goal)},
	{OWNER_CONTROLLER, "heapMarked", FIELD(gc_heap_marked)},
	{OWNER_CONTROLLER, "assistTime", FIELD(gc_assist_time)},
	{OWNER_CONTROLLER, "dedicatedMarkTime", FIELD(gc_dedicated_time)},
	{OWNER_CONTROLLER, "fractionalMarkTime", FIELD(gc_fractional_time)},
	{OWNER_CONTROLLER, "idleMarkTime", FIELD(gc_idle_time)},
	{OWNER_CONTROLLER, "stackScan", FIELD(gc_stack_scan)},
	{OWNER_CONTROLLER, "lastStackScan", FIELD(gc_stack_scan)},
	{OWNER_CONTROLLER, "memoryLimit", FIELD(gc_memory_limit)},
	/* mstats.go up to 1.16; next_gc is there to 1.17, when nothing maintained it any more. */
	{OWNER_MSTATS, "heap_live", FIELD(gc_heap_live)},
	{OWNER_MSTATS, "next_gc", FIELD(gc_heap_goal)},
	{OWNER_MSTATS, "last_next_gc", FIELD(gc_last_heap_goal)},
	{OWNER_MSTATS, "heap_marked", FIELD(gc_heap_marked)},
	{OWNER_MSTATS, "numgc", FIELD(memstats_numgc)},
	{OWNER_MSTATS, "numforcedgc", FIELD(memstats_numforcedgc)},
	{OWNER_MSTATS, "pause_total_ns", FIELD(memstats_pause_total)},
	{OWNER_MSTATS, "gc_cpu_fraction", FIELD(memstats_cpu_fraction)},
	{OWNER_MSTATS, "mspan_sys", FIELD(memstats_mspan_sys)},
	{OWNER_MSTATS, "mcache_sys", FIELD(memstats_mcache_sys)},
	{OWNER_MSTATS, "buckhash_sys", FIELD(memstats_buckhash_sys)},
	{OWNER_MSTATS, "gc_sys", FIELD(memstats_gc_sys)},
	{OWNER_MSTATS, "gcMiscSys", FIELD(memstats_gc_sys)},
	{OWNER_MSTATS, "other_sys", FIELD(memstats_other_sys)},
	/* Since 1.16 these are made from heapStats when a program asks (mstats.go). */
	{OWNER_MSTATS, "heap_idle", FIELD(memstats_heap_idle)},
	{OWNER_MSTATS, "heap_inuse", FIELD(memstats_heap_inuse)},
	{OWNER_MSTATS, "heap_released", FIELD(memstats_heap_released)},
	{OWNER_MSTATS, "stacks_inuse", FIELD(memstats_stacks_inuse)},
	{OWNER_MSTATS, "heapStats", FIELD(memstats_heap_stats)},
	{OWNER_HEAPSTATS, "inPtrScalarBits", FIELD(heap_stats_bits)},
	{OWNER_MHEAP, "allArenas", FIELD(mheap_arenas)},
	{OWNER_MHEAP, "heapArenas", FIELD(mheap_arenas)},
	{OWNER_MHEAP, "sweepgen", FIELD(mheap_sweepgen)},
	{OWNER_MSPAN, "startAddr", FIELD(mspan_start)},
	{OWNER_MSPAN, "npages", FIELD(mspan_npages)},
	{OWNER_MSPAN, "elemsize", FIELD(mspan_elemsize)},
	{OWNER_MSPAN, "spanclass", FIELD(mspan_spanclass)},
	{OWNER_MSPAN, "state", FIELD(mspan_state)},
	{OWNER_MSPAN, "freeindex", FIELD(mspan_freeindex)},
	{OWNER_MSPAN, "nelems", FIELD(mspan_nelems)},
	{OWNER_MSPAN, "allocCache", FIELD(mspan_alloc_cache)},
	{OWNER_MSPAN, "allocBits", FIELD(mspan_alloc_bits)},
	{OWNER_MSPAN, "sweepgen", FIELD(mspan_sweepgen)},
	{OWNER_MSPAN, "allocCount", FIELD(mspan_alloc_count)},
	{OWNER_WORK, "cycles", FIELD(work_cycles)},
	{OWNER_WORK, "tSweepTerm", FIELD(work_t_sweep_term)},
	{OWNER_WORK, "tMark", FIELD(work_t_mark)},
	{OWNER_WORK, "tMarkTerm", FIELD(work_t_mark_term)},
	{OWNER_WORK, "tEnd", FIELD(work_t_end)},
	{OWNER_WORK, "heap0", FIELD(work_heap0)},
	{OWNER_WORK, "heap1", FIELD(work_heap1)},
	{OWNER_WORK, "heap2", FIELD(work_heap2)},
	{OWNER_WORK, "userForced", FIELD(work_user_forced)},
	{OWNER_WORK, "maxprocs", FIELD(work_maxprocs)},
};

/* The members whose size changed. */
static const struct {
	enum owner owner;
	const char *member;
	size_t field;
} sizes[] = {
	{OWNER_SPECIAL, "offset", FIELD(special_offset_size)},
	{OWNER_MSPAN, "freeindex", FIELD(mspan_index_size)},
};

struct reading {
	struct go_layout *layout;
	bool seen[OWNER_COUNT];
	size_t n_seen, n_fields;
	int minor;
};

static void set_field(struct reading *r, size_t field, uint64_t value)
{
	if (value > INT32_MAX)
		return;
	*(int *)(void *)((char *)r->layout + field) = (int)value;
	r->n_fields++;
}

/* An attribute's number; false where there is none. */
static bool number_of(Dwarf_Die *die, unsigned attribute, uint64_t *value)
{
	Dwarf_Attribute attr;
	Dwarf_Word word;

	if (!dwarf_attr(die, attribute, &attr) || dwarf_formudata(&attr, &word) != 0)
		return false;
	*value = word;
	return true;
}

/* The type of an entry, without typedefs; false where there is none. */
static bool type_of(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attr;

	/* A chain of typedefs in a broken file may be a ring. */
	for (int depth = 0; depth < 8; depth++) {
		if (!dwarf_attr(die, DW_AT_type, &attr) || !dwarf_formref_die(&attr, type))
			return false;
		if (dwarf_tag(type) != DW_TAG_typedef)
			return true;
		die = type;
	}
	return false;
}

/* The last minor version in which a figure of memstats is maintained where it stands. */
static int last_in_memstats(const char *name)
{
	static const char *const to_16[] = {"heap_live", "next_gc", "last_next_gc", "heap_marked"};
	static const char *const to_15[] = {"heap_idle", "heap_inuse", "heap_released",
					    "stacks_inuse"};

	for (size_t i = 0; i < sizeof(to_16) / sizeof(to_16[0]); i++) {
		if (strcmp(name, to_16[i]) == 0)
			return 16;
		if (strcmp(name, to_15[i]) == 0)
			return 15;
	}
	return INT_MAX;
}

static void read_member(struct reading *r, enum owner owner, Dwarf_Die *die)
{
	const char *name = dwarf_diename(die);
	uint64_t offset, size;
	Dwarf_Die type;

	if (!name || !number_of(die, DW_AT_data_member_location, &offset))
		return;
	if (owner == OWNER_MSTATS && r->minor > last_in_memstats(name))
		return;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (members[i].owner == owner && strcmp(members[i].member, name) == 0)
			set_field(r, members[i].field, offset);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (sizes[i].owner == owner && strcmp(sizes[i].member, name) == 0 &&
		    type_of(die, &type) && number_of(&type, DW_AT_byte_size, &size))
			set_field(r, sizes[i].field, size);
	}
}

static void read_members(struct reading *r, enum owner owner, Dwarf_Die *structure)
{
	Dwarf_Die child;

	if (dwarf_child(structure, &child) != 0)
		return;
	do {
		if (dwarf_tag(&child) == DW_TAG_member)
			read_member(r, owner, &child);
	} while (dwarf_walk_next(&child));
}

static void read_owner(struct reading *r, enum owner owner, Dwarf_Die *die)
{
	uint64_t value;
	Dwarf_Die type;

	switch (owner) {
	case OWNER_KIND:
		if (number_of(die, DW_AT_const_value, &value))
			set_field(r, FIELD(kind_profile), value);
		break;
	case OWNER_RECORD:
		if (number_of(die, DW_AT_byte_size, &value))
			set_field(r, FIELD(record_words), value / 8);
		break;
	case OWNER_HEAPSTATS:
		if (number_of(die, DW_AT_byte_size, &value))
			set_field(r, FIELD(heap_stats_size), value);
		read_members(r, owner, die);
		break;
	case OWNER_BUCKET:
		/* The stack follows the structure. */
		if (number_of(die, DW_AT_byte_size, &value))
			set_field(r, FIELD(bucket_stack), value);
		read_members(r, owner, die);
		break;
	case OWNER_WORK:
		if (type_of(die, &type))
			read_members(r, owner, &type);
		break;
	default:
		read_members(r, owner, die);
	}
}

static void read_unit(struct reading *r, Dwarf_Die *unit)
{
	Dwarf_Die die;

	if (dwarf_child(unit, &die) != 0)
		return;
	do {
		int tag = dwarf_tag(&die);
		const char *name;

		if (tag != DW_TAG_structure_type && tag != DW_TAG_variable &&
		    tag != DW_TAG_constant)
			continue;
		name = dwarf_diename(&die);
		if (!name || strncmp(name, "runtime.", 8) != 0)
			continue;
		for (size_t i = 0; i < OWNER_COUNT; i++) {
			if (r->seen[i] || owners[i].tag != tag || strcmp(owners[i].name, name) != 0)
				continue;
			read_owner(r, (enum owner)i, &die);
			r->seen[i] = true;
			r->n_seen++;
		}
	} while (r->n_seen < OWNER_COUNT && dwarf_walk_next(&die));
}

size_t dwarf_layout_read(const struct elf_file *file, int minor, struct go_layout *layout)
{
	struct reading r = {.layout = layout, .minor = minor};
	Dwarf *dwarf = file->elf ? dwarf_begin_elf(file->elf, DWARF_C_READ, NULL) : NULL;
	Dwarf_CU *cu = NULL;
	Dwarf_Die unit;
	uint8_t kind;

	if (!dwarf)
		return 0;
	while (r.n_seen < OWNER_COUNT &&
	       dwarf_get_units(dwarf, cu, &cu, NULL, &kind, &unit, NULL) == 0) {
		/* C and assembly have none of it. */
		if (dwarf_srclang(&unit) == DW_LANG_Go)
			read_unit(&r, &unit);
	}
	dwarf_end(dwarf);
	if (r.seen[OWNER_G] && r.seen[OWNER_SPECIAL] && r.seen[OWNER_BUCKET])
		layout->from_dwarf = true;
	return r.n_fields;
}
