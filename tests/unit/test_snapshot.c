#include "record/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND 1000000000ull
#define M      (1ull << 20)

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int kind;
		uint64_t bytes, within;
	} good[] = {
		{"rss>2G", SNAPSHOT_RSS_ABOVE, 2048 * M, 0},
		{"rss>100000", SNAPSHOT_RSS_ABOVE, 100000, 0},
		{"rss+500M/10m", SNAPSHOT_RSS_GREW, 500 * M, 600 * SECOND},
		{"rss+1MiB/90s", SNAPSHOT_RSS_GREW, M, 90 * SECOND},
		{"heap>1GiB", SNAPSHOT_HEAP_ABOVE, 1024 * M, 0},
	};
	static const char *const bad[] = {
		"",	   "rss",	"rss>",	       "rss>0",	     "rss>2X",	      "rss>-1",
		"rss<2G",  "rss>2G/1m", "rss+500M",    "rss+500M/",  "rss+500M/0s",   "rss+/10m",
		"heap+1G", "heap>",	"heap>1G/10m", "swap>1G",    "rss+500M/10mm", "rss> 2G",
		"rss>2G ", "RSS>2G",	"rss+1M/1ms",  "rss+0M/10m",
	};
	struct snapshot_condition c;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(snapshot_parse(good[i].text, &c));
		assert_int_equal(c.kind, good[i].kind);
		assert_int_equal(c.bytes, good[i].bytes);
		assert_int_equal(c.within, good[i].within);
		assert_string_equal(c.text, good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (snapshot_parse(bad[i], &c))
			print_error("\"%s\" was taken\n", bad[i]);
		assert_false(snapshot_parse(bad[i], &c));
	}
}

static struct snapshot_watch *watch_for(const char *text)
{
	struct snapshot_condition c;

	assert_true(snapshot_parse(text, &c));
	return snapshot_watch_new(&c);
}

/* It fires where it begins to hold; what is not known changes nothing. */
static void test_above(void **state)
{
	struct snapshot_watch *rss = watch_for("rss>10M"), *heap = watch_for("heap>10M");

	(void)state;
	assert_false(snapshot_watch_take(rss, 1 * SECOND, 10 * M, 0));
	assert_true(snapshot_watch_take(rss, 2 * SECOND, 10 * M + 1, 0));
	assert_false(snapshot_watch_take(rss, 3 * SECOND, 20 * M, 0));
	assert_false(snapshot_watch_take(rss, 4 * SECOND, 0, 0));
	assert_false(snapshot_watch_take(rss, 5 * SECOND, 20 * M, 0));
	assert_false(snapshot_watch_take(rss, 6 * SECOND, 9 * M, 0));
	assert_true(snapshot_watch_take(rss, 7 * SECOND, 11 * M, 0));
	assert_false(snapshot_watch_take(heap, 1 * SECOND, 20 * M, 9 * M));
	assert_true(snapshot_watch_take(heap, 2 * SECOND, 20 * M, 11 * M));
	snapshot_watch_free(rss);
	snapshot_watch_free(heap);
}

/* Growth counts against the least of the time behind: slow growth is none, a step is. */
static void test_growth(void **state)
{
	struct snapshot_watch *watch = watch_for("rss+100M/60s");
	uint64_t now = 1000 * SECOND, rss = 200 * M;
	unsigned fired = 0;

	(void)state;
	/* 1 MiB a second: 60 within the time, and never 100. */
	for (int i = 0; i < 300; i++, now += SECOND, rss += M)
		assert_false(snapshot_watch_take(watch, now, rss, 0));
	/* 2 MiB a second: after 50 s or little more, again and again. */
	for (int i = 0; i < 300; i++, now += SECOND, rss += 2 * M)
		fired += snapshot_watch_take(watch, now, rss, 0);
	assert_in_range(fired, 4, 6);
	/* Down and up again by less. */
	assert_false(snapshot_watch_take(watch, now, rss - 500 * M, 0));
	assert_false(snapshot_watch_take(watch, now + SECOND, rss - 401 * M, 0));
	assert_true(snapshot_watch_take(watch, now + 2 * SECOND, rss - 400 * M, 0));
	assert_false(snapshot_watch_take(watch, now + 3 * SECOND, rss - 301 * M, 0));
	snapshot_watch_free(watch);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_above),
		cmocka_unit_test(test_growth),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
