#include "analyze/reconcile_table.h"

#include "analyze/reconcile.h"
#include "formats/heapstack.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum key_kind { BY_ADDRESS, BY_FRAME };

static uint64_t entry_key(const struct heap_entry *entry, enum key_kind kind)
{
	if (kind == BY_ADDRESS)
		return XXH3_64bits(entry->pcs, entry->n_pcs * sizeof(*entry->pcs));
	return heap_stack_key(entry->frames, entry->n_frames);
}

/* The key by which the dump has the stack, or would have it. False: it cannot be compared. */
static bool site_key(const struct reconcile_table *table, const struct model *model,
		     const struct site *site, enum key_kind kind, uint64_t *key)
{
	const struct stack *stack;
	uint64_t other;

	if (kind == BY_ADDRESS) {
		if (site->stack >= model->n_stacks)
			return false;
		stack = &model->stacks[site->stack];
		*key = XXH3_64bits(stack->pcs, stack->n * sizeof(*stack->pcs));
		return stack->n > 0;
	}
	*key = other = reconcile_site_key(model, site, 0);
	for (size_t drop = 1; other && !map_find(&table->group_of, other); drop++)
		other = reconcile_site_key(model, site, drop);
	if (other)
		*key = other;
	return *key != 0;
}

static uint32_t add_group(struct reconcile_table *table)
{
	xgrow(table->groups, table->cap_groups, table->n_groups + 1);
	table->groups[table->n_groups] = (struct reconcile_group){.site = UINT32_MAX};
	return (uint32_t)table->n_groups++;
}

static struct reconcile_group *group_of(struct reconcile_table *table, uint64_t key,
					uint32_t *index)
{
	bool fresh;
	uint64_t *value = map_put(&table->group_of, key, &fresh);

	if (fresh)
		*value = add_group(table);
	*index = (uint32_t)*value;
	return &table->groups[*value];
}

/* What pprof would show as the place of an entry. */
static const char *entry_name(const struct heap_entry *entry)
{
	for (size_t i = 0; i < entry->n_frames; i++) {
		if (*entry->frames[i].function && !heap_frame_is_runtime(entry->frames[i].function))
			return entry->frames[i].function;
	}
	return entry->n_frames ? entry->frames[0].function : NULL;
}

static int64_t wrapping_add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

static void add_dump(struct reconcile_table *table, const struct heap_profile *profile,
		     enum key_kind kind)
{
	for (size_t i = 0; i < profile->n_entries; i++) {
		const struct heap_entry *entry = &profile->entries[i];
		struct reconcile_group *group;
		uint32_t index;

		group = group_of(table, entry_key(entry, kind), &index);
		if (!group->name)
			group->name = entry_name(entry);
		group->dump.objects = wrapping_add(group->dump.objects, entry->inuse_objects);
		group->dump.bytes = wrapping_add(group->dump.bytes, entry->inuse_bytes);
	}
	table->n_dump_groups = table->n_groups;
}

static void add_sites(struct reconcile_table *table, const struct model *model, uint32_t process,
		      enum key_kind kind)
{
	table->n_sites = model->n_sites;
	table->site_groups = xcalloc(model->n_sites + 1, sizeof(*table->site_groups));
	for (uint32_t i = 0; i < model->n_sites; i++) {
		struct reconcile_group *group;
		uint64_t key;

		table->site_groups[i] = UINT32_MAX;
		if (model->sites[i].process != process || model->sites[i].kind != SITE_HEAP)
			continue;
		if (site_key(table, model, &model->sites[i], kind, &key)) {
			group = group_of(table, key, &table->site_groups[i]);
		} else {
			/* A stack that cannot be compared stands alone. */
			table->site_groups[i] = add_group(table);
			group = &table->groups[table->site_groups[i]];
		}
		if (group->site != UINT32_MAX)
			continue;
		group->site = i;
		table->n_common += table->site_groups[i] < table->n_dump_groups;
	}
}

static void build(struct reconcile_table *table, const struct model *model,
		  const struct heap_profile *profile, uint32_t process, enum key_kind kind)
{
	*table = (struct reconcile_table){0};
	add_dump(table, profile, kind);
	add_sites(table, model, process, kind);
}

void reconcile_table_init(struct reconcile_table *table, const struct model *model,
			  const struct heap_profile *profile, uint32_t process)
{
	if (profile->form == HEAP_PROFILE_TEXT) {
		build(table, model, profile, process, BY_ADDRESS);
		if (table->n_common)
			return;
		reconcile_table_free(table);
	}
	build(table, model, profile, process, BY_FRAME);
}

void reconcile_table_add_snapshot(struct reconcile_table *table, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->n_rows; i++) {
		const struct snapshot_row *row = &snapshot->rows[i];
		struct reconcile_group *group;

		if (row->site >= table->n_sites || table->site_groups[row->site] == UINT32_MAX)
			continue;
		group = &table->groups[table->site_groups[row->site]];
		for (int k = 0; k <= SNAPSHOT_STATES; k++) {
			group->seen[k].objects =
				wrapping_add(group->seen[k].objects, row->born_seen[k].objects);
			group->seen[k].bytes =
				wrapping_add(group->seen[k].bytes, row->born_seen[k].bytes);
			group->older[k].objects =
				wrapping_add(group->older[k].objects, row->older[k].objects);
			group->older[k].bytes =
				wrapping_add(group->older[k].bytes, row->older[k].bytes);
		}
	}
}

void reconcile_table_free(struct reconcile_table *table)
{
	free(table->groups);
	free(table->site_groups);
	map_free(&table->group_of);
}
