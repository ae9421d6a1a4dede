/* Which readings of the clocks a recorder notes, over a simulated day with steps and a sleep. */
#include "record/clocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEC  1000000000ull
#define MS   1000000ull
#define WALL (1795000000 * SEC)

static struct note_clock reading(uint64_t time, int64_t set, uint64_t slept)
{
	return (struct note_clock){.monotonic = time,
				   .realtime = WALL + time + (uint64_t)set + slept,
				   .boottime = time + slept,
				   .uncertainty = 200};
}

/* One reading a second; what is noted, and when. */
static void a_day(void **state)
{
	struct clocks clocks = {0};
	size_t total = 0;

	(void)state;
	for (uint64_t s = 100; s < 100 + 3600; s++) {
		int64_t set = s >= 1000 ? 5 * (int64_t)SEC : 0;
		uint64_t slept = s >= 2000 ? 600 * SEC : 0;
		struct note_clock now = reading(s * SEC, set, slept), chosen[CLOCKS_MAX];
		size_t n = clocks_choose(&clocks, &now, chosen);

		total += n;
		if (n)
			assert_int_equal(chosen[n - 1].monotonic, s * SEC);
		if (s == 100)
			assert_int_equal(n, 1);
		else if (s == 1000 || s == 2000)
			assert_true(n == 2 && chosen[0].monotonic == (s - 1) * SEC &&
				    chosen[0].realtime < chosen[1].realtime);
		else
			assert_in_range(n, 0, 1);
	}
	assert_in_range(total, 3600 / 60, 3600 / 60 + 6);
}

/* Back, too; at the reading after one that was noted, which needs not be noted again. */
static void back_at_once(void **state)
{
	struct clocks clocks = {0};
	struct note_clock chosen[CLOCKS_MAX], now = reading(SEC, 0, 0);

	(void)state;
	assert_int_equal(clocks_choose(&clocks, &now, chosen), 1);
	now = reading(2 * SEC, -(int64_t)(3 * MS), 0);
	assert_int_equal(clocks_choose(&clocks, &now, chosen), 1);
	assert_int_equal(chosen[0].monotonic, 2 * SEC);
	/* A reading that took long proves nothing. */
	now = reading(3 * SEC, -(int64_t)(1 * MS), 0);
	now.uncertainty = 5 * MS;
	assert_int_equal(clocks_choose(&clocks, &now, chosen), 0);
}

/* What creeps is noted when it has come to a millisecond. */
static void slewed(void **state)
{
	struct clocks clocks = {0};
	size_t total = 0;

	(void)state;
	for (uint64_t s = 1; s <= 600; s++) {
		struct note_clock now = reading(s * SEC, (int64_t)(s * MS / 2), 0);
		struct note_clock chosen[CLOCKS_MAX];

		total += clocks_choose(&clocks, &now, chosen);
	}
	assert_in_range(total, 600 / 4, 600 / 2 + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day),
		cmocka_unit_test(back_at_once),
		cmocka_unit_test(slewed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
