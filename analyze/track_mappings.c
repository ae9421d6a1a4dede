#include "analyze/track_objects.h"
#include "formats/xalloc.h"

#include <string.h>

/* Linux's own limit is 65,530 (vm.max_map_count): what is above it was not seen to go. */
#define MAX_PIECES ((size_t)1 << 18)

/* The first piece that ends behind address. */
static size_t first_behind(const struct life *life, uint64_t address)
{
	size_t low = 0, high = life->n_pieces;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (life->pieces[middle].end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Replaces n pieces from `at` on by others, at most one more. */
static void splice(struct life *life, size_t at, size_t n, const struct map_piece *by, size_t n_by)
{
	size_t rest = life->n_pieces - at - n;

	xgrow(life->pieces, life->cap_pieces, life->n_pieces + n_by);
	memmove(&life->pieces[at + n_by], &life->pieces[at + n], rest * sizeof(*life->pieces));
	if (n_by)
		memcpy(&life->pieces[at], by, n_by * sizeof(*by));
	life->n_pieces = at + n_by + rest;
}

static struct timed_object *mapping(struct life *life, uint64_t key)
{
	uint64_t *at = map_find(&life->timed.alive[SITE_MAPPING], key);

	return at ? &life->timed.items[*at] : NULL;
}

static void take(struct track *track, struct life *life, uint64_t key, uint64_t bytes,
		 uint64_t time)
{
	struct timed_object *object = mapping(life, key);

	if (!object)
		return;
	if (bytes >= object->bytes)
		track_object_died(track, life, SITE_MAPPING, key, 0, time);
	else
		track_object_shrunk(track, life, SITE_MAPPING, key, object->bytes - bytes, time);
}

void track_mapping_gone(struct track *track, struct life *life, struct range range, uint64_t time)
{
	size_t at = first_behind(life, range.start), n = 0, n_left = 0;
	struct map_piece left[2];

	for (; at + n < life->n_pieces && life->pieces[at + n].start < range.end; n++) {
		struct map_piece piece = life->pieces[at + n];
		uint64_t from = piece.start > range.start ? piece.start : range.start;
		uint64_t to = piece.end < range.end ? piece.end : range.end;

		if (piece.start < range.start)
			left[n_left++] = (struct map_piece){piece.start, range.start, piece.key};
		if (piece.end > range.end)
			left[n_left++] = (struct map_piece){range.end, piece.end, piece.key};
		take(track, life, piece.key, to - from, time);
	}
	if (n)
		splice(life, at, n, left, n_left);
}

void track_mapping_made(struct track *track, struct life *life, struct range range, uint32_t stack,
			uint64_t time)
{
	struct map_piece piece = {range.start, range.end, life->last_mapping + 1};

	if (life->n_pieces >= MAX_PIECES)
		return;
	life->last_mapping = piece.key;
	splice(life, first_behind(life, range.start), 0, &piece, 1);
	track_object_born(
		track, life,
		&(struct object_birth){
			.kind = SITE_MAPPING,
			.key = piece.key,
			.stack = stack != NONE ? stack : stackset_intern(&track->stacks, NULL, 0),
			.bytes = range.end - range.start,
			.time = time,
		});
}
