/* Goroutine profiles of both forms: real ones, and damaged ones. */
#include "formats/goroutineprofile.h"

#include "formats/xalloc.h"
#include "tests/unit/random.h"
#include "tests/unit/slurp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATA "tests/data/pprof/"

static const char text[] = "goroutine profile: total 6\n"
			   "1 @ 0x4 0x5\n"
			   "#\t0x48c3f0\truntime/pprof.runtime_goroutineProfileWithLabels+0x1f\t"
			   "/usr/lib/go/src/runtime/mprof.go:1079\n"
			   "#\t0x49c05b\tmain.main+0x1bb\t\t\t\t\t\t/src/g.go:19\n"
			   "\n"
			   "5 @ 0x1 0x2 0x3\r\n"
			   "# labels: {\"kind\":\"x\"}\n"
			   "#\t0x47d0e1\tmain.(*T).wait[...]+0x21\t/src/a:b/g.go:9\r\n"
			   "\n";

static void proto(void **state)
{
	static const char *const kinds[] = {"goroutine", "goroutineleak"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char *path = xasprintf(DATA "%s1.27.pb.gz", kinds[i]);
		struct goroutine_profile *p;

		assert_null(goroutine_profile_read(path, &p));
		assert_int_equal(p->leaked, i == 1);
		assert_true(p->time_nanos > 0);
		assert_int_equal(p->total, i == 0 ? 6 : 5);
		assert_int_equal(p->stacks[0].count, 5);
		assert_string_equal(p->stacks[0].frames[p->stacks[0].n_frames - 1].function,
				    "main.wait");
		assert_true(p->stacks[0].frames[p->stacks[0].n_frames - 1].line > 0);
		goroutine_profile_free(p);
		free(path);
	}
}

static void by_text(void **state)
{
	struct goroutine_profile *p;

	(void)state;
	assert_null(goroutine_profile_parse(text, strlen(text), &p));
	assert_false(p->leaked);
	assert_int_equal(p->total, 6);
	assert_int_equal(p->time_nanos, 0);
	assert_int_equal(p->n_stacks, 2);
	assert_int_equal(p->stacks[0].count, 5);
	assert_int_equal(p->stacks[0].n_frames, 1);
	assert_string_equal(p->stacks[0].frames[0].function, "main.(*T).wait[...]");
	assert_string_equal(p->stacks[0].frames[0].file, "/src/a:b/g.go");
	assert_int_equal(p->stacks[0].frames[0].line, 9);
	assert_int_equal(p->stacks[1].n_frames, 2);
	assert_string_equal(p->stacks[1].frames[1].function, "main.main");
	assert_int_equal(p->stacks[1].frames[1].line, 19);
	goroutine_profile_free(p);
}

static void refused(void **state)
{
	static const char *const bad[] = {
		"",
		"goroutine 1 [running]:\nmain.main()\n",
		"goroutine profile: total 7\n5 @ 0x1\n",
		"goroutine profile: total 18446744073709551616\n",
		"goroutine profile: total 1\n18446744073709551615 @\n2 @\n",
		"heap profile: 1: 2 [3: 4] @ heap/1048576\n",
	};
	struct goroutine_profile *p;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error *err = goroutine_profile_parse(bad[i], strlen(bad[i]), &p);

		assert_non_null(err);
		assert_null(p);
		error_free(err);
	}
	/* A heap dump is none. */
	for (int i = 0; i < 2; i++) {
		struct error *err =
			goroutine_profile_read(i ? DATA "go1.27.pb.gz" : DATA "none", &p);

		assert_non_null(err);
		error_free(err);
	}
}

static void hostile(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed < 20000; seed++) {
		struct random r = {seed};
		char *copy = xstrdup(text);
		struct goroutine_profile *p;
		size_t len = random_u64(&r) % sizeof(text);

		for (int i = 0; i < 3; i++)
			copy[10 + random_u64(&r) % (sizeof(text) - 11)] =
				"\n\t#@ 90\0"[random_u64(&r) % 8];
		error_free(goroutine_profile_parse(copy, len, &p));
		goroutine_profile_free(p);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(proto),
		cmocka_unit_test(by_text),
		cmocka_unit_test(refused),
		cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
