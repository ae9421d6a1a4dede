#ifndef GMT_COMMON_STACKSET_H
#define GMT_COMMON_STACKSET_H

#include "common/map.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Distinct runs of addresses, each with an id that counts from 0 in the order of first sight.
 * Zero-initialise; free with stackset_free.
 */
struct stackset {
	struct stackset_entry {
		uint64_t *pcs;
		uint32_t n;
		uint32_t next; /* of the same hash: its id, or UINT32_MAX */
	} * entries;
	size_t n_entries, cap_entries;
	struct map by_hash; /* to the id seen last of that hash */
};

/* The id of the n addresses at pcs (any alignment), which are copied where they are new. */
uint32_t stackset_intern(struct stackset *set, const void *pcs, uint32_t n);
const uint64_t *stackset_pcs(const struct stackset *set, uint32_t id, uint32_t *n);
size_t stackset_count(const struct stackset *set);
void stackset_free(struct stackset *set);

#endif
