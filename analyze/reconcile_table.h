#ifndef GMT_ANALYZE_RECONCILE_TABLE_H
#define GMT_ANALYZE_RECONCILE_TABLE_H

/* The stacks of a heap dump and of one process of the trace, side by side. Part of reconcile. */

#include "analyze/model.h"
#include "analyze/snapshots.h"
#include "common/map.h"
#include "formats/heapprofile.h"

#include <stddef.h>
#include <stdint.h>

/* One call stack. Counts are of sampled objects in use. */
struct reconcile_group {
	uint32_t site;	  /* the first that has this stack; UINT32_MAX: only in the dump */
	const char *name; /* its innermost function, where the dump has it; or NULL */
	struct snapshot_count dump;
	struct snapshot_count seen[SNAPSHOT_STATES + 1], older[SNAPSHOT_STATES + 1];
};

struct reconcile_table {
	struct reconcile_group *groups;
	size_t n_groups, cap_groups;
	size_t n_dump_groups;  /* that the dump has */
	size_t n_common;       /* that both have */
	size_t n_sites;	       /* of the model */
	uint32_t *site_groups; /* by site: its group; UINT32_MAX: of another process */
	struct map group_of;   /* by key */
};

/*
 * The stacks of both. Those of a text dump are compared by their addresses, or by their frames
 * where no address agrees; those of a proto dump by their frames.
 */
void reconcile_table_init(struct reconcile_table *table, const struct model *model,
			  const struct heap_profile *profile, uint32_t process);
/* Adds what the trace counted. */
void reconcile_table_add_snapshot(struct reconcile_table *table, const struct snapshot *snapshot);
void reconcile_table_free(struct reconcile_table *table);

#endif
