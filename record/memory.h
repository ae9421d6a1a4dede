#ifndef GMT_RECORD_MEMORY_H
#define GMT_RECORD_MEMORY_H

/*
 * The memory of the target, read from outside without stopping it. Optionally kept readable for a
 * moment after the process has ended, so that the last state of its tables can be taken.
 */

#include "formats/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct memory;

/* Opens the memory of a process. Errors name the privilege that is missing. */
struct error *memory_open(pid_t pid, struct memory **memory);

/* Reads exactly len bytes; false where any of them cannot be read. */
bool memory_read(const struct memory *memory, uint64_t address, void *buf, size_t len);
bool memory_u64(const struct memory *memory, uint64_t address, uint64_t *value);
bool memory_u32(const struct memory *memory, uint64_t address, uint32_t *value);

/* One piece of a gathered read. */
struct memory_piece {
	uint64_t address;
	void *buf;
	size_t len;
};

/* Reads many pieces with few system calls; false where any cannot be read. */
bool memory_read_pieces(const struct memory *memory, const struct memory_piece *pieces, size_t n);

/* The same where some may be missing: ok[i] says of each piece whether it was read. */
void memory_read_each(const struct memory *memory, const struct memory_piece *pieces, size_t n,
		      bool *ok);

/*
 * Keeps the address space readable after the process ends, until memory_close. `readable` is an
 * address in it that can be read now. A thread of ours starts a read of it which a userfaultfd
 * suspends: the kernel holds the address space for the length of a read. Nothing of the target is
 * touched; where userfaultfd is not permitted it returns an error and the memory goes with the
 * process.
 */
struct error *memory_hold(struct memory *memory, uint64_t readable);

/*
 * The process executes another program: from now on that program's memory is read, and kept as the
 * former was. Where it cannot be opened it stays as it is.
 */
void memory_reopen(struct memory *memory);

/* Lets a held address space go. */
void memory_release(struct memory *memory);

void memory_close(struct memory *memory);

#endif
