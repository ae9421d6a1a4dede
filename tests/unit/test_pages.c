/* Which pages were touched, and what is surely not: by hand, and against a plain model of pages. */

#include "analyze/pages.h"

#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define BASE  0xc000000000u /* of a block of 2 MiB */
#define PAGE  4096u
#define BLOCK ((uint64_t)PAGES_IN_BLOCK * PAGE)

static struct range pages_at(uint64_t first, uint64_t n)
{
	return (struct range){BASE + first * PAGE, BASE + (first + n) * PAGE};
}

/* UINT64_MAX: not known. */
static uint64_t untouched(const struct pages *pages, struct range range)
{
	uint64_t bytes;

	return pages_untouched(pages, range, &bytes) ? bytes : UINT64_MAX;
}

static void touch(struct pages *pages, uint64_t page)
{
	pages_touch(pages, BASE + page * PAGE + 17);
}

static void test_first_touch(void **state)
{
	struct pages pages = {0};

	(void)state;
	assert_true(pages_touch(&pages, BASE + 5));
	assert_false(pages_touch(&pages, BASE + PAGE - 1));
	assert_true(pages_touch(&pages, BASE + PAGE));
	assert_int_equal(pages_resident(&pages), 2 * PAGE);
	/* What was unmapped, or given back, is touched anew. */
	pages_unmapped(&pages, pages_at(0, 1));
	assert_int_equal(pages_resident(&pages), PAGE);
	assert_true(pages_touch(&pages, BASE));
	pages_released(&pages, pages_at(0, 2));
	assert_true(pages_touch(&pages, BASE + PAGE));
	pages_free(&pages);
}

static void test_page_size(void **state)
{
	struct pages pages = {.shift = 16};

	(void)state;
	assert_true(pages_touch(&pages, 0x10000));
	assert_false(pages_touch(&pages, 0x1ffff));
	assert_true(pages_touch(&pages, 0x20000));
	assert_int_equal(pages_resident(&pages), 2 * 0x10000);
	pages_free(&pages);
}

static void test_untouched(void **state)
{
	struct pages pages = {0};

	(void)state;
	/* Nothing is known of what was there before. */
	assert_true(untouched(&pages, pages_at(0, 1)) == UINT64_MAX);
	pages_mapped(&pages, pages_at(0, 2048), true);
	assert_int_equal(untouched(&pages, pages_at(10, 600)), 600 * PAGE);
	assert_true(untouched(&pages, pages_at(2000, 49)) == UINT64_MAX);
	for (uint64_t i = 20; i < 30; i++)
		touch(&pages, i);
	/* Parts of pages count by their bytes. */
	assert_int_equal(
		untouched(&pages, (struct range){BASE + 19 * PAGE + 100, BASE + 31 * PAGE - 7}),
		PAGE - 100 + PAGE - 7);
	assert_int_equal(untouched(&pages, pages_at(20, 10)), 0);
	assert_int_equal(untouched(&pages, pages_at(510, 600)), 600 * PAGE);
	/* A file is not empty when it is mapped. */
	pages_mapped(&pages, pages_at(100, 50), false);
	assert_true(untouched(&pages, pages_at(90, 20)) == UINT64_MAX);
	assert_int_equal(untouched(&pages, pages_at(200, 20)), 20 * PAGE);
	pages_free(&pages);
}

static void test_huge_pages(void **state)
{
	struct pages pages = {0};

	(void)state;
	pages_mapped(&pages, pages_at(0, 2048), true);
	touch(&pages, 100);
	/* It may have been a huge page, for a read even two; the block beside it is another. */
	assert_int_equal(untouched(&pages, pages_at(0, 512)), 0);
	assert_int_equal(untouched(&pages, pages_at(512, 512)), BLOCK);
	touch(&pages, 200);
	assert_int_equal(untouched(&pages, pages_at(0, 512)), 0);
	touch(&pages, 300);
	assert_int_equal(untouched(&pages, pages_at(0, 512)), BLOCK - 3 * PAGE);
	/* Of a huge page the page that faulted was given back: the others are there still. */
	touch(&pages, 512);
	pages_released(&pages, pages_at(512, 1));
	assert_int_equal(untouched(&pages, pages_at(512, 512)), 0);
	for (uint64_t i = 520; i < 530; i++)
		touch(&pages, i);
	assert_int_equal(untouched(&pages, pages_at(512, 512)), 0);
	pages_released(&pages, pages_at(512, 512));
	assert_int_equal(untouched(&pages, pages_at(512, 512)), BLOCK);
	pages_free(&pages);
}

static void test_forget(void **state)
{
	struct pages pages = {0};

	(void)state;
	pages_mapped(&pages, pages_at(0, 512), true);
	pages_forget(&pages, pages_at(3, 1));
	assert_true(untouched(&pages, pages_at(0, 512)) == UINT64_MAX);
	assert_int_equal(untouched(&pages, pages_at(4, 5)), 5 * PAGE);
	pages_free(&pages);
}

/* Ranges as a file may have them: at the ends of the address space, and all of it. */
static void test_extremes(void **state)
{
	struct pages pages = {0};
	uint64_t bytes;

	(void)state;
	pages_touch(&pages, UINT64_MAX);
	pages_touch(&pages, 0);
	pages_mapped(&pages, (struct range){0, UINT64_MAX}, true);
	assert_int_equal(pages_resident(&pages), 0);
	assert_false(pages_untouched(&pages, (struct range){0, UINT64_MAX}, &bytes));
	assert_false(pages_untouched(&pages, (struct range){5, 5}, &bytes));
	assert_true(pages_untouched(&pages, (struct range){UINT64_MAX - 10, UINT64_MAX}, &bytes));
	assert_int_equal(bytes, 10);
	pages_free(&pages);
}

/*
 * The kernel's side, page by page, with huge pages where it pleases: what is said to be untouched
 * must not be in RAM.
 */
enum { MODEL_PAGES = 4 * PAGES_IN_BLOCK };

struct model {
	bool resident[MODEL_PAGES];
};

/* A program's access: the page, or all of its block, comes in with one fault. */
static void model_access(struct model *model, struct pages *pages, uint64_t page, bool is_huge)
{
	uint64_t block = page / PAGES_IN_BLOCK * PAGES_IN_BLOCK;

	if (model->resident[page])
		return;
	touch(pages, page);
	/* As the kernel has it: only where nothing of the block is there. */
	for (uint64_t i = 0; i < PAGES_IN_BLOCK; i++)
		is_huge &= !model->resident[block + i];
	if (is_huge)
		memset(model->resident + block, true, PAGES_IN_BLOCK);
	model->resident[page] = true;
}

static void test_model(void **state)
{
	static struct model model;
	struct pages pages = {0};
	struct random random = {7};
	uint64_t said = 0;

	(void)state;
	pages_mapped(&pages, pages_at(0, MODEL_PAGES), true);
	for (int step = 0; step < 20000; step++) {
		uint64_t page = random_u64(&random) % MODEL_PAGES;
		uint64_t n = 1 + random_u64(&random) % 700, bytes, really = 0;

		if (page + n > MODEL_PAGES)
			n = MODEL_PAGES - page;
		switch (random_u64(&random) % 16) {
		case 0:
			pages_released(&pages, pages_at(page, n));
			memset(model.resident + page, false, n);
			break;
		case 1:
			model_access(&model, &pages, page, true);
			break;
		default:
			model_access(&model, &pages, page, false);
		}
		assert_true(pages_untouched(&pages, pages_at(page, n), &bytes));
		for (uint64_t i = page; i < page + n; i++)
			really += model.resident[i] ? 0 : PAGE;
		if (bytes > really)
			fail_msg("step %d: %lu of %lu bytes are said to be untouched", step, bytes,
				 really);
		said += bytes;
	}
	assert_true(said > 0);
	pages_free(&pages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_touch), cmocka_unit_test(test_page_size),
		cmocka_unit_test(test_untouched),   cmocka_unit_test(test_huge_pages),
		cmocka_unit_test(test_forget),	    cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
