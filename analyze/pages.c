#include "analyze/pages.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* 512 GiB of touched memory, if each has one touched page. */
#define MAX_BLOCKS   ((size_t)1 << 18)
#define DEFAULT_SIZE 12
/*
 * Faults of so many different pages are no work of huge pages: one brings in the 512 pages around
 * it, and where that was the page of zeros, for a read, a second one does so for a write.
 */
#define TELLING_PAGES 3
/* More than an address space has: no object is so large. */
#define MAX_LENGTH ((uint64_t)1 << 47)

static unsigned shift_of(const struct pages *pages)
{
	return pages->shift ? pages->shift : DEFAULT_SIZE;
}

static uint64_t block_size(const struct pages *pages)
{
	return (uint64_t)PAGES_IN_BLOCK << shift_of(pages);
}

static unsigned count_touched(const struct pages_block *block)
{
	unsigned n = 0;

	for (size_t i = 0; i < PAGES_IN_BLOCK / 64; i++)
		n += (unsigned)__builtin_popcountll(block->touched[i]);
	return n;
}

static bool may_be_huge(const struct pages_block *block)
{
	unsigned n = count_touched(block);

	return n && n < TELLING_PAGES;
}

static struct pages_block *block_at(struct pages *pages, uint64_t number)
{
	uint64_t *at = map_find(&pages->blocks, number);
	bool fresh;

	if (at)
		return &pages->items[*at];
	if (pages->n >= MAX_BLOCKS) {
		pages->is_full = true;
		return NULL;
	}
	xgrow(pages->items, pages->cap, pages->n + 1);
	pages->items[pages->n] = (struct pages_block){0};
	*map_put(&pages->blocks, number, &fresh) = pages->n;
	return &pages->items[pages->n++];
}

bool pages_touch(struct pages *pages, uint64_t address)
{
	uint64_t page = address >> shift_of(pages), bit = (uint64_t)1 << page % 64;
	struct pages_block *block = block_at(pages, page / PAGES_IN_BLOCK);
	uint64_t *word;

	if (!block)
		return true;
	word = &block->touched[page % PAGES_IN_BLOCK / 64];
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}

/* Takes the pages from `first` on, up to `last`, out of a block. */
static void clear_part(struct pages_block *block, unsigned first, unsigned last)
{
	if (first == 0 && last == PAGES_IN_BLOCK) {
		*block = (struct pages_block){0};
		return;
	}
	/* Of a huge page the rest stays, of which few pages have ever faulted. */
	if (may_be_huge(block))
		block->is_blurred = true;
	for (unsigned i = first; i < last; i++)
		block->touched[i / 64] &= ~((uint64_t)1 << i % 64);
}

static void clear_block(struct pages *pages, uint64_t number, size_t index, struct range range)
{
	uint64_t size = block_size(pages), start = number * size;
	unsigned shift = shift_of(pages);
	uint64_t from = range.start > start ? range.start - start : 0;
	uint64_t to = range.end - start < size ? range.end - start : size;

	clear_part(&pages->items[index], (unsigned)(from >> shift),
		   (unsigned)((to + ((uint64_t)1 << shift) - 1) >> shift));
}

static void clear(struct pages *pages, struct range range)
{
	uint64_t size = block_size(pages), first = range.start / size;
	uint64_t last, number, index, *at;
	size_t position = 0;

	if (range.start >= range.end)
		return;
	last = (range.end - 1) / size;
	if (last - first <= map_count(&pages->blocks)) {
		for (number = first; number <= last; number++) {
			at = map_find(&pages->blocks, number);
			if (at)
				clear_block(pages, number, *at, range);
		}
		return;
	}
	while (map_next(&pages->blocks, &position, &number, &index))
		if (number >= first && number <= last)
			clear_block(pages, number, index, range);
}

void pages_mapped(struct pages *pages, struct range range, bool is_empty)
{
	clear(pages, range);
	if (is_empty)
		ranges_add(&pages->known, range);
	else
		ranges_remove(&pages->known, range);
}

void pages_released(struct pages *pages, struct range range)
{
	pages_mapped(pages, range, true);
}

void pages_unmapped(struct pages *pages, struct range range)
{
	pages_mapped(pages, range, false);
}

void pages_forget(struct pages *pages, struct range range)
{
	ranges_remove(&pages->known, range);
}

/* The end of the page or block that an address is in, or of the range where that is first. */
static uint64_t end_of(uint64_t address, uint64_t size, uint64_t range_end)
{
	uint64_t last = address | (size - 1);

	return last < range_end ? last + 1 : range_end;
}

/* Bytes of a range within one block whose pages were not touched. */
static uint64_t untouched_in(const struct pages *pages, const struct pages_block *block,
			     struct range range)
{
	unsigned shift = shift_of(pages);
	uint64_t page_size = (uint64_t)1 << shift, bytes = 0, end;

	if (block->is_blurred || may_be_huge(block))
		return 0;
	for (uint64_t at = range.start; at < range.end; at = end) {
		uint64_t page = at >> shift;

		end = end_of(at, page_size, range.end);
		if (!(block->touched[page % PAGES_IN_BLOCK / 64] >> page % 64 & 1))
			bytes += end - at;
	}
	return bytes;
}

bool pages_untouched(const struct pages *pages, struct range range, uint64_t *bytes)
{
	uint64_t size = block_size(pages), end;

	*bytes = 0;
	if (pages->is_full || range.end <= range.start || range.end - range.start > MAX_LENGTH ||
	    !ranges_hold(&pages->known, range))
		return false;
	for (uint64_t at = range.start; at < range.end; at = end) {
		uint64_t *index = map_find(&pages->blocks, at / size);

		end = end_of(at, size, range.end);
		*bytes +=
			index ? untouched_in(pages, &pages->items[*index], (struct range){at, end})
			      : end - at;
	}
	return true;
}

uint64_t pages_resident(const struct pages *pages)
{
	uint64_t n = 0;

	for (size_t i = 0; i < pages->n; i++)
		n += count_touched(&pages->items[i]);
	return n << shift_of(pages);
}

void pages_free(struct pages *pages)
{
	ranges_free(&pages->known);
	map_free(&pages->blocks);
	free(pages->items);
	*pages = (struct pages){0};
}
