#include "common/map.h"
#include "common/stackset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* xorshift64: reproducible, and independent of the map's own mixing. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void test_edge_keys(void **state)
{
	const uint64_t keys[] = {0, 1, UINT64_MAX, 0x9e3779b97f4a7c15u, 1ull << 63};
	struct map map = {0};
	uint64_t value = 7;
	bool fresh;

	(void)state;
	assert_null(map_find(&map, 0));
	assert_null(map_find(&map, 1));
	assert_false(map_take(&map, 1, &value));
	assert_int_equal(value, 7);
	for (size_t i = 0; i < 5; i++) {
		*map_put(&map, keys[i], &fresh) = i + 100;
		assert_true(fresh);
	}
	assert_int_equal(map_count(&map), 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(*map_put(&map, keys[i], &fresh), i + 100);
		assert_false(fresh);
	}
	assert_true(map_take(&map, 0, &value));
	assert_int_equal(value, 100);
	assert_null(map_find(&map, 0));
	assert_int_equal(*map_put(&map, 0, NULL), 0);
	map_free(&map);
	assert_int_equal(map_count(&map), 0);
}

/* The model: plain arrays over a small universe of keys. */
#define UNIVERSE 3000

static void check_against(const struct map *map, const uint64_t *keys, const bool *present,
			  const uint64_t *values)
{
	size_t position = 0, expected = 0, walked = 0;
	uint64_t key, value, sum = 0, walked_sum = 0;

	for (size_t i = 0; i < UNIVERSE; i++) {
		uint64_t *found = map_find(map, keys[i]);

		assert_int_equal(found != NULL, present[i]);
		if (!present[i])
			continue;
		assert_int_equal(*found, values[i]);
		expected++;
		sum += keys[i] ^ values[i];
	}
	while (map_next(map, &position, &key, &value)) {
		walked++;
		walked_sum += key ^ value;
	}
	assert_int_equal(map_count(map), expected);
	assert_int_equal(walked, expected);
	assert_int_equal(walked_sum, sum);
}

static void churn(uint64_t stride, uint64_t base)
{
	static uint64_t keys[UNIVERSE], values[UNIVERSE];
	static bool present[UNIVERSE];
	uint64_t seed = 88172645463325252u;
	struct map map = {0};

	memset(present, 0, sizeof(present));
	for (uint64_t i = 0; i < UNIVERSE; i++)
		keys[i] = base + i * stride;
	for (unsigned step = 0; step < 200000; step++) {
		uint64_t r = next_random(&seed);
		size_t i = r % UNIVERSE;
		bool fresh;

		/* Fill, then turn over, then drain, in waves. */
		if ((r >> 32) % 100 < (step / 20000 % 2 ? 30u : 70u)) {
			uint64_t *value = map_put(&map, keys[i], &fresh);

			assert_int_equal(fresh, !present[i]);
			*value = values[i] = r;
			present[i] = true;
		} else {
			uint64_t value = 0;

			assert_int_equal(map_take(&map, keys[i], &value), present[i]);
			assert_int_equal(value, present[i] ? values[i] : 0);
			present[i] = false;
		}
		if (step % 10000 == 0)
			check_against(&map, keys, present, values);
	}
	check_against(&map, keys, present, values);
	map_free(&map);
}

static void test_churn(void **state)
{
	(void)state;
	churn(1, 0);			/* key 0 among them */
	churn(16, 0xc000000000u);	/* Go's small objects */
	churn(8192, 0xc000000000u);	/* page-aligned */
	churn(1ull << 40, 0);		/* alike in the low bits */
	churn(0x9e3779b97f4a7c15u, 42); /* the multiplier itself */
}

static void test_turnover_does_not_grow(void **state)
{
	struct map map = {0};
	size_t slots;

	(void)state;
	for (uint64_t i = 1; i <= 1000; i++)
		*map_put(&map, i * 64, NULL) = i;
	slots = map.mask;
	for (uint64_t i = 1001; i <= 1000000; i++) {
		*map_put(&map, i * 64, NULL) = i;
		assert_true(map_take(&map, (i - 1000) * 64, NULL));
	}
	assert_int_equal(map.mask, slots);
	assert_int_equal(map_count(&map), 1000);
	map_free(&map);
}

static void test_stackset(void **state)
{
	struct stackset set = {0};
	uint64_t pcs[40];
	uint32_t ids[40], n;

	(void)state;
	for (uint32_t i = 0; i < 40; i++)
		pcs[i] = 0x400000 + i * 16;
	/* Prefixes of one another, the empty one among them, are all distinct. */
	for (uint32_t i = 0; i < 40; i++)
		ids[i] = stackset_intern(&set, pcs, i);
	for (uint32_t i = 0; i < 40; i++) {
		assert_int_equal(ids[i], i);
		assert_int_equal(stackset_intern(&set, pcs, i), i);
		assert_memory_equal(stackset_pcs(&set, ids[i], &n), pcs, i * sizeof(*pcs));
		assert_int_equal(n, i);
	}
	pcs[38]++;
	assert_int_equal(stackset_intern(&set, pcs, 38), ids[38]);
	assert_int_equal(stackset_intern(&set, pcs, 39), 40);
	assert_int_equal(stackset_count(&set), 41);
	stackset_free(&set);
}

/* Two stacks of one hash must stay apart: force it by what the set keeps. */
static void test_stackset_same_hash(void **state)
{
	uint64_t a = 1, b = 2, key, value;
	struct stackset set = {0};
	size_t position = 0;

	(void)state;
	assert_int_equal(stackset_intern(&set, &a, 1), 0);
	assert_true(map_next(&set.by_hash, &position, &key, &value));
	set.entries[0].pcs[0] = 99; /* now the stored stack differs, under the same hash */
	assert_int_equal(stackset_intern(&set, &a, 1), 1);
	assert_int_equal(stackset_intern(&set, &a, 1), 1);
	assert_int_equal(stackset_intern(&set, &b, 1), 2);
	set.entries[1].pcs[0] = 98;
	set.entries[0].pcs[0] = a; /* found behind another one */
	assert_int_equal(stackset_intern(&set, &a, 1), 0);
	stackset_free(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edge_keys),
		cmocka_unit_test(test_churn),
		cmocka_unit_test(test_turnover_does_not_grow),
		cmocka_unit_test(test_stackset),
		cmocka_unit_test(test_stackset_same_hash),
	};

	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
