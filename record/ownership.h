#ifndef GMT_RECORD_OWNERSHIP_H
#define GMT_RECORD_OWNERSHIP_H

/*
 * Whose each mapping of a process is: by its path, by the name that the Go runtime gives it where
 * the kernel keeps such names (5.17 and later, CONFIG_ANON_VMA_NAME), by the addresses of the Go
 * heap, by its neighbours, and by the headers that malloc writes.
 */

#include "common/gobin.h"
#include "common/map.h"
#include "formats/note.h"
#include "formats/smaps.h"
#include "record/memory.h"
#include "record/presence.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ownership_range {
	uint64_t start, end;
};

/* What is known of the process. */
struct ownership_process {
	uint64_t exe_inode;
	enum go_arch arch;
	const struct ownership_range *arenas; /* of the Go heap, in order */
	size_t n_arenas;		      /* 0: not known */
	uint64_t stack_size;		      /* of a thread, by default */
	const struct memory *memory;	      /* NULL: malloc's headers are not looked at */
	struct presence *presence;	      /* NULL: mappings are not looked into */
};

/* A mapping, or the part of what is needed of it. */
struct ownership_piece {
	uint64_t start, end, rss, inode;
	enum memory_owner owner;
	bool accessible, writable, unnamed;
	bool part; /* of a mapping that was looked into */
};

/* Zero-initialise; free with ownership_free. May be used again for the next reading. */
struct ownership {
	struct ownership_process process;
	struct ownership_piece *pieces;
	size_t n_pieces, cap_pieces;
	struct map executable; /* inodes of files with executable mappings */
	struct map chunks;     /* start -> end of what malloc was seen to have mapped */
	size_t looks_left;     /* at headers, in this reading */
	struct note_owner_range *ranges;
	size_t cap_ranges;
	uint64_t rss, anon, shmem, swap;
	struct smaps smaps;
};

/* Begins a reading; `process` must stay while it lasts. */
void ownership_begin(struct ownership *ownership, const struct ownership_process *process);
/* Some more of /proc/PID/smaps. */
void ownership_feed(struct ownership *ownership, const char *text, size_t len);
/* Sums up. Fills all of note but pid, begin, end, statm and go; its ranges stay ownership's. */
void ownership_finish(struct ownership *ownership, struct note_owners *note);
void ownership_free(struct ownership *ownership);

#endif
