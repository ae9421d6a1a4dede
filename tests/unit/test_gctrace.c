/* gctrace lines of every Go version at hand, whole, torn, wrapped, packed and damaged. */
#include "formats/bytes.h"
#include "formats/gctrace.h"
#include "formats/xalloc.h"
#include "tests/unit/gctext.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#define DATA "tests/data/gctrace/"

static const char line_115[] = "gc 5 @0.020s 7%: 0.030+1.4+0.004 ms clock, 0.061+0/0.077/1.4+0.009 "
			       "ms cpu, 34->35->31 MB, 50 MB goal, 2 P (forced)";
static const char line_118[] =
	"gc 12 @1.018s 9%: 0.017+0.97+0.003 ms clock, 0.035+12/0.035/1.0+0.006 ms cpu, "
	"341->342->310 MB, 472 MB goal, 1 MB stacks, 3 MB globals, 16 P";
static const char line_126[] =
	"gc 6 @0.020s 8% (checking for goroutine leaks): 0.046+0.36+0.006 ms clock, "
	"0.092+0/0.26/0.19+0.012 ms cpu, 0->0->0 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P "
	"(forced)";

struct found {
	struct gctrace_entry entries[64];
	char raw[64][1400];
	size_t n;
};

static void collect(void *arg, const struct gctrace_entry *entry)
{
	struct found *found = arg;

	assert_true(found->n < 64);
	found->entries[found->n] = *entry;
	snprintf(found->raw[found->n], sizeof(found->raw[0]), "%.*s", (int)entry->raw_len,
		 entry->raw);
	found->entries[found->n].raw = found->raw[found->n];
	found->n++;
}

/* Parses in pieces of `step` bytes. */
static void parse_steps(const char *text, size_t len, size_t step, struct found *found)
{
	struct gctrace_parser *parser;

	found->n = 0;
	parser = gctrace_parser_new(collect, found);
	for (size_t at = 0; at < len; at += step)
		gctrace_parser_feed(parser, text + at, len - at < step ? len - at : step);
	gctrace_parser_finish(parser);
	gctrace_parser_free(parser);
}

static void parse(const char *text, struct found *found)
{
	parse_steps(text, strlen(text), strlen(text) + 1, found);
}

static void forms(void **state)
{
	static const uint64_t cpu_115[] = {61000, 0, 77000, 1400000, 9000};
	struct found found;
	const struct gctrace_entry *e = found.entries;

	(void)state;
	parse(line_115, &found);
	assert_int_equal(found.n, 1);
	assert_int_equal(e->kind, GCTRACE_GC);
	assert_int_equal(e->number, 5);
	assert_int_equal(e->time, 20000000);
	assert_int_equal(e->percent, 7);
	assert_int_equal(e->clock[GCTRACE_SWEEP_TERM], 30000);
	assert_int_equal(e->clock[GCTRACE_MARK], 1400000);
	assert_int_equal(e->clock[GCTRACE_MARK_TERM], 4000);
	assert_memory_equal(e->cpu, cpu_115, sizeof(cpu_115));
	assert_int_equal(e->heap_start, 34 << 20);
	assert_int_equal(e->heap_peak, 35 << 20);
	assert_int_equal(e->heap_live, 31 << 20);
	assert_int_equal(e->goal, 50 << 20);
	assert_int_equal(e->procs, 2);
	assert_true(e->forced && e->forced_known && !e->has_stacks && !e->leak_check);
	assert_int_equal(e->line, 1);
	assert_int_equal(e->offset, 0);
	assert_string_equal(e->raw, line_115);

	parse(line_118, &found);
	assert_int_equal(found.n, 1);
	assert_int_equal(e->number, 12);
	assert_int_equal(e->time, 1018000000);
	assert_int_equal(e->clock[GCTRACE_MARK], 970000);
	assert_int_equal(e->cpu[GCTRACE_CPU_ASSIST], 12000000);
	assert_int_equal(e->cpu[GCTRACE_CPU_IDLE], 1000000);
	assert_int_equal(e->heap_live, 310 << 20);
	assert_int_equal(e->goal, 472 << 20);
	assert_int_equal(e->stacks, 1 << 20);
	assert_int_equal(e->globals, 3 << 20);
	assert_int_equal(e->procs, 16);
	assert_true(!e->forced && e->forced_known && e->has_stacks && !e->leak_check);

	parse(line_126, &found);
	assert_int_equal(found.n, 1);
	assert_int_equal(e->percent, 8);
	assert_true(e->forced && e->has_stacks && e->leak_check);
	assert_int_equal(e->clock[GCTRACE_SWEEP_TERM], 46000);
	assert_string_equal(e->raw, line_126);
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t ns, resolution;
	} cases[] = {
		{"0", true, 0, 1000},
		{"0.001", true, 1000, 1000},
		{"0.099", true, 99000, 1000},
		{"0.10", true, 100000, 10000},
		{"0.99", true, 990000, 10000},
		{"1.0", true, 1000000, 100000},
		{"9.9", true, 9900000, 100000},
		{"10", true, 10000000, 1000000},
		{"123456", true, 123456000000, 1000000},
		/* A cycle that a clock stepping back has made negative wraps around. */
		{"18446744073709", true, 18446744073709000000ull, 1000000},
		/* The runtime prints none of these. */
		{"5", false, 0, 0},
		{"0.000", false, 0, 0},
		{"0.5", false, 0, 0},
		{"0.100", false, 0, 0},
		{"00.10", false, 0, 0},
		{"1.25", false, 0, 0},
		{"12.5", false, 0, 0},
		{"1e3", false, 0, 0},
		{"-1", false, 0, 0},
		{"99999999999999999999", false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct found found;
		char text[400];

		snprintf(
			text, sizeof(text),
			"gc 5 @0.020s 7%%: 0.030+%s+0.004 ms clock, 0.061+0/0.077/%s+0.009 ms cpu, "
			"34->34->31 MB, 50 MB goal, 2 P\n",
			cases[i].text, cases[i].text);
		parse(text, &found);
		assert_int_equal(found.n, 1);
		assert_int_equal(found.entries[0].kind,
				 cases[i].good ? GCTRACE_GC : GCTRACE_DAMAGED);
		if (!cases[i].good)
			continue;
		assert_int_equal(found.entries[0].clock[GCTRACE_MARK], cases[i].ns);
		assert_int_equal(found.entries[0].cpu[GCTRACE_CPU_IDLE], cases[i].ns);
		assert_int_equal(gctrace_resolution(cases[i].ns), cases[i].resolution);
	}
}

static char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *text = xcalloc(1, 1 << 20);

	assert_non_null(f);
	*len = fread(text, 1, (1 << 20) - 1, f);
	fclose(f);
	return text;
}

/* What real runtimes wrote: printed again from the values, each line is what it was. */
static void recorded(void **state)
{
	static const struct {
		const char *path;
		int lines, forced;
	} logs[] = {
		{DATA "go1.15.log", 10, 3}, {DATA "go1.19.log", 9, 3},	{DATA "go1.21.log", 8, 3},
		{DATA "go1.22.log", 10, 3}, {DATA "go1.23.log", 10, 2}, {DATA "go1.24.log", 10, 3},
		{DATA "go1.25.log", 11, 3}, {DATA "go1.26.log", 8, 3},	{DATA "go1.27.log", 10, 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
		size_t len;
		char *text = read_file(logs[i].path, &len), *rest = text, *line, printed[700];
		struct found found;
		int forced = 0;

		parse_steps(text, len, len, &found);
		assert_int_equal(found.n, logs[i].lines);
		for (size_t j = 0; j < found.n; j++) {
			line = strsep(&rest, "\n");
			gctext_print(&found.entries[j], printed, sizeof(printed));
			assert_string_equal(printed, line);
			assert_string_equal(found.raw[j], line);
			assert_int_equal(found.entries[j].line, j + 1);
			assert_int_equal(found.entries[j].offset, line - text);
			assert_int_equal(found.entries[j].number, j + 1);
			forced += found.entries[j].forced;
		}
		assert_int_equal(forced, logs[i].forced);
		free(text);
	}
}

static void other_kinds(void **state)
{
	static const struct {
		const char *text;
		int kind; /* -1: nothing */
	} cases[] = {
		{"GC forced\n", GCTRACE_GC_FORCED},
		{"2026-11-22T03:42:21.698Z stderr F GC forced\r\n", GCTRACE_GC_FORCED},
		{"scav 7 62632 KiB work, 64992 KiB total, 100% util (forced)\n", GCTRACE_SCAV},
		{"scav 128 KiB work, 3576 KiB total, 100% util (forced)\n", GCTRACE_SCAV},
		{"scav 0 KiB work (bg), 0 KiB work (eager), 3520 KiB now, 87% util\n",
		 GCTRACE_SCAV},
		{"scvg0: inuse: 6, idle: 0, sys: 63, released: 57, consumed: 6 (MB)\n",
		 GCTRACE_SCVG},
		{"scvg: 0 MB released\n", GCTRACE_SCVG},
		{"init internal/bytealg @0.008 ms, 0 ms clock, 0 bytes, 0 allocs\n", GCTRACE_INIT},
		{"pacer: assist ratio=+5.842373e-002 (scan 0 MB in 0->4 MB) workers=0++2.5e-001\n",
		 GCTRACE_PACER},
		{"pacer: 25% CPU (25 exp.) for 49968+2208+153386 B work (205834 B exp.) in 65072 B "
		 "-> 73152 B (∆goal -4121152, cons/mark 0)\n",
		 GCTRACE_PACER},
		{"pacer: sweep done at heap size 5MB; allocated 1MB during sweep\n", GCTRACE_PACER},
		{"pacer: H_m_prev=2236962 h_t=+8.750000e-001 H_T=4194304\n", GCTRACE_PACER},
		{"SCHED 0ms: gomaxprocs=2 idleprocs=1 threads=4 spinningthreads=0 idlethreads=2 "
		 "runqueue=0 [0 0]\n",
		 GCTRACE_SCHED},
		{"scan: total 22+31+15=68 objs, 8+2=10 spans\n", GCTRACE_SCAN},
		{"scan: class 8B 7+0+0=7 objs, 0+0=0 spans\n", GCTRACE_SCAN},
		{"the GC forced us to wait\n", -1},
		{"init done\n", -1},
		{"scav enger\n", -1},
		{"pacer: set\n", -1},
		{"gc 5 times\n", -1},
		{"gc # @#s #%: #+#+# ms clock\n", -1},
		{"gc \n", -1},
		{"", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct found found;

		parse(cases[i].text, &found);
		assert_int_equal(found.n, cases[i].kind >= 0);
		if (found.n)
			assert_int_equal(found.entries[0].kind, cases[i].kind);
	}
}

static void mixed_log(void **state)
{
	struct gctrace_log log;

	(void)state;
	assert_null(gctrace_log_read(DATA "all1.27.log", &log));
	assert_int_equal(log.n_entries, 3);
	assert_int_equal(log.lines, 77);
	assert_int_equal(log.counts[GCTRACE_GC], 3);
	assert_int_equal(log.counts[GCTRACE_INIT], 18);
	assert_int_equal(log.counts[GCTRACE_SCHED], 1);
	assert_int_equal(log.counts[GCTRACE_SCAV], 4);
	assert_int_equal(log.counts[GCTRACE_PACER], 7);
	assert_int_equal(log.counts[GCTRACE_SCAN], 44);
	assert_int_equal(log.counts[GCTRACE_DAMAGED], 0);
	assert_int_equal(log.stitched, 0);
	assert_true(log.entries[0].leak_check);
	gctrace_log_free(&log);
}

/* Where the runtime's writes end: the only places at which a line can be torn. */
static size_t boundaries(const char *line, size_t *places)
{
	static const char *const pieces[] = {"gc ",
					     " @",
					     "s ",
					     "% (checking",
					     "%: ",
					     " (checking for goroutine leaks)",
					     ": ",
					     " ms clock, ",
					     " ms cpu, ",
					     "->",
					     " MB goal, ",
					     " MB stacks, ",
					     " MB globals, ",
					     " MB, ",
					     " P",
					     " (forced)",
					     "+",
					     "/"};
	size_t n = 0, at = 0, len = strlen(line);

	while (at < len) {
		size_t step = strspn(line + at, "0123456789.");

		for (size_t i = 0; !step && i < sizeof(pieces) / sizeof(pieces[0]); i++)
			if (!strncmp(line + at, pieces[i], strlen(pieces[i])))
				step = i == 3 ? 1 : strlen(pieces[i]);
		assert_true(step > 0);
		at += step;
		places[n++] = at;
	}
	return n;
}

/* Everything but what says how it was found. */
static bool same(const struct gctrace_entry *a, const struct gctrace_entry *b)
{
	return a->kind == b->kind && a->number == b->number && a->time == b->time &&
	       a->percent == b->percent && !memcmp(a->clock, b->clock, sizeof(a->clock)) &&
	       !memcmp(a->cpu, b->cpu, sizeof(a->cpu)) && a->heap_start == b->heap_start &&
	       a->heap_peak == b->heap_peak && a->heap_live == b->heap_live && a->goal == b->goal &&
	       a->stacks == b->stacks && a->globals == b->globals && a->procs == b->procs &&
	       (a->forced == b->forced || !b->forced_known);
}

/* How many lines were found; none may differ from the one that was written. */
static size_t count_good(const struct found *whole, const struct found *found, const char *text)
{
	size_t good = 0;

	for (size_t i = 0; i < found->n; i++) {
		if (found->entries[i].kind != GCTRACE_GC)
			continue;
		good++;
		if (!same(&whole->entries[0], &found->entries[i]))
			fail_msg("wrong: %s", text);
	}
	assert_true(good <= 1);
	return good;
}

/* One tear at every place: whole again where the other text can be told from the line's numbers,
 * and never wrong. */
static void torn_once(void **state)
{
	static const struct {
		const char *text;
		bool told;
	} others[] = {
		{"2026/11/22 03:42:21 request served\n", true},
		{"2026-11-22T03:42:21.698Z INFO request served\n", true},
		{"{\"level\":\"info\",\"msg\":\"request served\"}\n", true},
		{"level=info msg=\"request served\"\n", true},
		{"I1122 03:42:21.698 main.go:12] served\n", true},
		{"one\ntwo\nthree requests\n", false},
		{"12\n", false},
		{"5 apples and +1.4 of something\n", false},
		{"0.12+0.3/5->4 MB, \n", false},
		{" MB\n", false},
		{"\n", false},
		{"no newline ", false},
		{"100% sure", false},
	};
	static const char *const lines[] = {line_115, line_118, line_126};
	size_t places[64];

	(void)state;
	for (size_t l = 0; l < 3; l++) {
		struct found whole, found;
		size_t n = boundaries(lines[l], places);

		parse(lines[l], &whole);
		for (size_t o = 0; o < sizeof(others) / sizeof(others[0]); o++) {
			/* Before its last piece a line already looks whole. */
			bool bare = !strcmp(others[o].text, "\n");

			for (size_t i = 0; i + 1 + bare < n; i++) {
				char text[1000];
				size_t good;

				snprintf(text, sizeof(text), "before\n%.*s%s%s\nafter\n",
					 (int)places[i], lines[l], others[o].text,
					 lines[l] + places[i]);
				parse(text, &found);
				good = count_good(&whole, &found, text);
				if (!others[o].told)
					continue;
				if (!good)
					fail_msg("lost: %s", text);
				assert_int_equal(found.entries[0].line, 2);
				assert_int_equal(found.entries[0].offset, 7);
			}
		}
	}
}

/* Many tears: each line comes out as it was written, or is counted as damaged. */
static void torn_often(void **state)
{
	static const char *const others[] = {
		"2026/11/22 03:42:21 served\n",
		"level=info\n",
		"3 requests\n",
		"+\n",
		"{}\n",
		"0.12\n",
		"12ms elapsed\n",
		"->\n",
		"x",
		" MB",
	};
	static const char *const lines[] = {line_115, line_118, line_126};
	size_t places[64], lost = 0;
	struct random random = {1};

	(void)state;
	for (int round = 0; round < 3000; round++) {
		const char *line = lines[random_u64(&random) % 3];
		bool plain = round % 2;
		size_t n = boundaries(line, places), at = 0, len = 0, good;
		struct found whole, found;
		char text[8000];

		for (size_t i = 0; i < n; i++) {
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s",
						(int)(places[i] - at), line + at);
			at = places[i];
			if (i + 1 < n && random_u64(&random) % 4 == 0)
				len += (size_t)snprintf(
					text + len, sizeof(text) - len, "%s",
					others[plain ? 0 : random_u64(&random) % 10]);
		}
		snprintf(text + len, sizeof(text) - len, "\nafter\n");
		parse(line, &whole);
		parse(text, &found);
		good = count_good(&whole, &found, text);
		if (plain && !good)
			fail_msg("lost: %s", text);
		lost += !good;
	}
	/* With such neighbours most are lost; were none, the test would not test. */
	assert_in_range(lost, 1, 1499);
}

static void torn_real(void **state)
{
	struct gctrace_log log;

	(void)state;
	assert_null(gctrace_log_read(DATA "torn1.27.log", &log));
	assert_int_equal(log.n_entries, 1);
	assert_int_equal(log.stitched, 1);
	assert_int_equal(log.entries[0].number, 1);
	assert_int_equal(log.entries[0].clock[GCTRACE_MARK], 1100000);
	assert_int_equal(log.entries[0].cpu[GCTRACE_CPU_ASSIST], 770000);
	assert_int_equal(log.entries[0].heap_peak, 4 << 20);
	assert_int_equal(log.entries[0].procs, 2);
	gctrace_log_free(&log);
}

/* A line of another process inside a torn one; and two that cannot be told apart. */
static void torn_by_each_other(void **state)
{
	struct found found;
	char text[2000];

	(void)state;
	snprintf(text, sizeof(text), "%.26s%s\n%s\n", line_115, line_118, line_115 + 26);
	parse(text, &found);
	assert_int_equal(found.n, 2);
	assert_int_equal(found.entries[0].number, 12);
	assert_int_equal(found.entries[1].number, 5);
	assert_int_equal(found.entries[1].clock[GCTRACE_MARK], 1400000);
	assert_true(found.entries[1].stitched);

	snprintf(text, sizeof(text), "gc 7 @0.020s 7%%: one\ngc 8 @0.021s 7%%: two\n%s\n%s\n",
		 line_115 + 17, line_115 + 17);
	parse(text, &found);
	assert_int_equal(found.n, 2);
	assert_int_equal(found.entries[0].kind, GCTRACE_DAMAGED);
	assert_int_equal(found.entries[1].kind, GCTRACE_DAMAGED);
}

static void forced_unknown(void **state)
{
	struct found found;
	char text[2000];
	int len = (int)strlen(line_115) - (int)strlen(" (forced)");

	(void)state;
	snprintf(text, sizeof(text), "%.*sother\n (forced)\n", len, line_115);
	parse(text, &found);
	assert_int_equal(found.n, 1);
	assert_true(found.entries[0].forced && found.entries[0].forced_known);
	snprintf(text, sizeof(text), "%.*sother\n\n", len, line_115);
	parse(text, &found);
	assert_int_equal(found.n, 1);
	assert_true(!found.entries[0].forced && found.entries[0].forced_known);
	snprintf(text, sizeof(text), "%.*sother\nand another", len, line_115);
	parse(text, &found);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.entries[0].kind, GCTRACE_GC);
	assert_true(!found.entries[0].forced_known);
}

static void wrapped(void **state)
{
	static const char *const forms[] = {
		"%s\n",
		"%s\r\n",
		"%s",
		"2026-11-22T03:42:21.698Z stderr F %s\n",
		"2026-11-22T03:42:21.698374665+01:00 stderr F %s\n",
		"web_1  | %s\n",
		"Nov 22 03:42:21 host app[123]: %s\n",
		"some words without an end%s\n",
		"{\"log\":\"%s\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-22T03:42:21.69Z\"}\n",
		"{\"ts\":1,\"msg\":\"%s\"}\n",
		"{\"__REALTIME_TIMESTAMP\":\"1795338191716089\",\"MESSAGE\":\"%s\",\"_PID\":\"7\"}"
		"\n",
		"2026-11-22T03:42:21+0000 host app[123]: %s\n",
		"<12>1 2026-11-22T03:42:21.698Z host app 123 - - %s\n",
		"2026-11-22T03:42:21.698374665Z %s\n",
		"{\"log\":\"{\\\"level\\\":\\\"info\\\",\\\"msg\\\":\\\"%s\\\"}\\n\",\"stream\":"
		"\"stdout\"}\n",
		"{\"log\":\"{\\\"msg\\\":\\\"%s\\\\n\\\"}\\n\",\"stream\":\"stdout\"}\n",
		"\033[36mweb |\033[0m %s\033[0m\n",
	};
	static const char *const lines[] = {line_115, line_118, line_126};
	struct found whole, found;
	char text[2000], escaped[1000];

	(void)state;
	for (size_t l = 0; l < 3; l++) {
		parse(lines[l], &whole);
		for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
			snprintf(text, sizeof(text), forms[i], lines[l]);
			parse(text, &found);
			assert_int_equal(found.n, 1);
			assert_true(same(&whole.entries[0], &found.entries[0]));
			assert_true(found.entries[0].forced_known && !found.entries[0].stitched);
			assert_int_equal(found.entries[0].offset, strstr(text, "gc ") - text);
			assert_string_equal(found.raw[0], lines[l]);
		}
		/* Encoders of JSON escape the arrow. */
		escaped[0] = 0;
		for (const char *p = lines[l]; *p; p++)
			sprintf(escaped + strlen(escaped), *p == '>' ? "\\u003e" : "%c", *p);
		snprintf(text, sizeof(text), "{\"log\":\"%s\\n\",\"stream\":\"stderr\"}\n",
			 escaped);
		parse(text, &found);
		assert_int_equal(found.n, 1);
		assert_true(same(&whole.entries[0], &found.entries[0]));
		assert_string_equal(found.raw[0], lines[l]);
		/* A record in a record, whose backslashes are escaped too. */
		escaped[0] = 0;
		for (const char *p = lines[l]; *p; p++)
			sprintf(escaped + strlen(escaped), *p == '>' ? "\\\\u003e" : "%c", *p);
		snprintf(text, sizeof(text), "{\"log\":\"{\\\"msg\\\":\\\"%s\\\"}\\n\"}\n",
			 escaped);
		parse(text, &found);
		assert_int_equal(found.n, 1);
		assert_true(same(&whole.entries[0], &found.entries[0]));
	}
}

/* A container runtime cuts lines anywhere, and says so. */
static void cut_by_container(void **state)
{
	struct found whole, found;
	char text[2000];

	(void)state;
	parse(line_118, &whole);
	for (int cut = 1; cut < (int)strlen(line_118); cut++) {
		snprintf(text, sizeof(text),
			 "2026-11-22T03:42:21.698Z stderr P %.*s\n"
			 "2026-11-22T03:42:21.698Z stdout F hello\n"
			 "2026-11-22T03:42:21.699Z stderr F %s\n",
			 cut, line_118, line_118 + cut);
		parse(text, &found);
		assert_int_equal(found.n, 1);
		assert_true(same(&whole.entries[0], &found.entries[0]));
		assert_int_equal(found.entries[0].line, 1);
	}
}

static void holes_and_long_lines(void **state)
{
	struct buffer text = {0};
	struct found found;
	size_t places[4];

	(void)state;
	/* NULs where a truncated file was written on, then a line without end. */
	for (int i = 0; i < 200000; i++)
		buffer_u8(&text, 0);
	places[0] = text.len;
	buffer_append(&text, line_115, strlen(line_115));
	buffer_u8(&text, '\n');
	for (int i = 0; i < 300000; i++)
		buffer_u8(&text, "gc "[i % 3]);
	places[1] = text.len;
	buffer_append(&text, line_118, strlen(line_118));
	buffer_append(&text, "\"", 1);
	for (int i = 0; i < 300000; i++)
		buffer_u8(&text, "x"[0]);
	buffer_u8(&text, '\n');
	places[2] = text.len;
	buffer_append(&text, line_126, strlen(line_126));
	for (size_t step = 1; step <= text.len; step = step * 7 + 1) {
		parse_steps((const char *)text.data, text.len, step, &found);
		assert_int_equal(found.n, 3);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(found.entries[i].kind, GCTRACE_GC);
			assert_int_equal(found.entries[i].offset, places[i]);
			assert_int_equal(found.entries[i].line, i + 1);
		}
	}
	buffer_free(&text);
}

/* The line may lie anywhere over the edge of the parser's window. */
static void window_edges(void **state)
{
	struct found found;
	char *text = xmalloc(70000);

	(void)state;
	for (size_t pad = 65536 - 900; pad < 65536 + 10; pad += 7) {
		size_t len = (size_t)snprintf(text, 70000, "%0*d %s\n", (int)pad - 1, 0, line_118);

		parse_steps(text, len, 4096, &found);
		assert_int_equal(found.n, 1);
		assert_int_equal(found.entries[0].kind, GCTRACE_GC);
		assert_int_equal(found.entries[0].offset, pad);
		assert_int_equal(found.entries[0].number, 12);
	}
	free(text);
}

static void write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	fclose(f);
}

static void packed(void **state)
{
	struct gctrace_log log;
	size_t len, packed_len;
	char *text = read_file(DATA "go1.27.log", &len), path[] = "/tmp/test_gctrace.XXXXXX";
	char *zstd = xmalloc(ZSTD_compressBound(len) * 2);
	int fd = mkstemp(path);
	gzFile gz;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	/* Two members, as log rotation writes them. */
	for (int i = 0; i < 2; i++) {
		gz = gzopen(path, i ? "ab" : "wb");
		assert_int_equal(gzwrite(gz, text, (unsigned)len), len);
		gzclose(gz);
	}
	assert_null(gctrace_log_read(path, &log));
	assert_int_equal(log.n_entries, 20);
	assert_null(log.damage);
	gctrace_log_free(&log);

	/* Cut short: what there is stays good. */
	assert_int_equal(truncate(path, 700), 0);
	assert_null(gctrace_log_read(path, &log));
	assert_true(log.n_entries >= 8 && log.n_entries < 20);
	assert_non_null(log.damage);
	assert_non_null(strstr(log.damage, "ends early"));
	gctrace_log_free(&log);

	packed_len = ZSTD_compress(zstd, ZSTD_compressBound(len), text, len, 3);
	packed_len += ZSTD_compress(zstd + packed_len, ZSTD_compressBound(len), text, len, 3);
	write_file(path, zstd, packed_len);
	assert_null(gctrace_log_read(path, &log));
	assert_int_equal(log.n_entries, 20);
	assert_null(log.damage);
	gctrace_log_free(&log);
	memset(zstd + packed_len - 200, 0x55, 100);
	write_file(path, zstd, packed_len);
	assert_null(gctrace_log_read(path, &log));
	assert_true(log.n_entries >= 10 && log.n_entries < 20);
	assert_non_null(log.damage);
	gctrace_log_free(&log);

	/* Standard input. */
	write_file(path, text, len);
	fd = dup(0);
	assert_non_null(freopen(path, "rb", stdin));
	assert_null(gctrace_log_read("-", &log));
	dup2(fd, 0);
	close(fd);
	assert_int_equal(log.n_entries, 10);
	gctrace_log_free(&log);
	unlink(path);
	free(zstd);
	free(text);
}

static void nothing_found(void **state)
{
	char path[] = "/tmp/test_gctrace.XXXXXX";
	struct gctrace_log log;
	struct error *err;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	for (int empty = 0; empty < 2; empty++) {
		write_file(path, "hello\nworld\n", empty ? 0 : 12);
		err = gctrace_log_read(path, &log);
		assert_non_null(err);
		assert_non_null(strstr(error_message(err), path));
		assert_non_null(strstr(error_message(err), "no gctrace line"));
		assert_string_equal(error_remedy_text(err),
				    "run the program with GODEBUG=gctrace=1 and keep its standard "
				    "error");
		error_free(err);
	}
	write_file(path, line_115, 40);
	err = gctrace_log_read(path, &log);
	assert_non_null(strstr(error_message(err), "damaged"));
	error_free(err);
	unlink(path);
	err = gctrace_log_read(path, &log);
	assert_int_equal(error_errnum(err), 2);
	error_free(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(durations),
		cmocka_unit_test(recorded),
		cmocka_unit_test(other_kinds),
		cmocka_unit_test(mixed_log),
		cmocka_unit_test(torn_once),
		cmocka_unit_test(torn_often),
		cmocka_unit_test(torn_real),
		cmocka_unit_test(torn_by_each_other),
		cmocka_unit_test(forced_unknown),
		cmocka_unit_test(wrapped),
		cmocka_unit_test(cut_by_container),
		cmocka_unit_test(holes_and_long_lines),
		cmocka_unit_test(window_edges),
		cmocka_unit_test(packed),
		cmocka_unit_test(nothing_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
