#include "common/stackset.h"

#include "formats/xalloc.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

uint32_t stackset_intern(struct stackset *set, const void *pcs, uint32_t n)
{
	size_t size = (size_t)n * sizeof(uint64_t);
	struct stackset_entry *entry;
	uint32_t next = UINT32_MAX;
	uint64_t *last;
	bool fresh;

	last = map_put(&set->by_hash, XXH3_64bits(pcs, size), &fresh);
	if (!fresh) {
		next = (uint32_t)*last;
		for (uint32_t id = next; id != UINT32_MAX; id = set->entries[id].next) {
			entry = &set->entries[id];
			if (entry->n == n && (!n || !memcmp(entry->pcs, pcs, size)))
				return id;
		}
	}
	xgrow(set->entries, set->cap_entries, set->n_entries + 1);
	entry = &set->entries[set->n_entries];
	*entry = (struct stackset_entry){.pcs = xmalloc(size ? size : 1), .n = n, .next = next};
	if (n)
		memcpy(entry->pcs, pcs, size);
	*last = set->n_entries;
	return (uint32_t)set->n_entries++;
}

const uint64_t *stackset_pcs(const struct stackset *set, uint32_t id, uint32_t *n)
{
	*n = set->entries[id].n;
	return set->entries[id].pcs;
}

size_t stackset_count(const struct stackset *set)
{
	return set->n_entries;
}

void stackset_free(struct stackset *set)
{
	for (size_t i = 0; i < set->n_entries; i++)
		free(set->entries[i].pcs);
	free(set->entries);
	map_free(&set->by_hash);
	*set = (struct stackset){0};
}
