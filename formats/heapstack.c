#include "formats/heapstack.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

bool heap_frame_is_runtime(const char *function)
{
	return begins(function, "runtime.") || begins(function, "internal/runtime/");
}

/* The name with everything from its first [ to its last ] as "[...]", and a NUL. */
static void add_function(XXH3_state_t *state, const char *name)
{
	const char *first = strchr(name, '['), *last = strrchr(name, ']');

	if (first && last && first < last) {
		XXH3_64bits_update(state, name, (size_t)(first - name));
		XXH3_64bits_update(state, "[...]", 5);
		name = last + 1;
	}
	XXH3_64bits_update(state, name, strlen(name) + 1);
}

uint64_t heap_stack_key(const struct heap_frame *frames, size_t n_frames)
{
	size_t first = 0;
	XXH3_state_t state;

	while (first < n_frames && heap_frame_is_runtime(frames[first].function))
		first++;
	if (first == n_frames)
		first = 0;
	XXH3_INITSTATE(&state);
	XXH3_64bits_reset(&state);
	for (size_t i = first; i < n_frames; i++) {
		if (!strcmp(frames[i].function, "runtime.goexit"))
			continue;
		add_function(&state, frames[i].function);
		XXH3_64bits_update(&state, &frames[i].line, sizeof(frames[i].line));
	}
	return XXH3_64bits_digest(&state);
}
