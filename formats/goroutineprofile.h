#ifndef GMT_FORMATS_GOROUTINEPROFILE_H
#define GMT_FORMATS_GOROUTINEPROFILE_H

/*
 * What goroutines there are, by their stacks: the goroutine and goroutineleak profiles of
 * runtime/pprof (/debug/pprof/goroutine), as profile.proto or as text (?debug=1).
 * Source: runtime/pprof/pprof.go, printCountProfile (Go 1.15 to 1.27).
 */

#include "formats/arena.h"
#include "formats/error.h"
#include "formats/heapprofile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct goroutine_stack {
	uint64_t count;
	struct heap_frame *frames; /* innermost first */
	size_t n_frames;
};

struct goroutine_profile {
	bool leaked;	    /* those only that the runtime found to wait for ever */
	int64_t time_nanos; /* wall clock; 0: the text form has none */
	uint64_t total;
	struct goroutine_stack *stacks; /* the most frequent first */
	size_t n_stacks, cap_stacks;
	struct arena arena; /* holds strings and inner arrays */
};

/* Reads either form, compressed or not. Errors: it is no such profile. */
struct error *goroutine_profile_parse(const void *data, size_t len,
				      struct goroutine_profile **profile);
struct error *goroutine_profile_read(const char *path, struct goroutine_profile **profile);
void goroutine_profile_free(struct goroutine_profile *profile);

#endif
