#include "analyze/ranges.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* Linux's own limit is 65,530 (vm.max_map_count): what is above it was not seen to go. */
#define MAX_RANGES ((size_t)1 << 18)

/* The first range that ends behind address. */
static size_t first_behind(const struct ranges *ranges, uint64_t address)
{
	size_t low = 0, high = ranges->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->items[middle].end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Replaces n ranges from `at` on by up to two. */
static void splice(struct ranges *ranges, size_t at, size_t n, const struct range *by, size_t n_by)
{
	size_t rest = ranges->n - at - n;

	xgrow(ranges->items, ranges->cap, ranges->n + n_by);
	memmove(&ranges->items[at + n_by], &ranges->items[at + n], rest * sizeof(*ranges->items));
	memcpy(&ranges->items[at], by, n_by * sizeof(*by));
	ranges->n = at + n_by + rest;
}

uint64_t ranges_remove(struct ranges *ranges, struct range gone)
{
	size_t at = first_behind(ranges, gone.start), n = 0, n_left = 0;
	struct range left[2];
	uint64_t removed = 0;

	for (; at + n < ranges->n && ranges->items[at + n].start < gone.end; n++) {
		struct range range = ranges->items[at + n];

		if (range.start < gone.start)
			left[n_left++] = (struct range){range.start, gone.start};
		if (range.end > gone.end)
			left[n_left++] = (struct range){gone.end, range.end};
		removed += (range.end < gone.end ? range.end : gone.end) -
			   (range.start > gone.start ? range.start : gone.start);
	}
	if (n)
		splice(ranges, at, n, left, n_left);
	return removed;
}

uint64_t ranges_add(struct ranges *ranges, struct range range)
{
	uint64_t added = range.end - range.start - ranges_remove(ranges, range);
	size_t at, n = 0;

	if (ranges->n >= MAX_RANGES)
		return added;
	/* Neighbours that touch become one. */
	at = first_behind(ranges, range.start);
	if (at && ranges->items[at - 1].end == range.start) {
		range.start = ranges->items[--at].start;
		n++;
	}
	if (at + n < ranges->n && ranges->items[at + n].start == range.end)
		range.end = ranges->items[at + n++].end;
	splice(ranges, at, n, &range, 1);
	return added;
}

bool ranges_hold(const struct ranges *ranges, struct range range)
{
	size_t at = first_behind(ranges, range.start);

	return at < ranges->n && ranges->items[at].start <= range.start &&
	       ranges->items[at].end >= range.end;
}

void ranges_free(struct ranges *ranges)
{
	free(ranges->items);
	*ranges = (struct ranges){0};
}
