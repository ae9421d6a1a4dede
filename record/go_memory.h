#ifndef GMT_RECORD_GO_MEMORY_H
#define GMT_RECORD_GO_MEMORY_H

/* What the Go runtime of a process says of its memory, read from outside. */

#include "common/gobin.h"
#include "formats/note.h"
#include "record/memory.h"
#include "record/ownership.h"

struct go_memory;

/* load_bias: of the executable in the process. What cannot be located is left out. */
struct go_memory *go_memory_new(const struct gobin *bin, uint64_t load_bias,
				const struct memory *memory);

/* The figures now; all 0 where they cannot be read, or make no sense. */
void go_memory_read(struct go_memory *go, struct note_go_memory *figures);
/* The heap's arenas now, in order, joined where they adjoin: *n of them, 0 where not known. */
const struct ownership_range *go_memory_arenas(struct go_memory *go, size_t *n);
/* The memory limit that the runtime keeps to, 0: none; false where it cannot be read. */
bool go_memory_limit(const struct go_memory *go, uint64_t *limit);

void go_memory_free(struct go_memory *go);

#endif
