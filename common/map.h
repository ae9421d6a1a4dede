#ifndef GMT_COMMON_MAP_H
#define GMT_COMMON_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A hash map from u64 to u64: open addressing with linear probing; removal closes the gap, so that
 * a map with a steady turnover never fills with leftovers. Zero-initialise; free with map_free.
 * Any key and any value may be stored.
 */
struct map {
	struct map_slot {
		uint64_t key, value;
	} * slots;	/* an empty slot has key 0 */
	size_t mask;	/* slots - 1; slots is a power of two, or there are none yet */
	size_t used;	/* of the slots; key 0 is not among them */
	bool has_zero;	/* key 0 is present */
	uint64_t zero;	/* and its value */
	unsigned shift; /* 64 - log2(slots) */
};

/* Has the place of a key fetched into the cache, for a look-up that comes soon. */
void map_prefetch(const struct map *map, uint64_t key);
/* The value of key, or NULL. Valid until the next map_put or map_take. */
uint64_t *map_find(const struct map *map, uint64_t key);
/* The value of key, which is added with value 0 where it is absent; *fresh (may be NULL) says so.
 */
uint64_t *map_put(struct map *map, uint64_t key, bool *fresh);
/* Removes key; false where it was absent. *value (may be NULL) gets its value. */
bool map_take(struct map *map, uint64_t key, uint64_t *value);
size_t map_count(const struct map *map);
/*
 * Walks all entries in no particular order: start with *position 0; false at the end. The map must
 * not change in between.
 */
bool map_next(const struct map *map, size_t *position, uint64_t *key, uint64_t *value);
void map_free(struct map *map);

#endif
