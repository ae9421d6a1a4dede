#include "formats/smaps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct seen {
	struct smaps_mapping mappings[8];
	char paths[8][64];
	size_t n;
};

static void add(void *context, const struct smaps_mapping *mapping)
{
	struct seen *seen = context;

	assert_true(seen->n < 8);
	seen->mappings[seen->n] = *mapping;
	snprintf(seen->paths[seen->n], sizeof(seen->paths[0]), "%.63s", mapping->path);
	seen->n++;
}

/* As kernel 6.18 writes it, in pieces of `step` bytes. */
static size_t parse(const char *text, size_t step, struct seen *seen)
{
	static struct smaps smaps;
	size_t len = strlen(text);

	*seen = (struct seen){0};
	smaps_begin(&smaps, add, seen);
	for (size_t at = 0; at < len; at += step)
		smaps_feed(&smaps, text + at, len - at < step ? len - at : step);
	smaps_end(&smaps);
	return smaps.bad_lines;
}

static const char text[] =
	"00400000-004b3000 r-xp 00002000 fe:1f 11535591                   "
	"        /srv/a name with blanks\n"
	"Size:                708 kB\n"
	"KernelPageSize:        4 kB\n"
	"Rss:                 700 kB\n"
	"Pss:                 100 kB\n"
	"Anonymous:             8 kB\n"
	"AnonHugePages:         0 kB\n"
	"Swap:                 12 kB\n"
	"SwapPss:               1 kB\n"
	"THPeligible:           0\n"
	"VmFlags: rd ex mr mw me sd \n"
	"c000000000-c000400000 rw-p 00000000 00:00 0 \n"
	"Rss:                2048 kB\n"
	"Anonymous:          2048 kB\n"
	"7f0000000000-7f0000002000 ---s 00001000 00:01 1025                       "
	"/dev/zero (deleted)\n"
	"Rss:                   8 kB\n"
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0            "
	"      [vsyscall]\n";

static void test_parse(void **state)
{
	struct seen seen;

	(void)state;
	for (size_t step = 1; step < 200; step++) {
		const struct smaps_mapping *m = seen.mappings;

		assert_int_equal(parse(text, step, &seen), 0);
		assert_int_equal(seen.n, 4);
		assert_int_equal(m[0].start, 0x400000);
		assert_int_equal(m[0].end, 0x4b3000);
		assert_int_equal(m[0].offset, 0x2000);
		assert_int_equal(m[0].major, 0xfe);
		assert_int_equal(m[0].minor, 0x1f);
		assert_int_equal(m[0].inode, 11535591);
		assert_true(m[0].readable && !m[0].writable && m[0].executable && !m[0].shared);
		assert_int_equal(m[0].rss, 700 << 10);
		assert_int_equal(m[0].anonymous, 8 << 10);
		assert_int_equal(m[0].swap, 12 << 10);
		assert_string_equal(seen.paths[0], "/srv/a name with blanks");
		assert_string_equal(seen.paths[1], "");
		assert_int_equal(m[1].rss, 2 << 20);
		assert_int_equal(m[1].anonymous, 2 << 20);
		assert_int_equal(m[1].swap, 0);
		assert_true(m[1].readable && m[1].writable && !m[1].executable);
		assert_true(m[2].shared && !m[2].readable);
		assert_string_equal(seen.paths[2], "/dev/zero (deleted)");
		assert_int_equal(m[3].end, 0xffffffffff601000);
		assert_int_equal(m[3].rss, 0);
		assert_string_equal(seen.paths[3], "[vsyscall]");
	}
}

/* Whatever a line says, what is good around it is found. */
static void test_hostile(void **state)
{
	static const char *const lines[] = {
		"4000-3000 r-xp 0 0:0 0 /backwards\n",
		"4000-4000 r-xp 0 0:0 0 /empty\n",
		"10000000000000000-20000000000000000 r-xp 0 0:0 0 /too large\n",
		"4000\n",
		"4000-5000 r-x",
		"4000-5000 r-xp 0 0:0\n",
		"deadbeef\n",
	};
	struct seen seen;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char buf[256];

		snprintf(buf, sizeof(buf),
			 "%s\nRss: 4 kB\n6000-7000 rw-p 0 0:0 0\nRss: 8 kB\nRss: x\nRss: "
			 "99999999999999999999 kB\n",
			 lines[i]);
		assert_int_equal(parse(buf, 7, &seen), 1);
		assert_int_equal(seen.n, 1);
		assert_int_equal(seen.mappings[0].start, 0x6000);
		assert_int_equal(seen.mappings[0].rss, 8 << 10);
	}
	assert_int_equal(parse("Rss: 4 kB\n", 100, &seen), 0);
	assert_int_equal(seen.n, 0);
}

static void test_long_line(void **state)
{
	char *buf = malloc(100001);
	struct seen seen;

	(void)state;
	memset(buf, 'x', 100000);
	memcpy(buf, "4000-5000 r-xp 0 0:0 7 /", 24);
	strcpy(buf + 99000, "\nRss: 4 kB\n");
	assert_int_equal(parse(buf, 1000, &seen), 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.mappings[0].rss, 4096);
	free(buf);
}

/* The first ones of our own. */
static void test_self(void **state)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	static struct smaps smaps;
	static struct seen seen;
	char line[8192];
	uint64_t lines = 0;

	(void)state;
	assert_non_null(f);
	smaps_begin(&smaps, add, &seen);
	while (fgets(line, sizeof(line), f)) {
		/* Only eight are kept. */
		if (strchr("0123456789abcdef", line[0]) && ++lines == 8)
			break;
		smaps_feed(&smaps, line, strlen(line));
	}
	fclose(f);
	smaps_end(&smaps);
	assert_int_equal(seen.n, 7);
	for (size_t i = 1; i < seen.n; i++)
		assert_true(seen.mappings[i].start >= seen.mappings[i - 1].end);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_self),
	};

	return cmocka_run_group_tests_name("smaps", tests, NULL, NULL);
}
