#include "common/gobin.h"

#include "common/go_layout.h"
#include "common/gobin_internal.h"
#include "formats/xalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_version_parse(void **state)
{
	static const struct {
		const char *text;
		bool known;
		int minor, patch;
	} cases[] = {
		{"go1.27.4", true, 27, 4},
		{"go1.27", true, 27, 0},
		{"go1.28rc1", true, 28, 0},
		{"go1.27.3-X:nosizespecializedmalloc", true, 27, 3},
		{"go1.17.3 X:noregabiwrappers", true, 17, 3},
		{"go1.22.5 (Red Hat 1.22.5-2.el9)", true, 22, 5},
		{"devel go1.28-2a1b3c Thu Jan 1 00:00:00 2026 +0000", true, 28, -1},
		{"devel +2a1b3c Thu Jan 1 00:00:00 2020 +0000", true, -1, -1},
		{"", false, -1, -1},
		{"go2", false, -1, -1},
		{"go1.", false, -1, -1},
		{"go1.99999999999999999999.99999999999999999999", true, 999999, 999999},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct go_version v;

		assert_int_equal(gobin_version_parse(cases[i].text, &v), cases[i].known);
		if (!cases[i].known)
			continue;
		assert_int_equal(v.major, 1);
		if (v.minor < 100000) {
			assert_int_equal(v.minor, cases[i].minor);
			assert_int_equal(v.patch, cases[i].patch);
		}
	}
}

static void test_layout_table(void **state)
{
	struct go_layout layout;

	(void)state;
	/* Newer than the table: its newest row. */
	go_layout_of_version(40, GO_ARCH_AMD64, true, &layout);
	assert_int_equal(layout.record_words, 2);
	assert_false(layout.from_dwarf);
	go_layout_of_version(26, GO_ARCH_AMD64, true, &layout);
	assert_int_equal(layout.record_words, 4);
	assert_int_equal(layout.kind_profile, 4);
	assert_int_equal(layout.work_cycles, 648);
	go_layout_of_version(26, GO_ARCH_ARM64, true, &layout);
	assert_int_equal(layout.work_cycles, 904);
	assert_int_equal(layout.work_user_forced, 792);
	assert_int_equal(layout.g_goid, 152);
	/* 1.23 before and after the patch release that added a queue to work; 1.22 had none. */
	go_layout_of_version(23, GO_ARCH_AMD64, false, &layout);
	assert_int_equal(layout.work_cycles, 392);
	assert_int_equal(layout.special_kind, 10);
	assert_int_equal(layout.kind_profile, 3);
	go_layout_of_version(23, GO_ARCH_AMD64, true, &layout);
	assert_int_equal(layout.work_cycles, 424);
	go_layout_of_version(22, GO_ARCH_AMD64, false, &layout);
	assert_int_equal(layout.work_cycles, 400);
	go_layout_of_version(15, GO_ARCH_AMD64, false, &layout);
	assert_int_equal(layout.g_parent_goid, -1);
	assert_int_equal(layout.special_offset_size, 2);
}

static void refuse(const char *path, const char *message)
{
	struct gobin *bin;
	struct error *err = gobin_open(path, &bin);

	assert_non_null(err);
	assert_null(bin);
	assert_non_null(strstr(error_message(err), message));
	error_free(err);
}

static void test_refusals(void **state)
{
	char path[] = "/tmp/test_gobin.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	refuse("/nonexistent/program", "/nonexistent/program");
	refuse("/", "not a regular file");
	refuse("/dev/null", "not a regular file");
	refuse(path, "empty file");
	assert_int_equal(write(fd, "#!/bin/sh\nexit 0\n", 17), 17);
	refuse(path, "not an ELF file");
	/* This test is a C program. */
	refuse("/proc/self/exe", "not a Go program");
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_parse),
		cmocka_unit_test(test_layout_table),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
