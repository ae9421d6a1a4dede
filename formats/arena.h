#ifndef GMT_FORMATS_ARENA_H
#define GMT_FORMATS_ARENA_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Many small allocations that are freed together. Zero-initialise, and set `limit` where the
 * amount depends on input that is not trusted; arena_free frees everything.
 */
struct arena {
	struct arena_chunk *chunks;
	size_t used, cap; /* in the newest chunk */
	size_t total;	  /* bytes handed out */
	size_t limit;	  /* of total; 0: none */
};

/* Aligned to 16, uninitialised. NULL only where the limit would be passed. */
void *arena_try(struct arena *arena, size_t size);
/* Zeroed n * size bytes; aborts where n * size overflows. For arenas without a limit. */
void *arena_zalloc(struct arena *arena, size_t n, size_t size);
char *arena_strndup(struct arena *arena, const char *text, size_t n);
/* The same for text that will be shown: control characters become '?'. */
char *arena_strndup_printable(struct arena *arena, const char *text, size_t n);
void arena_free(struct arena *arena);

#endif
