#include "analyze/track_state.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* Distinct call stacks, and distinct sites, that are told apart; the rest is one site. */
#define MAX_STACKS ((size_t)1 << 18)
#define MAX_SITES  ((size_t)1 << 16)
/* Faults that wait for an owner, of one process. */
#define MAX_UNOWNED ((size_t)1 << 16)
#define MAX_OTHERS  256u
#define FIRST_WIDTH 1000000 /* ns: of a slot of time, before any are merged */

/* ---- Other events ----------------------------------------------------------------------- */

static size_t find_other(struct model *model, const char *name)
{
	for (size_t i = 0; i < model->n_others; i++)
		if (!strcmp(model->others[i].name, name))
			return i;
	if (model->n_others >= MAX_OTHERS)
		return MAX_OTHERS;
	xgrow(model->others, model->cap_others, model->n_others + 1);
	model->others[model->n_others] = (struct other_event){.name = xstrdup(name)};
	return model->n_others++;
}

void track_other(struct track *track, const struct event *event)
{
	struct other_event *other;

	/* The decoder gives the same pointer for the same event, as long as it reads one file. */
	if (event->name != track->other_name) {
		track->other = find_other(track->model, event->name);
		track->other_name = event->name;
	}
	if (track->other >= track->model->n_others)
		return;
	other = &track->model->others[track->other];
	other->count++;
	if (event->time && (!other->first || event->time < other->first))
		other->first = event->time;
	if (event->time > other->last)
		other->last = event->time;
}

/* ---- Where faults are counted ----------------------------------------------------------- */

static struct fault_account *account_of(struct track *track, struct life *life, uint64_t time)
{
	struct model *model = track->model;

	if (life->faults == NONE) {
		xgrow(model->faults, model->cap_faults, model->n_faults + 1);
		model->faults[model->n_faults] = (struct fault_account){
			.process = life->process,
			.page_size = (uint32_t)1 << life->pages.shift,
			.base = time,
			.width = FIRST_WIDTH,
		};
		life->faults = (uint32_t)model->n_faults++;
	}
	return &model->faults[life->faults];
}

static uint32_t site_of(struct track *track, uint32_t process, enum memory_owner owner,
			uint32_t stack)
{
	struct model *model = track->model;
	uint64_t key, *at;
	bool fresh;

	if (stack != NONE && model->n_fault_sites >= MAX_SITES)
		stack = NONE;
	key = track_pair(stack, process << 4 | (uint32_t)owner);
	at = map_put(&track->fault_site_of, key, &fresh);
	if (fresh) {
		xgrow(model->fault_sites, model->cap_fault_sites, model->n_fault_sites + 1);
		model->fault_sites[model->n_fault_sites] = (struct fault_site){
			.process = process,
			.stack = stack,
			.owner = owner,
		};
		*at = model->n_fault_sites++;
	}
	return (uint32_t)*at;
}

/* Twice as long slots, half as many. */
static void merge_slots(struct fault_account *account)
{
	for (size_t i = 0; i < MODEL_FAULT_SLOTS / 2; i++)
		for (size_t o = 0; o < OWNER_COUNT; o++)
			account->slots[i][o] =
				account->slots[2 * i][o] + account->slots[2 * i + 1][o];
	memset(account->slots[MODEL_FAULT_SLOTS / 2], 0,
	       MODEL_FAULT_SLOTS / 2 * sizeof(*account->slots));
	account->n_slots = (account->n_slots + 1) / 2;
	account->width *= 2;
}

static uint64_t *slot_at(struct fault_account *account, uint64_t time)
{
	uint64_t slot = 0;

	if (!account->slots)
		account->slots = xcalloc(MODEL_FAULT_SLOTS, sizeof(*account->slots));
	if (time > account->base) {
		while ((time - account->base) / account->width >= MODEL_FAULT_SLOTS)
			merge_slots(account);
		slot = (time - account->base) / account->width;
	}
	if (slot >= account->n_slots)
		account->n_slots = slot + 1;
	return account->slots[slot];
}

static void add_tally(struct fault_tally *to, const struct fault_tally *from)
{
	to->faults += from->faults;
	to->major += from->major;
	to->first_bytes += from->first_bytes;
}

/* ---- Whose memory it is ----------------------------------------------------------------- */

static enum memory_owner owner_of(struct track *track, const struct life *life, uint64_t address)
{
	struct owners_place place = owners_find(&life->owners, address);

	if (place.owner == OWNER_ANON && place.stack != OWNERS_NO_STACK &&
	    track_runtime_made(track, life, place.stack))
		return OWNER_GO_RUNTIME;
	return place.owner;
}

static void wait_for_owner(struct life *life, const struct event *event, uint32_t site,
			   const struct fault_tally *tally)
{
	if (life->n_unowned >= MAX_UNOWNED)
		return;
	xgrow(life->unowned, life->cap_unowned, life->n_unowned + 1);
	life->unowned[life->n_unowned++] = (struct unowned_fault){
		.address = event->fault.address,
		.time = event->time,
		.site = site,
		.tally = *tally,
	};
}

static void take_tally(struct fault_tally *from, const struct fault_tally *tally)
{
	from->faults -= tally->faults;
	from->major -= tally->major;
	from->first_bytes -= tally->first_bytes;
}

static void move_to_owner(struct track *track, struct life *life, const struct unowned_fault *fault,
			  enum memory_owner owner)
{
	struct model *model = track->model;
	struct fault_account *account = &model->faults[life->faults];
	uint64_t *slot = slot_at(account, fault->time);
	enum memory_owner before = model->fault_sites[fault->site].owner;
	uint32_t to = site_of(track, life->process, owner, model->fault_sites[fault->site].stack);

	take_tally(&model->fault_sites[fault->site].tally, &fault->tally);
	take_tally(&account->owners[before], &fault->tally);
	slot[before] -= fault->tally.first_bytes;
	add_tally(&model->fault_sites[to].tally, &fault->tally);
	add_tally(&account->owners[owner], &fault->tally);
	slot[owner] += fault->tally.first_bytes;
}

/*
 * Whether a reading of the mappings may tell more: of memory that nothing is known of, and of what
 * the runtime has mapped, which may be for the heap.
 */
static bool is_provisional(enum memory_owner owner)
{
	return owner == OWNER_UNKNOWN || owner == OWNER_ANON || owner == OWNER_GO_RUNTIME;
}

void track_find_owners(struct track *track, struct life *life)
{
	size_t left = 0;

	for (size_t i = 0; i < life->n_unowned; i++) {
		struct unowned_fault fault = life->unowned[i];
		enum memory_owner owner = owner_of(track, life, fault.address);

		if (owner == OWNER_UNKNOWN)
			life->unowned[left++] = fault;
		else if (owner != track->model->fault_sites[fault.site].owner)
			move_to_owner(track, life, &fault, owner);
	}
	life->n_unowned = left;
}

/* ---- Faults ----------------------------------------------------------------------------- */

/* log2 of the page size, which is one of those that processors have. */
static unsigned page_shift(uint32_t page_size)
{
	for (unsigned shift = 12; shift <= 16; shift++)
		if (page_size == 1u << shift)
			return shift;
	return 12;
}

void track_fault(struct track *track, const struct event *event)
{
	struct life *life = track_life(track, event->pid, event->time);
	uint32_t site, stack = NONE;
	struct fault_tally tally = {.faults = event->fault.weight};
	struct fault_account *account;
	enum memory_owner owner;

	if (life->faults == NONE)
		life->pages.shift = page_shift(event->fault.page_size);
	account = account_of(track, life, event->time);
	if (event->fault.is_major)
		tally.major = tally.faults;
	/* Where a fault stands for several, its page does not stand for theirs. */
	if (tally.faults > 1)
		account->is_sampled = life->pages.is_full = true;
	if (pages_touch(&life->pages, event->fault.address))
		tally.first_bytes = tally.faults << life->pages.shift;
	if (event->n_stack && stackset_count(&track->stacks) < MAX_STACKS)
		stack = stackset_intern(&track->stacks, event->stack, event->n_stack);
	owner = owner_of(track, life, event->fault.address);
	site = site_of(track, life->process, owner, stack);
	add_tally(&account->total, &tally);
	add_tally(&account->owners[owner], &tally);
	add_tally(&track->model->fault_sites[site].tally, &tally);
	slot_at(account, event->time)[owner] += tally.first_bytes;
	if (is_provisional(owner))
		wait_for_owner(life, event, site, &tally);
}

void track_object_pages(const struct life *life, struct site *site, uint64_t address, uint64_t size,
			double est_bytes)
{
	uint64_t bytes;

	/* Without faults in the trace nothing would be touched. */
	if (life->faults == NONE || !size || address > UINT64_MAX - size ||
	    !pages_untouched(&life->pages, (struct range){address, address + size}, &bytes))
		return;
	site->paged_objects++;
	site->paged_est_bytes += est_bytes;
	site->untouched_objects += bytes == size;
	site->untouched_est_bytes += est_bytes * ((double)bytes / (double)size);
}

/* ---- The end ---------------------------------------------------------------------------- */

void track_finish_faults(struct track *track, struct life *life)
{
	if (life->faults != NONE) {
		track_find_owners(track, life);
		track->model->faults[life->faults].resident_bytes = pages_resident(&life->pages);
	}
	free(life->unowned);
	life->unowned = NULL;
	life->n_unowned = life->cap_unowned = 0;
}

static int by_first_touch(const void *a, const void *b)
{
	const struct fault_site *left = a, *right = b;

	if (left->tally.first_bytes != right->tally.first_bytes)
		return left->tally.first_bytes > right->tally.first_bytes ? -1 : 1;
	if (left->tally.faults != right->tally.faults)
		return left->tally.faults > right->tally.faults ? -1 : 1;
	if (left->process != right->process)
		return left->process > right->process ? 1 : -1;
	if (left->owner != right->owner)
		return left->owner > right->owner ? 1 : -1;
	return (left->stack > right->stack) - (left->stack < right->stack);
}

void track_order_faults(struct track *track)
{
	struct model *model = track->model;
	size_t n = 0;

	/* Those that all went to another owner are empty. */
	for (size_t i = 0; i < model->n_fault_sites; i++)
		if (model->fault_sites[i].tally.faults)
			model->fault_sites[n++] = model->fault_sites[i];
	model->n_fault_sites = n;
	if (n)
		qsort(model->fault_sites, n, sizeof(*model->fault_sites), by_first_touch);
}
