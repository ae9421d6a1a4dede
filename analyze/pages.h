#ifndef GMT_ANALYZE_PAGES_H
#define GMT_ANALYZE_PAGES_H

#include "analyze/ranges.h"
#include "common/map.h"

/*
 * Which pages of a process were touched, by its page faults, and which are known not to have been.
 *
 * A page is touched when it faults. Memory is known from the moment on when it was mapped, or given
 * back, while its faults were recorded. A fault can bring in more than its page: a transparent huge
 * page fills 512 of them at once. Within the 512 around it one or two lone faults therefore speak
 * for all; where more of the pages have faulted none of them was huge, and each speaks for itself.
 *
 * Memory grows with the number of touched stretches of 512 pages, up to a bound.
 */
#define PAGES_IN_BLOCK 512

struct pages {
	unsigned shift;	     /* log2 of the page size; 0: 12 */
	struct ranges known; /* anonymous memory that was empty once, and whose faults are here */
	struct map blocks;   /* address of a block, in blocks -> index */
	struct pages_block {
		uint64_t touched[PAGES_IN_BLOCK / 64];
		bool is_blurred; /* part of what may have been a huge page was given back */
	} * items;
	size_t n, cap;
	bool is_full; /* more than can be kept: nothing is said to be untouched any more */
};

/* A fault at an address: whether it is the first one since the page was mapped. */
bool pages_touch(struct pages *pages, uint64_t address);
/* Memory was mapped there: empty, or with something in it (a file, MAP_POPULATE). */
void pages_mapped(struct pages *pages, struct range range, bool is_empty);
/* What was there is gone; the memory stays mapped and is empty. */
void pages_released(struct pages *pages, struct range range);
void pages_unmapped(struct pages *pages, struct range range);
/* What is there is not known any more. */
void pages_forget(struct pages *pages, struct range range);

/* How many bytes of a range were surely never touched; false where not all of it is known. */
bool pages_untouched(const struct pages *pages, struct range range, uint64_t *bytes);
/* Bytes of the pages that were touched and are mapped still. */
uint64_t pages_resident(const struct pages *pages);

void pages_free(struct pages *pages);

#endif
