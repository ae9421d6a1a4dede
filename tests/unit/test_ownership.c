#include "record/ownership.h"

#include "formats/xalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)

static const struct ownership_range arenas[] = {{0xc000000000, 0xc008000000}};

static void add_text(char *text, uint64_t start, uint64_t len, const char *perms, unsigned inode,
		     const char *path, unsigned rss_kib)
{
	sprintf(text + strlen(text),
		"%lx-%lx %s 00000000 00:00 %u  %s\nRss: %u kB\nAnonymous: %u kB\n", start,
		start + len, perms, inode, path, rss_kib, inode ? 0 : rss_kib);
}

static void read_text(struct ownership *o, const struct ownership_process *process,
		      const char *text, struct note_owners *note)
{
	*note = (struct note_owners){0};
	ownership_begin(o, process);
	ownership_feed(o, text, strlen(text));
	ownership_finish(o, note);
}

static uint64_t sum_of(const struct note_owners *note)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < OWNER_COUNT; i++)
		sum += note->bytes[i];
	return sum;
}

/* Each kind of mapping, with an RSS of its own so that a mistake shows. */
static void test_kinds(void **state)
{
	struct ownership_process process = {
		.exe_inode = 42,
		.arch = GO_ARCH_AMD64,
		.arenas = arenas,
		.n_arenas = 1,
		.stack_size = 8 * MIB,
	};
	struct ownership o = {0};
	struct note_owners note;
	char text[8192] = "";

	(void)state;
	add_text(text, 0x400000, MIB, "r-xp", 42, "/srv/a", 1);
	add_text(text, 0x600000, MIB, "rw-p", 42, "/srv/a", 2);
	add_text(text, 0x700000, MIB, "rw-p", 0, "", 4); /* .bss */
	add_text(text, 0x1000000, MIB, "rw-p", 0, "[heap]", 8);
	add_text(text, 0xc000000000, 4 * MIB, "rw-p", 0, "", 16);
	add_text(text, 0xc000400000, 60 * MIB, "---p", 0, "", 0);
	add_text(text, 0x7f0000000000, 132 * KIB, "rw-p", 0, "", 32); /* of malloc */
	add_text(text, 0x7f0000021000, 64 * MIB - 132 * KIB, "---p", 0, "", 0);
	add_text(text, 0x7f0100000000, 4 * KIB, "---p", 0, "", 0);
	add_text(text, 0x7f0100001000, 8 * MIB, "rw-p", 0, "", 64); /* a thread's stack */
	add_text(text, 0x7f0200000000, MIB, "rw-p", 0, "", 128);
	add_text(text, 0x7f0300000000, MIB, "r--s", 7, "/var/data", 256);
	add_text(text, 0x7f0400000000, MIB, "r--p", 9, "/usr/lib/libc.so.6", 512);
	add_text(text, 0x7f0400100000, MIB, "r-xp", 9, "/usr/lib/libc.so.6", 1024);
	add_text(text, 0x7f0400200000, MIB, "rw-p", 9, "/usr/lib/libc.so.6", 2048);
	add_text(text, 0x7f0400300000, MIB, "rw-p", 0, "", 4096); /* its .bss */
	add_text(text, 0x7f0500000000, MIB, "rw-s", 11, "/dev/zero (deleted)", 8192);
	add_text(text, 0x7f0600000000, MIB, "rw-s", 12, "/memfd:x (deleted)", 16384);
	add_text(text, 0x7f0700000000, MIB, "rw-p", 0, "[anon: Go: gc bits]", 32768);
	add_text(text, 0x7f0800000000, MIB, "rw-p", 0, "[anon: Go: heap]", 65536);
	add_text(text, 0x7f0900000000, MIB, "rw-p", 0, "[anon:other]", 131072);
	add_text(text, 0x7ffe00000000, MIB, "rw-p", 0, "[stack]", 262144);
	add_text(text, 0x7ffe00200000, 4 * KIB, "r-xp", 0, "[vdso]", 524288);
	read_text(&o, &process, text, &note);
	assert_int_equal(note.mappings, 23);
	assert_int_equal(note.bytes[OWNER_PROGRAM], (1 + 2 + 4) * KIB);
	assert_int_equal(note.bytes[OWNER_C_HEAP], (8 + 32) * KIB);
	assert_int_equal(note.bytes[OWNER_GO_HEAP], (16 + 65536) * KIB);
	assert_int_equal(note.bytes[OWNER_THREAD_STACKS], (64 + 262144) * KIB);
	assert_int_equal(note.bytes[OWNER_ANON], (128 + 131072) * KIB);
	assert_int_equal(note.bytes[OWNER_FILES], 256 * KIB);
	assert_int_equal(note.bytes[OWNER_LIBRARIES], (512 + 1024 + 2048 + 4096 + 524288) * KIB);
	assert_int_equal(note.bytes[OWNER_SHARED], (8192 + 16384) * KIB);
	assert_int_equal(note.bytes[OWNER_GO_RUNTIME], 32768 * KIB);
	assert_int_equal(note.rss, 1048575 * KIB);
	assert_int_equal(sum_of(&note), note.rss);
	assert_int_equal(note.shmem, (8192 + 16384) * KIB);
	assert_int_equal(note.anon + note.file + note.shmem, note.rss);
	/* Ranges lie in order, and hold what is in RAM. */
	for (size_t i = 0; i < note.n_ranges; i++) {
		assert_true(note.ranges[i].end > note.ranges[i].start);
		assert_true(!i || note.ranges[i].start >= note.ranges[i - 1].end);
	}
	ownership_free(&o);
}

/* Where the heap's arenas cannot be read, they are where it begins. */
static void test_heap_by_hint(void **state)
{
	static const struct {
		enum go_arch arch;
		uint64_t start;
	} cases[] = {{GO_ARCH_AMD64, 0xc000000000},
		     {GO_ARCH_ARM64, 0x4000000000},
		     {GO_ARCH_LOONG64, 0x4000000000}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct ownership_process process = {.arch = cases[i].arch};
		struct ownership o = {0};
		struct note_owners note;
		char text[512] = "";

		add_text(text, cases[i].start, MIB, "rw-p", 0, "", 4);
		add_text(text, 0x7f0000000000, MIB, "rw-p", 0, "", 8);
		read_text(&o, &process, text, &note);
		assert_int_equal(note.bytes[OWNER_GO_HEAP], 4 * KIB);
		assert_int_equal(note.bytes[OWNER_ANON], 8 * KIB);
		ownership_free(&o);
	}
}

/* What malloc maps for one block is known by the header in front of it. */
static void test_malloc_chunks(void **state)
{
	struct ownership_process process = {0};
	uint64_t *page =
		mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct memory *memory;
	struct ownership o = {0};
	struct note_owners note;
	char text[512] = "";

	(void)state;
	assert_true(page != MAP_FAILED);
	assert_null(memory_open(getpid(), &memory));
	process.memory = memory;
	add_text(text, (uintptr_t)page, 4 * MIB, "rw-p", 0, "", 4096);
	read_text(&o, &process, text, &note);
	assert_int_equal(note.bytes[OWNER_ANON], 4 * MIB);
	/* Two of them; what is known of a mapping stays until it is another one. */
	page[1] = 3 * MIB | 2;
	page[3 * MIB / 8 + 1] = MIB | 2;
	read_text(&o, &process, text, &note);
	assert_int_equal(note.bytes[OWNER_ANON], 4 * MIB);
	ownership_free(&o);
	read_text(&o, &process, text, &note);
	assert_int_equal(note.bytes[OWNER_C_HEAP], 4 * MIB);
	ownership_free(&o);
	page[1] = 5 * MIB | 2; /* larger than the mapping */
	read_text(&o, &process, text, &note);
	assert_int_equal(note.bytes[OWNER_ANON], 4 * MIB);
	ownership_free(&o);
	memory_close(memory);
	munmap(page, 4 * MIB);
}

/* A piece that begins and ends as an arena of malloc's would: its header tells. */
static void test_arena_header(void **state)
{
	struct ownership_process process = {.arch = GO_ARCH_AMD64};
	uint8_t *area = mmap(NULL, 128 * MIB, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t start = ((uintptr_t)area | (64 * MIB - 1)) + 1, header = start + 48;
	uint8_t *first = area + (start - (uintptr_t)area);
	struct memory *memory;

	(void)state;
	assert_ptr_not_equal(area, MAP_FAILED);
	assert_null(memory_open(getpid(), &memory));
	process.memory = memory;
	for (int is_arena = 0; is_arena < 2; is_arena++) {
		struct ownership o = {0};
		struct note_owners note;
		char text[1000] = "";

		first[0] = 1;
		if (is_arena)
			memcpy(first, &header, sizeof(header));
		add_text(text, start, 64 * MIB, "rw-p", 0, "", 4096);
		read_text(&o, &process, text, &note);
		assert_int_equal(note.bytes[is_arena ? OWNER_C_HEAP : OWNER_ANON], 4096 * KIB);
		ownership_free(&o);
	}
	memory_close(memory);
	munmap(area, 128 * MIB);
}

/* Any number of mappings makes a note that fits, with the largest ranges. */
static void test_many(void **state)
{
	enum { MANY = 20000 };
	struct ownership_process process = {0};
	char *text = xmalloc((size_t)MANY * 128);
	struct ownership o = {0};
	struct note_owners note;
	size_t len = 0;

	(void)state;
	for (int k = 0; k < 2; k++) {
		/* Apart from one another; then adjoining, all but one of them small. */
		for (uint64_t i = 0; i < MANY; i++) {
			text[len] = '\0';
			add_text(text + len, 0x7f0000000000 + i * (k ? 4096 : 8192), 4096,
				 i % 2 ? "rw-p" : "r--p", 0, "", i == 777 ? 40 : 4);
			len += strlen(text + len);
		}
		read_text(&o, &process, text, &note);
		assert_int_equal(note.mappings, MANY);
		assert_int_equal(note.rss, (MANY * 4 + 36) * KIB);
		assert_int_equal(sum_of(&note), note.rss);
		assert_int_equal(note.n_ranges, k ? 1 : NOTE_OWNERS_MAX_RANGES);
		for (size_t i = 0; !k && i < note.n_ranges; i++)
			assert_true(!i || note.ranges[i].start >= note.ranges[i - 1].end);
		len = 0;
	}
	ownership_free(&o);
	free(text);
}

/* Among very many small mappings a large one, most of which was never touched, stays by itself. */
static void test_sparse(void **state)
{
	enum { MANY = 3000 };
	struct ownership_process process = {0};
	char *text = xmalloc((size_t)MANY * 128);
	struct ownership o = {0};
	struct note_owners note;
	uint64_t at = 0x7f0000000000;
	size_t len = 0;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		uint64_t size = i == 1000 ? 64 * MIB : 4 * KIB;

		text[len] = '\0';
		add_text(text + len, at, size, i % 2 ? "rw-p" : "r--p", 0, "", 4);
		len += strlen(text + len);
		at += size;
	}
	read_text(&o, &process, text, &note);
	assert_int_equal(note.n_ranges, 3);
	assert_int_equal(note.ranges[0].rss, 4000 * KIB);
	assert_int_equal(note.ranges[1].rss, 4 * KIB);
	assert_int_equal(note.ranges[1].end - note.ranges[1].start, 64 * MIB);
	assert_int_equal(note.ranges[2].rss, (MANY - 1001) * 4 * KIB);
	ownership_free(&o);
	free(text);
}

#define PRESENT ((uint64_t)1 << 63)

/* Stretches of pages and the gaps between them; a small gap is none. */
static void test_split(void **state)
{
	uint64_t entries[100] = {0};
	struct presence_run runs[8];

	(void)state;
	for (size_t i = 30; i < 60; i++)
		entries[i] = PRESENT | i;
	entries[45] = entries[46] = 0;
	assert_int_equal(presence_split(entries, 100, 0x10000, 4096, runs, 8), 3);
	assert_int_equal(runs[0].start, 0x10000);
	assert_int_equal(runs[0].end, 0x10000 + 30 * 4096);
	assert_int_equal(runs[0].present, 0);
	assert_int_equal(runs[1].end, 0x10000 + 60 * 4096);
	assert_int_equal(runs[1].present, 28);
	assert_int_equal(runs[2].start, runs[1].end);
	assert_int_equal(runs[2].end, 0x10000 + 100 * 4096);
	assert_int_equal(runs[2].present, 0);
	assert_int_equal(presence_split(entries, 100, 0x10000, 4096, runs, 2), 0);
	/* None and all are one stretch. */
	assert_int_equal(presence_split(entries, 30, 0x10000, 4096, runs, 8), 1);
	assert_int_equal(runs[0].present, 0);
	assert_int_equal(presence_split(entries + 30, 15, 0x10000, 4096, runs, 8), 1);
	assert_int_equal(runs[0].present, 15);
	assert_int_equal(presence_split(entries, 0, 0x10000, 4096, runs, 8), 0);
}

/* Memory of this process: a mapping of which the middle was touched becomes three ranges. */
static void test_looked_into(void **state)
{
	static struct ownership o;
	struct presence presence;
	struct ownership_process process = {.presence = &presence};
	struct note_owners note;
	char text[1000] = "", *memory;
	uint64_t at;

	(void)state;
	memory = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	madvise(memory, 4 * MIB, MADV_NOHUGEPAGE);
	for (size_t i = MIB; i < 2 * MIB; i += 4096)
		memory[i] = 1;
	at = (uintptr_t)memory;
	add_text(text, at, 4 * MIB, "rw-p", 0, "", 1024);
	/* Too small to be worth it. */
	add_text(text, at + 8 * MIB, 128 * KIB, "rw-p", 0, "", 64);
	presence_open(&presence, getpid());
	if (presence.fd < 0)
		skip();
	read_text(&o, &process, text, &note);
	presence_close(&presence);
	assert_int_equal(note.mappings, 2);
	assert_int_equal(note.n_ranges, 4);
	assert_int_equal(sum_of(&note), (1024 + 64) * KIB);
	assert_int_equal(note.ranges[0].rss, 0);
	assert_int_equal(note.ranges[1].start, at + MIB);
	assert_int_equal(note.ranges[1].end, at + 2 * MIB);
	assert_int_equal(note.ranges[1].rss, MIB);
	assert_int_equal(note.ranges[2].rss, 0);
	assert_int_equal(note.ranges[2].end, at + 4 * MIB);
	ownership_free(&o);
	munmap(memory, 4 * MIB);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),	      cmocka_unit_test(test_heap_by_hint),
		cmocka_unit_test(test_malloc_chunks), cmocka_unit_test(test_arena_header),
		cmocka_unit_test(test_many),	      cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_split),	      cmocka_unit_test(test_looked_into),
	};

	return cmocka_run_group_tests_name("ownership", tests, NULL, NULL);
}
