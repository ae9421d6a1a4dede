#ifndef GMT_RECORD_PRESENCE_H
#define GMT_RECORD_PRESENCE_H

/*
 * Where within a mapping its pages are in RAM, from /proc/PID/pagemap. What several calls mapped
 * side by side is one mapping for the kernel: how much of it is in RAM does not say whose.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* In one reading: 1 GiB of 4 KiB pages, which takes some 10 ms. */
#define PRESENCE_MAX_PAGES ((size_t)1 << 18)

struct presence {
	int fd;		   /* -1: not to be had */
	uint64_t page;	   /* bytes */
	size_t pages_left; /* in this reading */
	uint64_t *entries; /* of the kernel, as read last */
};

/* A stretch with pages in RAM, or the gap between two. */
struct presence_run {
	uint64_t start, end;
	size_t present; /* pages; 0: a gap */
};

void presence_open(struct presence *presence, pid_t pid);
void presence_close(struct presence *presence);

/*
 * The stretches that a mapping is made of, into runs; how many. Gaps of fewer than 16 pages are no
 * gaps. 0: it cannot be read, there would be more than max, or the reading has used up its pages.
 */
size_t presence_runs(struct presence *presence, uint64_t start, uint64_t end,
		     struct presence_run *runs, size_t max);

/* The same by what the kernel says of n pages from start on. */
size_t presence_split(const uint64_t *entries, size_t n, uint64_t start, uint64_t page,
		      struct presence_run *runs, size_t max);

#endif
