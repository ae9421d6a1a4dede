#ifndef GMT_ANALYZE_RANGES_H
#define GMT_ANALYZE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Stretches of address space, in order, apart from one another. Zero-initialise. */
struct ranges {
	struct range {
		uint64_t start, end;
	} * items;
	size_t n, cap;
};

/* Puts a range in; returns how many bytes of it were not there before. */
uint64_t ranges_add(struct ranges *ranges, struct range range);
/* Takes a range out; returns how many bytes of it were there. */
uint64_t ranges_remove(struct ranges *ranges, struct range gone);
/* Whether all of it is there. */
bool ranges_hold(const struct ranges *ranges, struct range range);
void ranges_free(struct ranges *ranges);

#endif
