#ifndef GMT_RECORD_GOROUTINES_H
#define GMT_RECORD_GOROUTINES_H

/*
 * The goroutines that are there, read from outside: the runtime's list of all that it ever made
 * room for (runtime.allgs). A g is never freed or moved, only used again, so that one read of the
 * list and one gathered read of what it leads to tell of all.
 */

#include "common/gobin.h"
#include "formats/note.h"
#include "record/memory.h"

#include <stdbool.h>
#include <stdint.h>

struct goroutines;

struct goroutines_options {
	uint32_t pid;
	const struct memory *memory;
	const struct go_layout *layout;
	uint64_t list;	  /* address of runtime.allgs in the process */
	uint64_t reasons; /* of runtime.waitReasonStrings; 0: not known */
};

struct goroutines *goroutines_new(const struct goroutines_options *options);

/*
 * Reads all that live, dead ones left out, and gives them to on_part in parts. Where the list is
 * very long its end is left out. False where the list cannot be read: the process is gone, or it
 * is being made longer all the time. *left_out: places that were not read.
 */
bool goroutines_read(struct goroutines *goroutines, void *context,
		     void (*on_part)(void *context, const struct note_goroutines *part),
		     uint64_t *left_out);

void goroutines_free(struct goroutines *goroutines);

#endif
