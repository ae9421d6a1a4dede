#ifndef GMT_ANALYZE_OWNERS_H
#define GMT_ANALYZE_OWNERS_H

/*
 * Whose memory is at an address of a process, at the moment that tracking has reached: by the
 * recorder's last reading of the mappings, and by the system calls since. With both, also which
 * call mapped it.
 *
 *	struct owners_place place = owners_find(&life->owners, address);
 *
 * place.owner may be OWNER_ANON for memory that the Go runtime mapped for itself, where the kernel
 * has no names for it; that is seen by its stack once there are symbols (owners_is_runtime).
 */

#include "analyze/model.h"
#include "formats/note.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OWNERS_NO_STACK UINT32_MAX

/* What a system call mapped, by address, apart from one another. */
struct owners_call {
	uint64_t start, end;
	uint32_t stack;	  /* as the caller numbers stacks; OWNERS_NO_STACK */
	uint32_t reading; /* made after so many readings */
	enum memory_owner owner;
};

/* Zero-initialise; free with owners_free. */
struct owners {
	struct note_owner_range *ranges; /* of the last reading */
	size_t n_ranges, cap_ranges;
	uint32_t readings;
	struct owners_call *calls;
	size_t n_calls, cap_calls;
	uint64_t brk_start, brk_end;   /* as far as calls of brk tell */
	uint64_t heap_start, heap_end; /* of the Go heap's arenas in the reading; 0: none */
};

/* A mapping as it was asked for. */
struct owners_mapping {
	uint64_t start, end;
	uint32_t stack;
	bool is_file, is_shared;
};

void owners_reading(struct owners *owners, const struct note_owners *note);
void owners_mapped(struct owners *owners, const struct owners_mapping *mapping);
void owners_unmapped(struct owners *owners, uint64_t start, uint64_t end);
/* The end of the brk area is here now. */
void owners_brk(struct owners *owners, uint64_t end);

struct owners_place {
	enum memory_owner owner; /* OWNER_UNKNOWN: nothing is known of the address */
	uint32_t stack;		 /* of the call that mapped it; OWNERS_NO_STACK: not seen */
};

struct owners_place owners_find(const struct owners *owners, uint64_t address);

/*
 * How much of a reading's memory each mapping call stands for: calls share[] for every pair of a
 * range of ANON, FILES or SHARED memory and a stack, OWNERS_NO_STACK for what no call was seen of.
 * A range that several calls made is divided by their lengths.
 */
typedef void owners_share(void *context, enum memory_owner owner, uint32_t stack, double bytes);
void owners_divide(const struct owners *owners, owners_share *share, void *context);

void owners_free(struct owners *owners);

/* ---- Once there are symbols ---- */

/* Whether the Go runtime itself asked for a mapping: by the frames of the call's stack. False where
 * there are no symbols. */
bool owners_is_runtime(const struct model *model, uint32_t process, const uint64_t *pcs,
		       uint32_t n);

/* For people ("Go heap"), and for the JSON report ("go_heap"). */
const char *owner_name(enum memory_owner owner);
const char *owner_key(enum memory_owner owner);

#endif
