#include "record/presence.h"

#include "formats/xalloc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Documentation/admin-guide/mm/pagemap.rst */
#define PRESENT ((uint64_t)1 << 63)
/* Pages between two stretches that make a gap. */
#define GAP 16

void presence_open(struct presence *presence, pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	*presence = (struct presence){
		.fd = open(path, O_RDONLY | O_CLOEXEC),
		.page = (uint64_t)sysconf(_SC_PAGESIZE),
		.pages_left = PRESENCE_MAX_PAGES,
	};
}

void presence_close(struct presence *presence)
{
	if (presence->fd >= 0)
		close(presence->fd);
	free(presence->entries);
	*presence = (struct presence){.fd = -1};
}

static bool add_run(struct presence_run *runs, size_t *n, size_t max, struct presence_run run)
{
	if (run.start >= run.end)
		return true;
	if (*n == max)
		return false;
	runs[(*n)++] = run;
	return true;
}

size_t presence_split(const uint64_t *entries, size_t n, uint64_t start, uint64_t page,
		      struct presence_run *runs, size_t max)
{
	struct presence_run run = {.start = start, .end = start};
	size_t n_runs = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t at = start + i * page;

		if (!(entries[i] & PRESENT))
			continue;
		if (at - run.end >= GAP * page) {
			if (!add_run(runs, &n_runs, max, run) ||
			    !add_run(runs, &n_runs, max, (struct presence_run){run.end, at, 0}))
				return 0;
			run = (struct presence_run){.start = at};
		}
		run.end = at + page;
		run.present++;
	}
	if (start + n * page - run.end < GAP * page)
		run.end = start + n * page;
	if (!add_run(runs, &n_runs, max, run) ||
	    !add_run(runs, &n_runs, max, (struct presence_run){run.end, start + n * page, 0}))
		return 0;
	return n_runs;
}

size_t presence_runs(struct presence *presence, uint64_t start, uint64_t end,
		     struct presence_run *runs, size_t max)
{
	uint64_t n = (end - start) / presence->page;
	size_t bytes = n * sizeof(*presence->entries);

	if (presence->fd < 0 || !n || n > presence->pages_left)
		return 0;
	presence->pages_left -= n;
	if (!presence->entries)
		presence->entries = xcalloc(PRESENCE_MAX_PAGES, sizeof(*presence->entries));
	if (pread(presence->fd, presence->entries, bytes,
		  (off_t)(start / presence->page * sizeof(*presence->entries))) != (ssize_t)bytes)
		return 0;
	return presence_split(presence->entries, n, start, presence->page, runs, max);
}
