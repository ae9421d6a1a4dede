#ifndef GMT_RECORD_NATIVE_H
#define GMT_RECORD_NATIVE_H

/*
 * The C side of a target: the allocator that serves its malloc, and the probes on it.
 *
 * An allocation is seen when it returns (a uretprobe): there its address is known, and with glibc
 * its size as well, from the header before it. That is the usable size, as malloc_usable_size has
 * it, and costs one event. Of other allocators a second event, at the entry, brings the size that
 * was asked for. The allocator's functions run on the system stack and never call back into Go, so
 * that nothing looks at the return address that a uretprobe replaces.
 */

#include "common/elf_file.h"
#include "record/plan.h"
#include "record/target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NATIVE_MAX_EVERY 256

/* A file that may bring the allocator: the program itself or a library that it maps. */
struct native_file {
	char *path; /* as the target sees it */
	int fd;
	struct elf_file *elf;
};

struct native_files {
	struct native_file *list; /* the program first, libraries in the order of symbol look-up
				     where that is known */
	size_t n, cap;
};

struct native_options {
	uint64_t every;	   /* one allocation of so many, a power of two; 0 and 1: all */
	uint64_t min_size; /* smallest allocation, usable bytes */
};

struct native {
	struct native_file file; /* the allocator's */
	char *ref;		 /* a path by which the kernel finds it */
	bool has_headers;	 /* glibc's chunks: sizes without an event at the entry, thinning */
	uint64_t every, min_size;
	uint64_t whole_from; /* chunks of this size and above are never thinned out; 0: none */
	struct plan plan;
};

/*
 * The files of a running process, or what the loader would map for a command. Files that cannot be
 * opened are left out.
 */
void native_files_find(const struct target *target, struct native_files *files);
void native_files_free(struct native_files *files);

/* The file whose malloc the program calls; NULL: none has one. */
struct native_file *native_files_allocator(const struct native_files *files);

/* A function's address and size by its exact name; in_symtab: also one that is not exported. */
bool native_function(const struct elf_file *elf, const char *name, bool in_symtab,
		     uint64_t *address, uint64_t *size);

/*
 * Finds the allocator of a target and plans its probes. Errors: it has none, or of an unknown
 * architecture; with the remedy.
 */
struct error *native_plan(const struct target *target, const struct native_options *options,
			  struct native **native);
void native_free(struct native *native);

/* The event filter that keeps one pointer of 2^bits in field "p"; to be freed. bits >= 1. */
char *native_sample_filter(unsigned bits);

#endif
