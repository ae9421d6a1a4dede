#include "analyze/snapshot_ring.h"

/* Counts of a damaged trace may be anything; they wrap. */
static int64_t wrapping(int64_t a, int64_t sign, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)sign * (uint64_t)b);
}

static void count(struct snapshot_count *to, int64_t objects, uint64_t size)
{
	to->objects = wrapping(to->objects, 1, objects);
	to->bytes = wrapping(to->bytes, objects, (int64_t)size);
}

static void count_all(struct snapshot_count *to, const struct snapshot_count *from, int64_t sign)
{
	to->objects = wrapping(to->objects, sign, from->objects);
	to->bytes = wrapping(to->bytes, sign, from->bytes);
}

/* The slot of a cycle; NULL where the cycle is older than those kept. */
static struct slot *ring_slot(struct ring *ring, int64_t cycle)
{
	struct slot *slot = &ring->slots[(uint64_t)cycle % RING];

	if (cycle < slot->cycle)
		return NULL;
	if (cycle > slot->cycle) {
		count_all(&ring->base, &slot->born, 1);
		count_all(&ring->base, &slot->died, -1);
		*slot = (struct slot){.cycle = cycle};
	}
	return slot;
}

void ring_base(struct ring *ring, int64_t objects, uint64_t size)
{
	count(&ring->base, objects, size);
}

void ring_birth(struct ring *ring, int64_t cycle, int64_t objects, uint64_t size)
{
	struct slot *slot = ring_slot(ring, cycle);

	count(slot ? &slot->born : &ring->base, objects, size);
}

void ring_death(struct ring *ring, int64_t cycle, int64_t objects, uint64_t size)
{
	struct slot *slot = ring_slot(ring, cycle);

	if (slot)
		count(&slot->died, objects, size);
	else
		count(&ring->base, wrapping(0, -1, objects), size);
}

void ring_add(struct ring *to, const struct ring *from, int64_t sign)
{
	count_all(&to->base, &from->base, sign);
	for (size_t i = 0; i < RING; i++) {
		struct slot *slot = ring_slot(to, from->slots[i].cycle);

		count_all(slot ? &slot->born : &to->base, &from->slots[i].born, sign);
		count_all(slot ? &slot->died : &to->base, &from->slots[i].died,
			  slot ? sign : -sign);
	}
}

struct snapshot_count ring_state(const struct ring *ring, int64_t k)
{
	struct snapshot_count sum = {0};

	if (!ring)
		return sum;
	sum = ring->base;
	for (size_t i = 0; i < RING; i++) {
		if (ring->slots[i].cycle < k)
			count_all(&sum, &ring->slots[i].born, 1);
		if (ring->slots[i].cycle <= k)
			count_all(&sum, &ring->slots[i].died, -1);
	}
	return sum;
}
