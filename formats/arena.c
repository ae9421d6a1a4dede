#include "formats/arena.h"

#include "formats/xalloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)256 << 10)
#define ALIGN ((size_t)16)

struct arena_chunk {
	struct arena_chunk *next;
	_Alignas(16) uint8_t data[];
};

void *arena_try(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk;
	void *at;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = size ? (size + ALIGN - 1) & ~(ALIGN - 1) : ALIGN;
	if (arena->limit && size > arena->limit - arena->total)
		return NULL;
	if (!arena->chunks || size > arena->cap - arena->used) {
		arena->cap = size > CHUNK / 4 ? size : CHUNK;
		chunk = xmalloc(sizeof(*chunk) + arena->cap);
		chunk->next = arena->chunks;
		arena->chunks = chunk;
		arena->used = 0;
	}
	at = arena->chunks->data + arena->used;
	arena->used += size;
	arena->total += size;
	return at;
}

void *arena_zalloc(struct arena *arena, size_t n, size_t size)
{
	size_t bytes;
	void *at;

	if (__builtin_mul_overflow(n, size, &bytes) || !(at = arena_try(arena, bytes)))
		abort();
	return memset(at, 0, bytes);
}

char *arena_strndup(struct arena *arena, const char *text, size_t n)
{
	char *copy = arena_zalloc(arena, n + 1, 1);

	return memcpy(copy, text, n);
}

char *arena_strndup_printable(struct arena *arena, const char *text, size_t n)
{
	char *copy = arena_strndup(arena, text, n);

	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)copy[i] < ' ' || copy[i] == 0x7f)
			copy[i] = '?';
	}
	return copy;
}

void arena_free(struct arena *arena)
{
	while (arena->chunks) {
		struct arena_chunk *next = arena->chunks->next;

		free(arena->chunks);
		arena->chunks = next;
	}
	*arena = (struct arena){.limit = arena->limit};
}
