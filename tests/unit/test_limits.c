#include "record/limits.h"

#include "formats/xalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PID 321

/* A procfs and control groups made of plain files in a folder of the test's own. */
static char *top;

static void put(const char *name, const char *content)
{
	char *path = xasprintf("%s/%s", top, name);
	FILE *f;

	for (char *at = strchr(path + strlen(top) + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdir(path, 0700);
		*at = '/';
	}
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(content, f);
	fclose(f);
	free(path);
}

static int set_up(void **state)
{
	(void)state;
	top = xstrdup("/tmp/gmt-limits-XXXXXX");
	assert_non_null(mkdtemp(top));
	put("proc/meminfo", "MemTotal:       16384 kB\nMemFree:  1 kB\n");
	return 0;
}

static int tear_down(void **state)
{
	char *command = xasprintf("rm -rf %s", top);
	int status = system(command);

	(void)state;
	free(command);
	free(top);
	return status;
}

static void read_all(struct limits *limits)
{
	char *proc = xasprintf("%s/proc", top);

	limits_read(proc, PID, limits);
	free(proc);
}

static void put_mountinfo(const char *root, const char *type, const char *options)
{
	char *text = xasprintf("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
			       "30 22 0:26 %s %s/groups rw,nosuid shared:4 - %s cgroup %s\n",
			       root, top, type, options);

	put("proc/self/mountinfo", text);
	free(text);
}

static void test_none(void **state)
{
	struct limits limits;

	(void)state;
	read_all(&limits);
	assert_int_equal(limits.machine, 16 << 20);
	assert_int_equal(limits.cgroup, 0);
	assert_int_equal(limits.go_memory, 0);
	assert_null(limits.control);
	limits_free(&limits);
}

/* The least of a group and what it is in; "max" and what is not there are none. */
static void test_v2(void **state)
{
	struct limits limits;

	(void)state;
	put_mountinfo("/", "cgroup2", "rw,nsdelegate");
	put("proc/321/cgroup", "1:name=systemd:/x\n0::/pods/a/b\n");
	put("groups/pods/a/b/memory.max", "max\n");
	put("groups/pods/a/memory.max", "5000\n");
	put("groups/pods/memory.max", "9000\n");
	read_all(&limits);
	assert_int_equal(limits.cgroup, 5000);
	assert_string_equal(limits.control, "/pods/a");
	limits_free(&limits);
}

/* In a container the mount shows a part of the hierarchy, or the group's name leads out of it. */
static void test_container(void **state)
{
	struct limits limits;

	(void)state;
	put("groups/memory.max", "7000\n");
	put("proc/321/cgroup", "0::/pods/a/b\n");
	put_mountinfo("/pods/a/b", "cgroup2", "rw");
	read_all(&limits);
	assert_int_equal(limits.cgroup, 7000);
	assert_string_equal(limits.control, "/");
	limits_free(&limits);
	put("proc/321/cgroup", "0::/../elsewhere\n");
	read_all(&limits);
	assert_int_equal(limits.cgroup, 7000);
	limits_free(&limits);
}

static void test_v1(void **state)
{
	struct limits limits;

	(void)state;
	put_mountinfo("/", "cgroup", "rw,memory");
	put("proc/321/cgroup", "5:cpu,cpuacct:/other\n4:memory:/jobs/1\n");
	put("groups/jobs/1/memory.limit_in_bytes", "6000\n");
	put("groups/jobs/memory.limit_in_bytes", "9223372036854771712\n");
	read_all(&limits);
	assert_int_equal(limits.cgroup, 6000);
	assert_string_equal(limits.control, "/jobs/1");
	limits_free(&limits);
	/* Another controller's hierarchy says nothing. */
	put_mountinfo("/", "cgroup", "rw,memoryless");
	read_all(&limits);
	assert_int_equal(limits.cgroup, 0);
	limits_free(&limits);
}

static void test_go(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {{"0", 0},
		    {"100", 100},
		    {"100B", 100},
		    {"3KiB", 3 << 10},
		    {"512MiB", 512 << 20},
		    {"4GiB", (uint64_t)4 << 30},
		    {"2TiB", (uint64_t)2 << 40},
		    {"9223372036854775807", INT64_MAX}};
	static const char *const bad[] = {
		"",	      "off",   "-1", "1MB", "1 MiB", "MiB", "9223372036854775808",
		"9999999TiB", "1.5GiB"};
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(limits_parse_go(good[i].text, &bytes));
		assert_int_equal(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(limits_parse_go(bad[i], &bytes));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_v2, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_container, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_v1, set_up, tear_down),
		cmocka_unit_test(test_go),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
