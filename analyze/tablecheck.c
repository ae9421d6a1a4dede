#include "analyze/tablecheck.h"

#include "common/map.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* Events are kept until the next reading is known to lie behind them; at most so many. */
#define RECENT_MAX ((size_t)1 << 20)

enum { BIRTHS, DEATHS, KINDS };

/* The events of a bucket that a reading holds for certain, and those that it may hold. */
struct held {
	uint64_t least, most;
};

struct slot {
	uint64_t address;
	uint32_t process;
	uint64_t events[KINDS]; /* so far */
	uint64_t table[KINDS];	/* as read last */
	uint64_t base[KINDS];	/* as read first */
	struct held base_held[KINDS];
	struct held later[KINDS]; /* scratch: events not in `least`, not in `most` */
};

struct recent {
	uint64_t time;
	uint32_t slot;
	uint32_t kind;
};

struct check_process {
	struct map slots; /* address -> slot */
	bool has_base, base_stable;
	bool broken; /* a part is missing: what later readings leave out is not known */
	bool started;
	uint32_t reading, next_part;
	uint32_t readings;
	/* The reading that is complete, but waits for the last events it may hold */
	bool waiting, usable, stable;
	uint64_t begin, end;
	uint64_t base_begin;
	struct table_check result;
	bool result_stable;
};

struct tablecheck {
	struct check_process *processes;
	size_t n_processes, cap_processes;
	struct slot *slots;
	size_t n_slots, cap_slots;
	struct recent *recent; /* a ring */
	size_t n_recent, cap_recent, next_recent;
	uint64_t forgotten; /* the newest time that fell out of the ring */
	uint64_t next_due;  /* the earliest time at which a waiting reading may be judged */
};

struct tablecheck *tablecheck_new(void)
{
	struct tablecheck *check = xcalloc(1, sizeof(*check));

	check->next_due = UINT64_MAX;
	return check;
}

static struct check_process *process_of(struct tablecheck *check, uint32_t process)
{
	while (check->n_processes <= process) {
		xgrow(check->processes, check->cap_processes, check->n_processes + 1);
		check->processes[check->n_processes++] = (struct check_process){0};
	}
	return &check->processes[process];
}

void tablecheck_from_birth(struct tablecheck *check, uint32_t process, uint64_t time)
{
	struct check_process *p = process_of(check, process);

	if (p->has_base || p->started)
		return;
	p->has_base = p->base_stable = true;
	p->base_begin = time;
}

uint32_t tablecheck_slot(struct tablecheck *check, uint32_t process, uint64_t address)
{
	struct check_process *p = process_of(check, process);
	bool fresh;
	uint64_t *at = map_put(&p->slots, address, &fresh);

	if (!fresh)
		return (uint32_t)*at;
	*at = check->n_slots;
	xgrow(check->slots, check->cap_slots, check->n_slots + 1);
	check->slots[check->n_slots] = (struct slot){.address = address, .process = process};
	return (uint32_t)check->n_slots++;
}

static void remember(struct tablecheck *check, const struct recent *recent)
{
	if (check->n_recent < RECENT_MAX) {
		xgrow(check->recent, check->cap_recent, check->n_recent + 1);
		check->recent[check->n_recent++] = *recent;
		return;
	}
	if (check->recent[check->next_recent].time > check->forgotten)
		check->forgotten = check->recent[check->next_recent].time;
	check->recent[check->next_recent] = *recent;
	check->next_recent = (check->next_recent + 1) % RECENT_MAX;
	/* The ring is larger than the cache, and its oldest entries are looked at first. */
	__builtin_prefetch(&check->recent[(check->next_recent + 16) % RECENT_MAX], 1);
}

static uint64_t minus_slack(uint64_t time)
{
	return time > TABLECHECK_SLACK ? time - TABLECHECK_SLACK : 0;
}

/*
 * Counts, for each bucket, the events that came after the two limits of a reading. The ring is in
 * the order of arrival, which is that of time but for what came out of order: it is walked until
 * times lie well before the reading.
 */
static void count_later(struct tablecheck *check, uint64_t begin, uint64_t end)
{
	uint64_t stop = minus_slack(minus_slack(begin));

	for (size_t i = 0; i < check->n_recent; i++) {
		size_t at = (check->next_recent + check->n_recent - 1 - i) % check->n_recent;
		const struct recent *recent = &check->recent[at];
		struct held *later = &check->slots[recent->slot].later[recent->kind];
		bool birth = recent->kind == BIRTHS;

		if (recent->time < stop)
			break;
		later->least += recent->time > (birth ? begin : minus_slack(begin));
		later->most += recent->time > (birth ? end + TABLECHECK_SLACK : end);
	}
}

static struct held held_now(const struct slot *slot, int kind)
{
	return (struct held){
		.least = slot->events[kind] - slot->later[kind].least,
		.most = slot->events[kind] - slot->later[kind].most,
	};
}

static void set_base(struct tablecheck *check, uint32_t process, struct check_process *p)
{
	p->has_base = true;
	p->base_stable = p->stable;
	p->base_begin = p->begin;
	for (size_t i = 0; i < check->n_slots; i++) {
		struct slot *slot = &check->slots[i];

		if (slot->process != process)
			continue;
		for (int kind = 0; kind < KINDS; kind++) {
			slot->base[kind] = slot->table[kind];
			slot->base_held[kind] = held_now(slot, kind);
		}
	}
}

/* Adds one bucket to the result; true where table and events disagree. */
static bool compare_slot(const struct slot *slot, struct table_check *result)
{
	bool differs = false;

	for (int kind = 0; kind < KINDS; kind++) {
		struct held now = held_now(slot, kind);
		int64_t grown = (int64_t)(slot->table[kind] - slot->base[kind]);
		int64_t least = (int64_t)(now.least - slot->base_held[kind].most);
		int64_t most = (int64_t)(now.most - slot->base_held[kind].least);
		int64_t seen = grown < least ? least : grown > most ? most : grown;

		if (seen < 0)
			seen = 0;
		differs |= seen != grown;
		result->bounded |= least != most;
		if (kind == BIRTHS) {
			result->counted_births += (uint64_t)grown;
			result->seen_births += (uint64_t)seen;
		} else {
			result->counted_deaths += (uint64_t)grown;
			result->seen_deaths += (uint64_t)seen;
		}
	}
	return differs;
}

static void compare(struct tablecheck *check, uint32_t process, struct check_process *p)
{
	struct table_check result = {
		.process = process,
		.begin = p->base_begin,
		.end = p->end,
		.bounded = !p->stable || !p->base_stable,
	};

	for (size_t i = 0; i < check->n_slots; i++) {
		const struct slot *slot = &check->slots[i];

		if (slot->process != process)
			continue;
		result.buckets++;
		result.buckets_differing += compare_slot(slot, &result);
	}
	/* Nothing against nothing proves nothing. */
	result.valid = result.counted_births || result.counted_deaths || result.seen_births ||
		       result.seen_deaths;
	p->result = result;
	p->result_stable = p->stable;
}

/* The last events that a complete reading may hold are here. */
static void judge_reading(struct tablecheck *check, uint32_t process)
{
	struct check_process *p = &check->processes[process];

	p->waiting = false;
	if (!p->usable || p->broken)
		return;
	if (check->n_recent == RECENT_MAX && check->forgotten >= minus_slack(p->begin))
		return;
	count_later(check, p->begin, p->end);
	if (!p->has_base || (!p->base_stable && p->stable))
		set_base(check, process, p);
	else if (p->stable || !p->result_stable)
		compare(check, process, p);
	for (size_t i = 0; i < check->n_slots; i++)
		memset(check->slots[i].later, 0, sizeof(check->slots[i].later));
}

static void judge_due(struct tablecheck *check, uint64_t time)
{
	check->next_due = UINT64_MAX;
	for (size_t i = 0; i < check->n_processes; i++) {
		struct check_process *p = &check->processes[i];

		if (!p->waiting)
			continue;
		if (time > p->end + TABLECHECK_SLACK)
			judge_reading(check, (uint32_t)i);
		else if (p->end + TABLECHECK_SLACK < check->next_due)
			check->next_due = p->end + TABLECHECK_SLACK;
	}
}

void tablecheck_event(struct tablecheck *check, uint32_t slot, uint64_t time, bool death)
{
	struct recent recent = {.time = time, .slot = slot, .kind = death ? DEATHS : BIRTHS};

	if (time > check->next_due)
		judge_due(check, time);
	check->slots[slot].events[recent.kind]++;
	remember(check, &recent);
}

/* Whether this part is the one that must come next. */
static bool in_sequence(struct check_process *p, const struct note_table *table)
{
	bool fits;

	if (!p->started) {
		/* Where the first reading was not seen whole, nothing is known of its buckets. */
		fits = table->reading == 0 && table->part == 0;
		p->started = true;
	} else if (table->part == 0) {
		/* The first reading of another file is a whole one. */
		fits = p->next_part == 0 &&
		       (table->reading == p->reading + 1 || table->reading == 0);
	} else {
		fits = table->reading == p->reading && table->part == p->next_part;
	}
	p->reading = table->reading;
	p->next_part = table->part + 1 == table->parts ? 0 : table->part + 1;
	return fits;
}

static void learn(struct tablecheck *check, uint32_t process, const struct note_table_entry *entry)
{
	uint32_t at = tablecheck_slot(check, process, entry->address);
	struct slot *slot = &check->slots[at];

	slot->table[BIRTHS] = entry->active.allocs;
	slot->table[DEATHS] = entry->active.frees;
	for (int i = 0; i < 3; i++) {
		slot->table[BIRTHS] += entry->future[i].allocs;
		slot->table[DEATHS] += entry->future[i].frees;
	}
}

void tablecheck_reading(struct tablecheck *check, uint32_t process, const struct note_table *table,
			bool usable)
{
	struct check_process *p = process_of(check, process);

	if (p->waiting)
		judge_reading(check, process);
	if (!in_sequence(p, table))
		p->broken = true;
	for (size_t i = 0; i < table->n_entries; i++)
		learn(check, process, &table->entries[i]);
	if (table->part + 1 != table->parts)
		return;
	p->readings++;
	p->waiting = true;
	p->usable = usable;
	p->stable = table->stable;
	p->begin = table->begin;
	p->end = table->end > table->begin ? table->end : table->begin;
	if (p->end > UINT64_MAX - TABLECHECK_SLACK)
		p->end = UINT64_MAX - TABLECHECK_SLACK;
	if (p->end + TABLECHECK_SLACK < check->next_due)
		check->next_due = p->end + TABLECHECK_SLACK;
}

void tablecheck_finish(struct tablecheck *check, struct model *model)
{
	for (size_t i = 0; i < check->n_processes; i++) {
		struct check_process *p = &check->processes[i];

		if (p->waiting)
			judge_reading(check, (uint32_t)i);
		if (!p->readings)
			continue;
		xgrow(model->checks, model->cap_checks, model->n_checks + 1);
		p->result.process = (uint32_t)i;
		p->result.readings = p->readings;
		model->checks[model->n_checks++] = p->result;
	}
}

void tablecheck_free(struct tablecheck *check)
{
	if (!check)
		return;
	for (size_t i = 0; i < check->n_processes; i++)
		map_free(&check->processes[i].slots);
	free(check->processes);
	free(check->slots);
	free(check->recent);
	free(check);
}
