#include "formats/note.h"

#include "formats/xalloc.h"

#include <byteswap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*
 * Decodes the note in buf, after checking that it does so from any address, with the padding that a
 * raw sample has behind it, and that every shorter payload and a wrong byte order are refused.
 */
static struct note decode_strictly(struct buffer *buf)
{
	struct note note;

	assert_true(buf->len < 60000);
	for (size_t len = 0; len < buf->len; len++) {
		/* An allocation of the exact size, so that a sanitizer sees a read past it. */
		uint8_t *cut = malloc(len ? len : 1);

		memcpy(cut, buf->data, len);
		assert_false(note_decode(cut, len, false, &note));
		free(cut);
	}
	assert_false(note_decode(buf->data, buf->len, true, &note));
	/* One byte in front and a padded end: the values must not depend on alignment. */
	buffer_extend(buf, 8);
	memmove(buf->data + 1, buf->data, buf->len - 8);
	memset(buf->data + buf->len - 7, 0xee, 7);
	assert_true(note_decode(buf->data + 1, buf->len - 1, false, &note));
	return note;
}

static void test_clock(void **state)
{
	struct note_clock clock = {
		.monotonic = 1, .realtime = 1ull << 60, .boottime = 3, .uncertainty = 40};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	note_put_clock(&buf, &clock);
	note = decode_strictly(&buf);
	assert_int_equal(note.kind, NOTE_CLOCK);
	assert_memory_equal(&note.clock, &clock, sizeof(clock));
	note_free(&note);
	buffer_free(&buf);
}

static void test_process(void **state)
{
	struct note_process process = {.pid = 4711,
				       .start_time = 5,
				       .runtime_init = 6,
				       .mem_profile_rate = 524288,
				       .load_bias = 0x555555554000,
				       .attached = 1,
				       .exe = "/usr/bin/sérver",
				       .go_version = "go1.27.4"};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	note_put_process(&buf, &process);
	note = decode_strictly(&buf);
	assert_int_equal(note.kind, NOTE_PROCESS);
	assert_int_equal(note.process.pid, 4711);
	assert_int_equal(note.process.start_time, 5);
	assert_int_equal(note.process.runtime_init, 6);
	assert_int_equal(note.process.mem_profile_rate, 524288);
	assert_int_equal(note.process.load_bias, 0x555555554000);
	assert_int_equal(note.process.attached, 1);
	assert_string_equal(note.process.exe, "/usr/bin/sérver");
	assert_string_equal(note.process.go_version, "go1.27.4");
	note_free(&note);
	buffer_free(&buf);
}

static void test_process_without_names(void **state)
{
	struct note_process process = {.pid = 1};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	note_put_process(&buf, &process);
	note = decode_strictly(&buf);
	assert_string_equal(note.process.exe, "");
	assert_string_equal(note.process.go_version, "");
	note_free(&note);
	buffer_free(&buf);
}

static void test_bucket(void **state)
{
	uint64_t stack[] = {0x401234, 0x405678, UINT64_MAX};
	struct note_bucket bucket = {
		.pid = 7, .address = 0xc000100000, .size = 48, .stack = stack, .n_stack = 3};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	note_put_bucket(&buf, &bucket);
	note = decode_strictly(&buf);
	assert_int_equal(note.kind, NOTE_BUCKET);
	assert_int_equal(note.bucket.pid, 7);
	assert_int_equal(note.bucket.address, 0xc000100000);
	assert_int_equal(note.bucket.size, 48);
	assert_int_equal(note.bucket.n_stack, 3);
	assert_memory_equal(note.bucket.stack, stack, sizeof(stack));
	note_free(&note);
	buffer_free(&buf);
}

static void test_table(void **state)
{
	struct note_table_entry entries[2] = {
		{.address = 1, .active = {2, 3}, .future = {{4, 5}, {6, 7}, {8, 9}}},
		{.address = 10, .active = {11, 12}, .future = {{13, 14}, {15, 16}, {17, 18}}}};
	struct note_table table = {.pid = 1,
				   .reading = 2,
				   .part = 3,
				   .parts = 4,
				   .stable = 1,
				   .final = 1,
				   .begin = 100,
				   .end = 200,
				   .cycle = 9,
				   .flushed = 1,
				   .buckets = 1234,
				   .entries = entries,
				   .n_entries = 2};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	note_put_table(&buf, &table);
	note = decode_strictly(&buf);
	assert_int_equal(note.kind, NOTE_TABLE);
	assert_int_equal(note.table.pid, 1);
	assert_int_equal(note.table.reading, 2);
	assert_int_equal(note.table.part, 3);
	assert_int_equal(note.table.parts, 4);
	assert_int_equal(note.table.stable, 1);
	assert_int_equal(note.table.final, 1);
	assert_int_equal(note.table.begin, 100);
	assert_int_equal(note.table.end, 200);
	assert_int_equal(note.table.cycle, 9);
	assert_int_equal(note.table.flushed, 1);
	assert_int_equal(note.table.buckets, 1234);
	assert_int_equal(note.table.n_entries, 2);
	assert_memory_equal(note.table.entries, entries, sizeof(entries));
	note_free(&note);
	buffer_free(&buf);
}

static void test_rss(void **state)
{
	struct note_rss rss = {.pid = 12, .rss = 1, .anon = 2, .file = 3, .shmem = 4, .swap = 5};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	note_put_rss(&buf, &rss);
	note = decode_strictly(&buf);
	assert_int_equal(note.kind, NOTE_RSS);
	assert_int_equal(note.rss.pid, 12);
	assert_int_equal(note.rss.rss, 1);
	assert_int_equal(note.rss.anon, 2);
	assert_int_equal(note.rss.file, 3);
	assert_int_equal(note.rss.shmem, 4);
	assert_int_equal(note.rss.swap, 5);
	note_free(&note);
	buffer_free(&buf);
}

static void test_text(void **state)
{
	struct note_text text = {.pid = 3, .text = "probe plan: birth at +0x1d64"};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	note_put_text(&buf, &text);
	note = decode_strictly(&buf);
	assert_int_equal(note.kind, NOTE_TEXT);
	assert_int_equal(note.text.pid, 3);
	assert_string_equal(note.text.text, "probe plan: birth at +0x1d64");
	note_free(&note);
	buffer_free(&buf);
}

static void test_native(void **state)
{
	struct note_native native = {
		.pid = 9, .every = 16, .whole_from = 16384, .min_size = 64, .path = "/lib/libc"};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	note_put_native(&buf, &native);
	assert_true(note_decode(buf.data, buf.len, false, &note));
	assert_int_equal(note.kind, NOTE_NATIVE);
	assert_int_equal(note.native.pid, 9);
	assert_int_equal(note.native.every, 16);
	assert_int_equal(note.native.whole_from, 16384);
	assert_int_equal(note.native.min_size, 64);
	assert_string_equal(note.native.path, native.path);
	for (size_t len = 0; len < buf.len; len++)
		assert_false(note_decode(buf.data, len, false, &note));
	buf.len = 0;
	native.every = 3;
	note_put_native(&buf, &native);
	assert_false(note_decode(buf.data, buf.len, false, &note));
	buffer_free(&buf);
}

/* Of pointers one step apart, whatever the step, as many are picked as there should be. */
static void test_native_picks(void **state)
{
	(void)state;
	for (uint32_t every = 1; every <= 256; every *= 2) {
		for (uint64_t step = 16; step <= 1 << 20; step = step * 3 + 16) {
			size_t picked = 0;

			for (uint64_t i = 0; i < 65536; i++)
				picked += note_native_picks(every, 0x7f0000000010 + i * step);
			assert_in_range(picked, 65536 / every * 4 / 5, 65536 / every * 5 / 4);
		}
	}
}

static void test_gctrace(void **state)
{
	struct note_gctrace gctrace = {.pid = 9,
				       .text = "gc 1 @0.012s 2%: 0.01+0.2+0.003 ms clock"};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	note_put_gctrace(&buf, &gctrace);
	note = decode_strictly(&buf);
	assert_int_equal(note.kind, NOTE_GCTRACE);
	assert_int_equal(note.gctrace.pid, 9);
	assert_string_equal(note.gctrace.text, gctrace.text);
	note_free(&note);
	buffer_free(&buf);
}

static void test_owners(void **state)
{
	struct note_owner_range ranges[] = {
		{0x400000, 0x500000, 4096, OWNER_PROGRAM},
		{0xc000000000, 0xc004000000, 3 << 20, OWNER_GO_HEAP},
	};
	struct note_owners owners = {
		.pid = 4711,
		.mappings = 12,
		.begin = 1,
		.end = 2,
		.rss = (3 << 20) + 4096,
		.anon = 3 << 20,
		.file = 4096,
		.shmem = 5,
		.swap = 6,
		.statm = 7,
		.go = {.in_use = 8,
		       .free = 9,
		       .released = 10,
		       .stacks = 11,
		       .work = 12,
		       .live = 13,
		       .sys = 14},
		.bytes = {[OWNER_PROGRAM] = 4096, [OWNER_GO_HEAP] = 3 << 20},
		.ranges = ranges,
		.n_ranges = 2,
	};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	note_put_owners(&buf, &owners);
	note = decode_strictly(&buf);
	assert_int_equal(note.kind, NOTE_OWNERS);
	assert_memory_equal(note.owners.ranges, ranges, sizeof(ranges));
	owners.ranges = note.owners.ranges;
	assert_memory_equal(&note.owners, &owners, sizeof(owners));
	note_free(&note);
	/* Ranges that are no address space: empty ones, and such as overlap. */
	owners.ranges = ranges;
	ranges[0].end = ranges[0].start;
	buf.len = 0;
	note_put_owners(&buf, &owners);
	assert_false(note_decode(buf.data, buf.len, false, &note));
	ranges[0].end = ranges[1].start + 1;
	buf.len = 0;
	note_put_owners(&buf, &owners);
	assert_false(note_decode(buf.data, buf.len, false, &note));
	buffer_free(&buf);
}

/* An owner that a newer recorder knows is counted as not known. */
static void test_owners_from_later(void **state)
{
	struct note_owners owners = {.pid = 1, .rss = 77, .bytes = {[OWNER_ANON] = 77}};
	uint64_t later = 200;
	struct buffer buf = {0};
	struct note note;

	(void)state;
	note_put_owners(&buf, &owners);
	memcpy(buf.data + buf.len - 16, &later, 8);
	assert_true(note_decode(buf.data, buf.len, false, &note));
	assert_int_equal(note.owners.bytes[OWNER_UNKNOWN], 77);
	note_free(&note);
	buffer_free(&buf);
}

static void test_limits(void **state)
{
	struct note_limits limits = {
		.pid = 3, .go = 4, .cgroup = 5, .machine = 6, .control = "/kubepods/a"};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	note_put_limits(&buf, &limits);
	note = decode_strictly(&buf);
	assert_int_equal(note.kind, NOTE_LIMITS);
	assert_int_equal(note.limits.pid, 3);
	assert_int_equal(note.limits.go, 4);
	assert_int_equal(note.limits.cgroup, 5);
	assert_int_equal(note.limits.machine, 6);
	assert_string_equal(note.limits.control, "/kubepods/a");
	note_free(&note);
	buffer_free(&buf);
}

static void test_goroutines(void **state)
{
	static struct note_goroutine entries[] = {
		{.goid = 1, .gopc = 0x401000, .startpc = 0x402000, .stack = 8192, .status = 2},
		{17, 0x403000, 0x404000, 123456789, 2048, 4, 14},
	};
	struct note_wait_reason reasons[] = {{14, "chan receive"}, {9, "select"}};
	struct note_goroutines list = {
		.pid = 4711,
		.part = 2,
		.parts = 3,
		.begin = 5,
		.end = 6,
		.left_out = 7,
		.entries = entries,
		.n_entries = 2,
		.reasons = reasons,
		.n_reasons = 2,
	};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	note_put_goroutines(&buf, &list);
	note = decode_strictly(&buf);
	assert_int_equal(note.kind, NOTE_GOROUTINES);
	assert_memory_equal(note.goroutines.entries, entries, sizeof(entries));
	assert_int_equal(note.goroutines.n_reasons, 2);
	assert_int_equal(note.goroutines.reasons[0].reason, 14);
	assert_string_equal(note.goroutines.reasons[0].text, "chan receive");
	assert_string_equal(note.goroutines.reasons[1].text, "select");
	assert_int_equal(note.goroutines.pid, 4711);
	assert_int_equal(note.goroutines.part, 2);
	assert_int_equal(note.goroutines.parts, 3);
	assert_int_equal(note.goroutines.begin, 5);
	assert_int_equal(note.goroutines.end, 6);
	assert_int_equal(note.goroutines.left_out, 7);
	note_free(&note);
	/* A part that is none of the list's. */
	list.part = 3;
	buf.len = 0;
	note_put_goroutines(&buf, &list);
	assert_false(note_decode(buf.data, buf.len, false, &note));
	buffer_free(&buf);
}

static void test_part(void **state)
{
	struct note_part part = {.recording = 77,
				 .from = 5000000000,
				 .kind = PART_ROTATED,
				 .number = 3,
				 .ends = 1,
				 .text = "the next file follows"};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	note_put_part(&buf, &part);
	note = decode_strictly(&buf);
	assert_int_equal(note.kind, NOTE_PART);
	assert_int_equal(note.part.recording, 77);
	assert_int_equal(note.part.from, 5000000000);
	assert_int_equal(note.part.kind, PART_ROTATED);
	assert_int_equal(note.part.number, 3);
	assert_int_equal(note.part.ends, 1);
	assert_string_equal(note.part.text, part.text);
	note_free(&note);
	buffer_free(&buf);
}

/* The padding of a raw payload is not part of the table. */
static void test_symbols(void **state)
{
	struct note_symbols symbols = {.table = (const uint8_t *)"table", .len = 5};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	note_put_symbols(&buf, &symbols);
	note = decode_strictly(&buf);
	assert_int_equal(note.kind, NOTE_SYMBOLS);
	assert_int_equal(note.symbols.len, 5);
	assert_memory_equal(note.symbols.table, "table", 5);
	assert_false(note.symbols.swap);
	note_free(&note);
	buffer_free(&buf);
}

/* A span with as many words as there may be, one with fewer, and a large object's: none. */
static void test_spans(void **state)
{
	struct note_span spans[3] = {
		{.address = 0x7f0000001000,
		 .base = 0xc000100000,
		 .sweepgen = 14,
		 .in_use = true,
		 .n_words = NOTE_SPAN_WORDS,
		 .words = {1, [NOTE_SPAN_WORDS - 1] = UINT64_MAX}},
		{.address = 2,
		 .base = 3,
		 .sweepgen = 17,
		 .count = 513,
		 .n_words = 2,
		 .words = {4, 5}},
		{.address = 6, .base = 7, .sweepgen = UINT32_MAX, .in_use = true},
	};
	struct note_spans note_in = {
		.pid = 4711, .begin = 100, .end = 200, .entries = spans, .n_entries = 3};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	note_put_spans(&buf, &note_in);
	note = decode_strictly(&buf);
	assert_int_equal(note.kind, NOTE_SPANS);
	assert_int_equal(note.spans.pid, 4711);
	assert_int_equal(note.spans.begin, 100);
	assert_int_equal(note.spans.end, 200);
	assert_int_equal(note.spans.n_entries, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(note.spans.entries[i].address, spans[i].address);
		assert_int_equal(note.spans.entries[i].base, spans[i].base);
		assert_int_equal(note.spans.entries[i].sweepgen, spans[i].sweepgen);
		assert_int_equal(note.spans.entries[i].in_use, spans[i].in_use);
		assert_int_equal(note.spans.entries[i].count, spans[i].count);
		assert_int_equal(note.spans.entries[i].n_words, spans[i].n_words);
		assert_memory_equal(note.spans.entries[i].words, spans[i].words,
				    sizeof(spans[i].words));
	}
	note_free(&note);
	/* A state that is none, and more words than a span has: in the last entry, of 24 bytes. */
	buf.len = 0;
	note_put_spans(&buf, &note_in);
	memset(buffer_extend(&buf, 1024), 0, 1024);
	assert_true(note_decode(buf.data, buf.len, false, &note));
	note_free(&note);
	buf.data[buf.len - 1024 - 4] = 2;
	assert_false(note_decode(buf.data, buf.len, false, &note));
	buf.data[buf.len - 1024 - 4] = 1;
	buf.data[buf.len - 1024 - 3] = NOTE_SPAN_WORDS + 1;
	assert_false(note_decode(buf.data, buf.len, false, &note));
	buffer_free(&buf);
}

/* Whatever the recorder puts in, a note fits a sample, and a text is cut between characters. */
static void test_size_limit(void **state)
{
	struct note_bucket bucket = {.n_stack = 100000};
	struct note_table table = {.parts = 1, .n_entries = NOTE_TABLE_MAX_ENTRIES};
	struct note_owners owners = {.n_ranges = NOTE_OWNERS_MAX_RANGES};
	struct note_spans spans = {.n_entries = NOTE_SPANS_MAX_ENTRIES};
	struct note_goroutines goroutines = {
		.parts = 1, .n_entries = NOTE_GOROUTINES_MAX_ENTRIES, .n_reasons = 1000};
	struct note_process process = {.pid = 1};
	char *text = xmalloc(200001);
	struct buffer buf = {0};
	struct note note;
	size_t len;

	(void)state;
	for (size_t i = 0; i < 200000; i++)
		text[i] = i % 2 ? (char)0xa9 : (char)0xc3; /* é */
	text[200000] = 0;
	note_put_text(&buf, &(struct note_text){.text = text + 0});
	assert_true(buf.len < 60000);
	assert_true(note_decode(buf.data, buf.len, false, &note));
	len = strlen(note.text.text);
	assert_true(len > 50000 && len % 2 == 0);
	buf.len = 0;
	text[0] = 'x'; /* now an odd limit and an even one fall differently */
	memmove(text + 1, text + 2, 199999);
	note_put_text(&buf, &(struct note_text){.text = text});
	assert_true(note_decode(buf.data, buf.len, false, &note));
	assert_true(strlen(note.text.text) % 2 == 1);
	buf.len = 0;
	process.exe = process.go_version = text;
	note_put_process(&buf, &process);
	assert_true(buf.len < 60000);
	assert_true(note_decode(buf.data, buf.len, false, &note));
	buf.len = 0;
	goroutines.entries = xcalloc(goroutines.n_entries, sizeof(*goroutines.entries));
	goroutines.reasons = xcalloc(goroutines.n_reasons, sizeof(*goroutines.reasons));
	for (size_t i = 0; i < goroutines.n_reasons; i++)
		goroutines.reasons[i].text = text;
	note_put_goroutines(&buf, &goroutines);
	assert_true(buf.len < 60000);
	assert_true(note_decode(buf.data, buf.len, false, &note));
	assert_int_equal(note.goroutines.n_reasons, NOTE_GOROUTINES_MAX_REASONS);
	note_free(&note);
	free(goroutines.entries);
	free(goroutines.reasons);
	buf.len = 0;
	bucket.stack = xcalloc(bucket.n_stack, sizeof(*bucket.stack));
	note_put_bucket(&buf, &bucket);
	assert_true(buf.len < 60000);
	assert_true(note_decode(buf.data, buf.len, false, &note));
	assert_true(note.bucket.n_stack >= 1024);
	note_free(&note);
	buf.len = 0;
	table.entries = xcalloc(table.n_entries, sizeof(*table.entries));
	note_put_table(&buf, &table);
	assert_true(buf.len < 60000);
	buf.len = 0;
	owners.ranges = xcalloc(owners.n_ranges, sizeof(*owners.ranges));
	memset(owners.bytes, 1, sizeof(owners.bytes));
	note_put_owners(&buf, &owners);
	assert_true(buf.len < 60000);
	buf.len = 0;
	spans.entries = xcalloc(spans.n_entries, sizeof(*spans.entries));
	for (size_t i = 0; i < spans.n_entries; i++)
		spans.entries[i].n_words = NOTE_SPAN_WORDS;
	note_put_spans(&buf, &spans);
	assert_true(buf.len < 60000);
	assert_true(note_decode(buf.data, buf.len, false, &note));
	note_free(&note);
	free(spans.entries);
	free(owners.ranges);
	free((void *)bucket.stack);
	free(table.entries);
	free(text);
	buffer_free(&buf);
}

/* A trace from a machine of the other byte order. */
static void test_swapped(void **state)
{
	uint64_t words[] = {bswap_64(11), bswap_64(12), bswap_64(13), bswap_64(14)};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	buffer_u32(&buf, bswap_32(NOTE_MAGIC));
	buffer_u16(&buf, bswap_16(NOTE_CLOCK));
	buffer_u16(&buf, bswap_16(1));
	buffer_append(&buf, words, sizeof(words));
	assert_false(note_decode(buf.data, buf.len, false, &note));
	assert_true(note_decode(buf.data, buf.len, true, &note));
	assert_int_equal(note.clock.monotonic, 11);
	assert_int_equal(note.clock.uncertainty, 14);
	note_free(&note);
	buffer_free(&buf);
}

static void put_head(struct buffer *buf, uint32_t magic, uint16_t kind, uint16_t version)
{
	buf->len = 0;
	buffer_u32(buf, magic);
	buffer_u16(buf, kind);
	buffer_u16(buf, version);
	memset(buffer_extend(buf, 200), 0, 200);
}

static void test_foreign(void **state)
{
	struct buffer buf = {0};
	struct note note;

	(void)state;
	put_head(&buf, NOTE_MAGIC, NOTE_RSS, 1);
	assert_true(note_decode(buf.data, buf.len, false, &note));
	put_head(&buf, NOTE_MAGIC, NOTE_RSS, 9); /* longer body, same beginning */
	assert_true(note_decode(buf.data, buf.len, false, &note));
	put_head(&buf, NOTE_MAGIC, NOTE_RSS, 0);
	assert_false(note_decode(buf.data, buf.len, false, &note));
	put_head(&buf, NOTE_MAGIC + 1, NOTE_RSS, 1);
	assert_false(note_decode(buf.data, buf.len, false, &note));
	put_head(&buf, NOTE_MAGIC, 0, 1);
	assert_false(note_decode(buf.data, buf.len, false, &note));
	put_head(&buf, NOTE_MAGIC, 4000, 1);
	assert_false(note_decode(buf.data, buf.len, false, &note));
	assert_false(note_decode(NULL, 0, false, &note));
	buffer_free(&buf);
}

/* Counts that promise more than there is, up to those whose size in bytes overflows. */
static void test_lying_counts(void **state)
{
	static const uint64_t lies[] = {
		1, 1000, UINT32_MAX, 1ull << 61, UINT64_MAX / 72 + 1, UINT64_MAX};
	struct note_bucket bucket = {.pid = 7};
	struct note_table table = {.parts = 1};
	struct buffer buf = {0};
	struct note note;

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		uint32_t lie = (uint32_t)lies[i];

		buf.len = 0;
		note_put_table(&buf, &table);
		memcpy(buf.data + buf.len - 8, &lies[i], 8);
		assert_false(note_decode(buf.data, buf.len, false, &note));
		buf.len = 0;
		note_put_bucket(&buf, &bucket);
		memcpy(buf.data + 12, &lie, 4);
		assert_true(lie == 0 || !note_decode(buf.data, buf.len, false, &note));
		buf.len = 0;
		note_put_spans(&buf, &(struct note_spans){.pid = 7});
		memcpy(buf.data + 12, &lie, 4);
		assert_true(lie == 0 || !note_decode(buf.data, buf.len, false, &note));
	}
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		uint32_t lie = (uint32_t)lies[i];

		/* The counts of owners and of ranges come last where there are none of either. */
		for (size_t at = 4; lie && at <= 8; at += 4) {
			buf.len = 0;
			note_put_owners(&buf, &(struct note_owners){.pid = 1});
			memcpy(buf.data + buf.len - at, &lie, 4);
			assert_false(note_decode(buf.data, buf.len, false, &note));
		}
	}
	buf.len = 0;
	table.part = 1; /* of one part, the second */
	note_put_table(&buf, &table);
	assert_false(note_decode(buf.data, buf.len, false, &note));
	buffer_free(&buf);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_process_without_names),
		cmocka_unit_test(test_bucket),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_rss),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_native),
		cmocka_unit_test(test_native_picks),
		cmocka_unit_test(test_gctrace),
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_owners_from_later),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_goroutines),
		cmocka_unit_test(test_part),
		cmocka_unit_test(test_symbols),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_size_limit),
		cmocka_unit_test(test_swapped),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_lying_counts),
	};

	return cmocka_run_group_tests_name("note", tests, NULL, NULL);
}
