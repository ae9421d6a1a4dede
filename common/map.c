#include "common/map.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define MAP_FIRST_SLOTS 16

/* Keys are often addresses, alike in their low bits: the product spreads them over the high ones.
 */
static inline size_t slot_of(const struct map *map, uint64_t key)
{
	key ^= key >> 32;
	return (size_t)((key * 0x9e3779b97f4a7c15u) >> map->shift);
}

void map_prefetch(const struct map *map, uint64_t key)
{
	if (map->slots)
		__builtin_prefetch(&map->slots[slot_of(map, key)]);
}

uint64_t *map_find(const struct map *map, uint64_t key)
{
	if (!key)
		return map->has_zero ? (uint64_t *)&map->zero : NULL;
	if (!map->slots)
		return NULL;
	for (size_t i = slot_of(map, key);; i = (i + 1) & map->mask) {
		if (map->slots[i].key == key)
			return &map->slots[i].value;
		if (!map->slots[i].key)
			return NULL;
	}
}

static void map_grow(struct map *map)
{
	struct map old = *map;
	size_t n_old = old.slots ? old.mask + 1 : 0, n = n_old ? n_old * 2 : MAP_FIRST_SLOTS;

	map->slots = xcalloc(n, sizeof(*map->slots));
	map->mask = n - 1;
	map->shift = 64u - (unsigned)__builtin_ctzll(n);
	for (size_t i = 0; i < n_old; i++) {
		size_t to;

		if (!old.slots[i].key)
			continue;
		for (to = slot_of(map, old.slots[i].key); map->slots[to].key;)
			to = (to + 1) & map->mask;
		map->slots[to] = old.slots[i];
	}
	free(old.slots);
}

uint64_t *map_put(struct map *map, uint64_t key, bool *fresh)
{
	uint64_t *value = map_find(map, key);
	size_t i;

	if (fresh)
		*fresh = !value;
	if (value)
		return value;
	if (!key) {
		map->has_zero = true;
		map->zero = 0;
		return &map->zero;
	}
	/* At most three quarters full. */
	if (!map->slots || map->used >= map->mask / 4 * 3)
		map_grow(map);
	for (i = slot_of(map, key); map->slots[i].key;)
		i = (i + 1) & map->mask;
	map->slots[i] = (struct map_slot){.key = key};
	map->used++;
	return &map->slots[i].value;
}

/* Moves the entries behind the gap at i forward, as far as their own slots allow. */
static void map_close_gap(struct map *map, size_t i)
{
	for (size_t j = (i + 1) & map->mask; map->slots[j].key; j = (j + 1) & map->mask) {
		size_t home = slot_of(map, map->slots[j].key);

		if (((j - home) & map->mask) < ((j - i) & map->mask))
			continue;
		map->slots[i] = map->slots[j];
		i = j;
	}
	map->slots[i].key = 0;
}

bool map_take(struct map *map, uint64_t key, uint64_t *value)
{
	uint64_t *found = map_find(map, key);

	if (!found)
		return false;
	if (value)
		*value = *found;
	if (!key) {
		map->has_zero = false;
		return true;
	}
	map_close_gap(map, (size_t)((struct map_slot *)((char *)found -
							offsetof(struct map_slot, value)) -
				    map->slots));
	map->used--;
	return true;
}

size_t map_count(const struct map *map)
{
	return map->used + map->has_zero;
}

bool map_next(const struct map *map, size_t *position, uint64_t *key, uint64_t *value)
{
	size_t n = map->slots ? map->mask + 1 : 0;

	for (; *position < n; ++*position) {
		const struct map_slot *slot = &map->slots[*position];

		if (!slot->key)
			continue;
		*key = slot->key;
		*value = slot->value;
		++*position;
		return true;
	}
	if (*position > n || !map->has_zero)
		return false;
	*position = n + 1;
	*key = 0;
	*value = map->zero;
	return true;
}

void map_free(struct map *map)
{
	free(map->slots);
	*map = (struct map){0};
}
