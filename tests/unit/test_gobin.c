#include "common/gobin.h"

#include "common/go_layout.h"
#include "common/gobin_internal.h"
#include "formats/xalloc.h"
#include "tests/unit/go_elf.h"
#include "tests/unit/random.h"

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

static struct gobin *open_elf(struct go_elf *elf)
{
	struct elf_file *file;
	struct gobin *bin;

	go_elf_make(elf);
	assert_null(elf_file_from_memory("image", elf->file.data, elf->file.len, &file));
	assert_null(gobin_from_elf(file, &bin));
	return bin;
}

static void close_elf(struct gobin *bin, struct go_elf *elf)
{
	gobin_close(bin);
	buffer_free(&elf->file);
}

static void test_version_and_ids(void **state)
{
	static const struct {
		enum pclntab_format format;
		const char *version;
		int minor, patch;
		bool certain;
	} cases[] = {
		{PCLNTAB_1_2, "go1.15.15", 15, 15, true},
		{PCLNTAB_1_16, "go1.16", 16, 0, true},
		{PCLNTAB_1_18, "go1.18.3", 18, 3, true},
		{PCLNTAB_1_20, "go1.26.1-X:nogreenteagc", 26, 1, true},
		{PCLNTAB_1_20, "devel +1234 Mon", 20, -1, false},
		/* Nothing says it: the oldest that writes such a table. */
		{PCLNTAB_1_2, NULL, 15, -1, false},
		{PCLNTAB_1_16, NULL, 16, -1, false},
		{PCLNTAB_1_18, NULL, 18, -1, false},
		{PCLNTAB_1_20, NULL, 20, -1, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct go_elf elf = {.format = cases[i].format, .version = cases[i].version};
		struct gobin *bin = open_elf(&elf);
		const struct go_version *version = gobin_version(bin);
		uint8_t id[20];

		assert_int_equal(version->minor, cases[i].minor);
		assert_int_equal(version->patch, cases[i].patch);
		assert_int_equal(version->certain, cases[i].certain);
		assert_string_equal(version->text, cases[i].version ? cases[i].version : "");
		assert_string_equal(version->source,
				    cases[i].version ? ".go.buildinfo" : "pclntab");
		assert_string_equal(gobin_modinfo(bin), cases[i].version
								? "\tpath\tcommand-line-arguments\n"
								  "\tbuild\tCGO_ENABLED=0"
								: "");
		assert_string_equal(gobin_go_build_id(bin), "ab/cd/ef/gh");
		assert_int_equal(gobin_gnu_build_id(bin, id), 20);
		assert_memory_equal(id, "abcdefghijklmnopqrst", 20);
		assert_int_equal(gobin_arch(bin), GO_ARCH_AMD64);
		assert_false(gobin_layout(bin)->from_dwarf);
		close_elf(bin, &elf);
	}
}

static void test_functions(void **state)
{
	(void)state;
	for (int format = 0; format < 4; format++) {
		struct go_elf elf = {.format = (enum pclntab_format)format};
		struct gobin *bin = open_elf(&elf);
		struct symtab_frame frames[4];
		struct gobin_function fn;

		assert_int_equal(gobin_function_count(bin), IMAGE_FUNCS);
		assert_true(gobin_function(bin, "main.main", &fn));
		assert_int_equal(fn.address, IMAGE_TEXT);
		assert_int_equal(fn.size, 0x40);
		/* Of two of a name the larger one: the other is a wrapper. */
		assert_true(gobin_function(bin, "pkg.twice", &fn));
		assert_int_equal(fn.address, IMAGE_TEXT + 0x60);
		assert_false(gobin_function(bin, "main.mai", &fn));
		assert_false(gobin_function(bin, "", &fn));
		assert_true(gobin_function_at(bin, IMAGE_TEXT + 0x9f, &fn));
		assert_string_equal(fn.name, "pkg.twice");
		assert_false(gobin_function_at(bin, IMAGE_TEXT + 0x420, &fn));
		gobin_function_nth(bin, IMAGE_FUNCS - 1, &fn);
		assert_int_equal(fn.size, 0x20);
		assert_int_equal(gobin_frames(bin, IMAGE_TEXT + 0x18, frames, 4), 3);
		assert_string_equal(frames[0].function, "main.deep");
		assert_string_equal(frames[2].file, "/src/main.go");
		/* Text that is not in the table, and no symbols either. */
		assert_int_equal(gobin_frames(bin, IMAGE_TEXT + 0x420, frames, 4), 0);
		assert_int_equal(gobin_frames(bin, IMAGE_BASE, frames, 4), 0);
		close_elf(bin, &elf);
	}
}

static void test_addresses(void **state)
{
	struct go_elf elf = {.format = PCLNTAB_1_20, .version = "go1.22.1", .symbols = true};
	struct gobin *bin = open_elf(&elf);
	uint64_t address, size, offset;

	(void)state;
	assert_false(gobin_is_stripped(bin));
	assert_false(gobin_is_pie(bin));
	assert_true(gobin_data_symbol(bin, "runtime.counter", &address, &size));
	assert_int_equal(address, elf.counter);
	assert_int_equal(size, 4);
	/* A function is no data. */
	assert_false(gobin_data_symbol(bin, "main.main", &address, &size));
	assert_false(gobin_data_symbol(bin, "runtime.count", &address, NULL));
	assert_true(gobin_file_offset(bin, IMAGE_TEXT + 0x10, &offset));
	assert_int_equal(offset, ELF_TEXT_OFFSET + 0x10);
	/* .bss has the offset that it would have. */
	assert_true(gobin_file_offset(bin, elf.counter, &offset));
	assert_int_equal(offset, ELF_DATA_OFFSET + (elf.counter - IMAGE_BASE));
	assert_false(gobin_file_offset(bin, 0x1000, &offset));
	assert_false(gobin_file_offset(bin, UINT64_MAX, &offset));
	assert_non_null(gobin_bytes(bin, IMAGE_TEXT, ELF_TEXT_SIZE));
	assert_null(gobin_bytes(bin, IMAGE_TEXT, ELF_TEXT_SIZE + 1));
	assert_null(gobin_bytes(bin, elf.counter, 4));
	assert_null(gobin_bytes(bin, IMAGE_TEXT, SIZE_MAX));
	close_elf(bin, &elf);
}

static void test_load_bias(void **state)
{
	struct go_elf elf = {.format = PCLNTAB_1_20, .version = "go1.22.1"};
	struct go_elf pie = {.format = PCLNTAB_1_20, .version = "go1.22.1", .pie = true};
	struct gobin *bin = open_elf(&elf);

	(void)state;
	assert_int_equal(gobin_load_bias(bin, IMAGE_TEXT, ELF_TEXT_OFFSET), 0);
	close_elf(bin, &elf);
	bin = open_elf(&pie);
	assert_true(gobin_is_pie(bin));
	assert_int_equal(gobin_load_bias(bin, 0x7f0000000000 + IMAGE_TEXT, ELF_TEXT_OFFSET),
			 0x7f0000000000);
	/* A mapping that begins on an earlier page than the segment, as with large pages. */
	assert_int_equal(gobin_load_bias(bin, 0x7f0000000000 + IMAGE_TEXT - 0x1000, 0),
			 0x7f0000000000);
	close_elf(bin, &pie);
}

static void test_heap_profiling(void **state)
{
	static const struct {
		enum pclntab_format format;
		const char *version;
		enum heap_profiling want;
	} cases[] = {
		/* None of them has a reader of the profile. */
		{PCLNTAB_1_2, "go1.15", HEAP_PROFILING_LINKED},
		{PCLNTAB_1_16, "go1.16.15", HEAP_PROFILING_LINKED},
		{PCLNTAB_1_16, "go1.17", HEAP_PROFILING_DISABLED},
		{PCLNTAB_1_20, "go1.27.1", HEAP_PROFILING_DISABLED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct go_elf elf = {.format = cases[i].format, .version = cases[i].version};
		struct gobin *bin = open_elf(&elf);

		assert_int_equal(gobin_heap_profiling(bin), cases[i].want);
		close_elf(bin, &elf);
	}
}

static void test_too_old(void **state)
{
	struct go_elf elf = {.format = PCLNTAB_1_2, .version = "go1.14.15"};
	struct elf_file *file;
	struct gobin *bin;
	struct error *err;

	(void)state;
	go_elf_make(&elf);
	assert_null(elf_file_from_memory("image", elf.file.data, elf.file.len, &file));
	err = gobin_from_elf(file, &bin);
	assert_non_null(err);
	assert_null(bin);
	assert_string_equal(error_message(err), "image: built with go1.14.15");
	assert_non_null(error_remedy_text(err));
	error_free(err);
	buffer_free(&elf.file);
}

static void use_everything(struct gobin *bin)
{
	struct symtab_frame frames[16];
	struct gobin_function fn;
	uint64_t value;

	for (size_t i = 0; i < gobin_function_count(bin) && i < 50; i++) {
		gobin_function_nth(bin, i, &fn);
		gobin_function(bin, fn.name, &fn);
	}
	for (uint64_t at = 0; at < 0x440; at += 7)
		gobin_frames(bin, IMAGE_TEXT + at, frames, 16);
	gobin_data_symbol(bin, "runtime.counter", &value, NULL);
	gobin_heap_profiling(bin);
	gobin_layout(bin);
	gobin_load_bias(bin, 0x1000, 0x1000);
}

/* Any damage gives an error or fewer answers. */
static void test_damaged(void **state)
{
	struct random random = {7};
	size_t opened = 0;

	(void)state;
	for (int round = 0; round < 4000; round++) {
		struct go_elf elf = {
			.format = (enum pclntab_format)(round % 4),
			.version = round % 8 < 4 ? "go1.22" : NULL,
			.symbols = round % 16 < 8,
		};
		struct elf_file *file;
		struct gobin *bin;
		struct error *err;

		go_elf_make(&elf);
		for (int n = 0; n < 1 + round % 5; n++) {
			uint64_t v = random_u64(&random);
			/* Mostly where there is something to damage. */
			size_t at = v % (n % 2 ? elf.file.len : 0x200);

			elf.file.data[at] = (uint8_t)(v >> 40);
		}
		if (round % 3 == 0)
			elf.file.len -= random_u64(&random) % elf.file.len;
		err = elf_file_from_memory("image", elf.file.data, elf.file.len, &file);
		if (!err)
			err = gobin_from_elf(file, &bin);
		if (err) {
			error_free(err);
		} else {
			opened++;
			use_everything(bin);
			gobin_close(bin);
		}
		buffer_free(&elf.file);
	}
	assert_in_range(opened, 100, 3900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_parse), cmocka_unit_test(test_layout_table),
		cmocka_unit_test(test_refusals),      cmocka_unit_test(test_version_and_ids),
		cmocka_unit_test(test_functions),     cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_load_bias),     cmocka_unit_test(test_heap_profiling),
		cmocka_unit_test(test_too_old),	      cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
