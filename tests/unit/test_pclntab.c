#include "common/pclntab.h"

#include "formats/xalloc.h"
#include "tests/unit/go_image.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FORMATS 4

/* The table of an image, with what moduledata would say. */
static struct elf_file *open_image(const struct image *im, struct pclntab *table)
{
	struct elf_file *file = elf_file_flat(im->data.data, im->data.len, IMAGE_BASE);

	assert_true(pclntab_read(file, im->pclntab, table));
	if (im->format >= PCLNTAB_1_18) {
		table->text = IMAGE_TEXT;
		table->gofunc = IMAGE_BASE;
	}
	return file;
}

static void close_image(struct image *im, struct elf_file *file, struct pclntab *table)
{
	pclntab_free(table);
	elf_file_close(file);
	buffer_free(&im->data);
}

struct want {
	const char *function, *file;
	uint32_t line, start_line;
};

static void assert_frames(const struct pclntab *table, uint32_t offset, const struct want *want,
			  size_t n_want)
{
	struct symtab_frame frames[8];
	size_t n = pclntab_frames(table, IMAGE_TEXT + offset, frames, 8);

	assert_int_equal(n, n_want);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(frames[i].function, want[i].function);
		assert_string_equal(frames[i].file, want[i].file);
		assert_int_equal(frames[i].line, want[i].line);
		assert_int_equal(frames[i].start_line,
				 table->format >= PCLNTAB_1_20 ? want[i].start_line : 0);
	}
}

static void test_functions(void **state)
{
	static const uint32_t offsets[] = {0, 0x40, 0x60, 0xa0, 0x400, 0x420};
	static const char *const names[] = {"main.main", "pkg.twice", "pkg.twice", "pkg.long",
					    "runtime.etext.pad"};

	(void)state;
	for (int format = 0; format < FORMATS; format++) {
		struct image im;
		struct pclntab table;
		struct elf_file *file;
		size_t at;

		image_make((enum pclntab_format)format, true, &im);
		file = open_image(&im, &table);
		assert_int_equal(table.format, format);
		assert_int_equal(table.count, IMAGE_FUNCS);
		for (size_t i = 0; i < IMAGE_FUNCS; i++) {
			assert_int_equal(pclntab_entry(&table, i), IMAGE_TEXT + offsets[i]);
			assert_string_equal(pclntab_name(&table, i), names[i]);
			for (uint64_t pc = offsets[i]; pc < offsets[i + 1]; pc++) {
				assert_true(pclntab_lookup(&table, IMAGE_TEXT + pc, &at));
				assert_int_equal(at, i);
			}
		}
		assert_false(pclntab_lookup(&table, IMAGE_TEXT - 1, &at));
		assert_false(pclntab_lookup(&table, IMAGE_TEXT + 0x420, &at));
		assert_false(pclntab_lookup(&table, 0, &at));
		assert_false(pclntab_lookup(&table, UINT64_MAX, &at));
		close_image(&im, file, &table);
	}
}

static void test_frames(void **state)
{
	static const struct want entry[] = {{"main.main", "/src/main.go", 10, 9}};
	static const struct want call[] = {{"main.main", "/src/main.go", 11, 9}};
	static const struct want callee[] = {{"main.callee", "/src/b.go", 20, 19},
					     {"main.main", "/src/main.go", 11, 9}};
	static const struct want deep_call[] = {{"main.callee", "/src/b.go", 21, 19},
						{"main.main", "/src/main.go", 11, 9}};
	static const struct want deep[] = {{"main.deep", "/src/c.go", 30, 29},
					   {"main.callee", "/src/b.go", 21, 19},
					   {"main.main", "/src/main.go", 11, 9}};
	static const struct want after[] = {{"main.main", "/src/main.go", 12, 9}};
	static const struct want far[] = {{"pkg.long", "/src/d.go", 1000, 999}};
	static const struct want farther[] = {{"pkg.long", "/src/d.go", 900, 999}};
	static const struct want bare[] = {{"runtime.etext.pad", "", 0, 0}};

	(void)state;
	for (int format = 0; format < FORMATS; format++) {
		struct symtab_frame frames[2];
		struct image im;
		struct pclntab table;
		struct elf_file *file;

		image_make((enum pclntab_format)format, true, &im);
		file = open_image(&im, &table);
		assert_frames(&table, 0, entry, 1);
		assert_frames(&table, 0x07, entry, 1);
		assert_frames(&table, 0x08, call, 1);
		assert_frames(&table, 0x10, callee, 2);
		assert_frames(&table, 0x13, callee, 2);
		assert_frames(&table, 0x14, deep_call, 2);
		assert_frames(&table, 0x18, deep, 3);
		assert_frames(&table, 0x1f, deep, 3);
		assert_frames(&table, 0x20, after, 1);
		assert_frames(&table, 0x3f, after, 1);
		assert_frames(&table, 0xff, far, 1);
		assert_frames(&table, 0x100, farther, 1);
		assert_frames(&table, 0x3ff, farther, 1);
		assert_frames(&table, 0x410, bare, 1);
		/* No more than there is room for, innermost first. */
		assert_int_equal(pclntab_frames(&table, IMAGE_TEXT + 0x18, frames, 2), 2);
		assert_string_equal(frames[1].function, "main.callee");
		assert_int_equal(pclntab_frames(&table, IMAGE_TEXT + 0x18, frames, 0), 0);
		close_image(&im, file, &table);
	}
}

static void test_find(void **state)
{
	(void)state;
	for (int format = 0; format < FORMATS; format++) {
		struct pclntab table;
		struct elf_file *file;
		struct image im;

		image_make((enum pclntab_format)format, false, &im);
		file = elf_file_flat(im.data.data, im.data.len, IMAGE_BASE);
		assert_true(pclntab_find(file, &table));
		assert_int_equal(table.address, im.pclntab);
		assert_int_equal(table.text, 0);
		assert_int_equal(table.count, IMAGE_FUNCS);
		elf_file_close(file);
		/* At an address that is not a multiple of 8 the linker puts none. */
		file = elf_file_flat(im.data.data, im.data.len, IMAGE_BASE + 4);
		assert_false(pclntab_find(file, &table));
		elf_file_close(file);
		buffer_free(&im.data);
	}
}

/* A table of many functions, all of the same _func, so that the index has something to do. */
static void test_index(void **state)
{
	enum { COUNT = 1000 };
	struct buffer b = {0};
	struct pclntab table;
	struct elf_file *file;
	size_t words, functab, at;

	(void)state;
	buffer_u32(&b, 0xfffffff1);
	buffer_u32(&b, 0x08010000);
	buffer_u64(&b, COUNT);
	buffer_u64(&b, 0);
	buffer_u64(&b, IMAGE_TEXT);
	words = b.len;
	for (int i = 0; i < 5; i++)
		buffer_u64(&b, 0);
	image_patch_u64(&b, words, b.len);
	image_string(&b, "same");
	buffer_align(&b, 8);
	functab = b.len;
	for (int i = 1; i < 5; i++)
		image_patch_u64(&b, words + (size_t)i * 8, functab);
	for (uint32_t i = 0; i <= COUNT; i++) {
		/* Of growing sizes: the i-th begins at the i-th triangular number. */
		buffer_u32(&b, i * (i + 1) / 2);
		buffer_u32(&b, (COUNT + 1) * 8 + i * 48);
	}
	for (uint32_t i = 0; i < COUNT; i++) {
		buffer_u32(&b, i * (i + 1) / 2);
		for (int k = 0; k < 11; k++)
			buffer_u32(&b, 0);
	}
	file = elf_file_flat(b.data, b.len, IMAGE_BASE);
	assert_true(pclntab_read(file, IMAGE_BASE, &table));
	pclntab_index(&table);
	assert_non_null(table.index);
	for (uint64_t pc = 0, i = 0; pc < (uint64_t)COUNT * (COUNT + 1) / 2; pc++) {
		while ((i + 1) * (i + 2) / 2 <= pc)
			i++;
		assert_true(pclntab_lookup(&table, IMAGE_TEXT + pc, &at));
		assert_int_equal(at, i);
	}
	pclntab_free(&table);
	/* Out of order: there is no index, and what is found is some function. */
	image_patch_u32(&b, functab + 500 * 8, 3);
	elf_file_close(file);
	file = elf_file_flat(b.data, b.len, IMAGE_BASE);
	if (pclntab_read(file, IMAGE_BASE, &table)) {
		pclntab_index(&table);
		assert_null(table.index);
		assert_true(pclntab_lookup(&table, IMAGE_TEXT + 5000, &at));
		pclntab_free(&table);
	}
	elf_file_close(file);
	buffer_free(&b);
}

/* The text in two stretches that lie apart: the second function has moved. */
static void test_split_text(void **state)
{
	static const struct want far[] = {{"pkg.long", "/src/d.go", 1000, 999}};
	struct pclntab table;
	struct elf_file *file;
	struct image im;
	size_t at;

	(void)state;
	image_make(PCLNTAB_1_20, false, &im);
	file = open_image(&im, &table);
	table.texts = xcalloc(2, sizeof(*table.texts));
	table.n_texts = 2;
	table.texts[0] = (struct pclntab_text){0, 0xa0, IMAGE_TEXT};
	table.texts[1] = (struct pclntab_text){0xa0, 0x420, IMAGE_TEXT + 0x10a0};
	assert_int_equal(pclntab_entry(&table, 2), IMAGE_TEXT + 0x60);
	assert_int_equal(pclntab_entry(&table, 3), IMAGE_TEXT + 0x10a0);
	assert_int_equal(pclntab_entry(&table, 5), IMAGE_TEXT + 0x1420);
	assert_true(pclntab_lookup(&table, IMAGE_TEXT + 0x10a0, &at));
	assert_int_equal(at, 3);
	assert_frames(&table, 0x10a0, far, 1);
	close_image(&im, file, &table);
}

/* Asks everything of whatever table there is, and looks at all that it answers. */
static size_t exercise(const struct elf_file *file, uint64_t address)
{
	struct symtab_frame frames[70];
	struct pclntab table;
	size_t sum = 0, i;

	if (!pclntab_read(file, address, &table))
		return 0;
	table.text = IMAGE_TEXT;
	table.gofunc = IMAGE_BASE;
	for (i = 0; i < table.count && i < 100; i++)
		sum += strlen(pclntab_name(&table, i));
	for (uint64_t pc = 0; pc < 0x430; pc += 3) {
		size_t n = pclntab_frames(&table, IMAGE_TEXT + pc, frames, 70);

		assert_true(n <= 70);
		for (size_t k = 0; k < n; k++)
			sum += strlen(frames[k].function) + strlen(frames[k].file) + frames[k].line;
	}
	pclntab_free(&table);
	return sum;
}

static void test_truncated(void **state)
{
	(void)state;
	for (int format = 0; format < FORMATS; format++) {
		struct image im;
		size_t whole;
		struct elf_file *file;

		image_make((enum pclntab_format)format, true, &im);
		file = elf_file_flat(im.data.data, im.data.len, IMAGE_BASE);
		whole = exercise(file, im.pclntab);
		assert_true(whole > 1000);
		elf_file_close(file);
		for (size_t len = 0; len < im.data.len; len++) {
			file = elf_file_flat(im.data.data, len, IMAGE_BASE);
			assert_true(exercise(file, im.pclntab) <= whole);
			elf_file_close(file);
		}
		buffer_free(&im.data);
	}
}

static void test_damaged(void **state)
{
	struct random random = {1};

	(void)state;
	for (int format = 0; format < FORMATS; format++) {
		struct image im;

		image_make((enum pclntab_format)format, true, &im);
		for (int round = 0; round < 3000; round++) {
			struct elf_file *file =
				elf_file_flat(im.data.data, im.data.len, IMAGE_BASE);
			int n = 1 + (int)(random_u64(&random) % 4);

			while (n--) {
				uint64_t v = random_u64(&random);
				size_t at = v % im.data.len;

				/* A byte of any value, or a word of extreme ones. */
				if (v >> 60 < 8 || at + 8 > im.data.len)
					file->data[at] = (uint8_t)(v >> 32);
				else
					memset(file->data + at, v >> 60 & 1 ? 0xff : 0x7f, 8);
			}
			exercise(file, im.pclntab);
			elf_file_close(file);
		}
		buffer_free(&im.data);
	}
}

/* An inlined call whose parent is itself would go on for ever. */
static void test_endless_inlining(void **state)
{
	(void)state;
	for (int format = 0; format < FORMATS; format++) {
		struct symtab_frame *frames = xcalloc(5000, sizeof(*frames));
		struct pclntab table;
		struct elf_file *file;
		struct image im;
		size_t n;

		image_make((enum pclntab_format)format, true, &im);
		/* parentPc of node 0 */
		image_patch_u32(&im.data, format >= PCLNTAB_1_20 ? 8 + 8 : 8 + 16, 0x10);
		file = open_image(&im, &table);
		n = pclntab_frames(&table, IMAGE_TEXT + 0x10, frames, 5000);
		assert_in_range(n, 2, 4999);
		assert_string_equal(frames[n - 1].function, "main.callee");
		free(frames);
		close_image(&im, file, &table);
	}
}

static void refuse(struct image *im, size_t at, uint64_t value, size_t size)
{
	struct pclntab table;
	struct elf_file *file = elf_file_flat(im->data.data, im->data.len, IMAGE_BASE);

	memcpy(file->data + (im->pclntab - IMAGE_BASE) + at, &value, size);
	assert_false(pclntab_read(file, im->pclntab, &table));
	elf_file_close(file);
}

static void test_refused(void **state)
{
	(void)state;
	for (int format = 0; format < FORMATS; format++) {
		size_t words = format >= PCLNTAB_1_18 ? 32 : 24;
		struct image im;

		image_make((enum pclntab_format)format, true, &im);
		refuse(&im, 0, 0xfffffff2, 4); /* not a magic */
		refuse(&im, 4, 1, 1);
		refuse(&im, 6, 3, 1); /* quantum */
		refuse(&im, 7, 4, 1); /* 32-bit */
		refuse(&im, 8, 0, 8);
		refuse(&im, 8, UINT64_MAX, 8);
		refuse(&im, 8, UINT64_MAX / 16, 8);
		refuse(&im, 8, UINT64_C(1) << 61, 8);
		for (size_t i = 0; format != PCLNTAB_1_2 && i < 5; i++) {
			refuse(&im, words + i * 8, UINT64_MAX, 8);
			refuse(&im, words + i * 8, im.data.len + 1, 8);
		}
		buffer_free(&im.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions),  cmocka_unit_test(test_frames),
		cmocka_unit_test(test_find),	   cmocka_unit_test(test_index),
		cmocka_unit_test(test_split_text), cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_damaged),	   cmocka_unit_test(test_endless_inlining),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
