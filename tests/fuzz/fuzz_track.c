/*
 * Any events in any order leave a model that adds up: what was born less what died is what lives,
 * in all of the ways that it is counted.
 */
#include "analyze/goroutines.h"
#include "analyze/track.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(struct event *event, enum event_field field, uint64_t value)
{
	event->has |= EVENT_HAS(field);
	event->v[field] = value;
}

/* Few addresses, buckets, threads and cycles, so that they meet. */
static void fill_probe(struct event *event, const uint8_t *bytes, uint32_t cycle)
{
	static const uint64_t stack[8] = {11, 12, 13, 14, 15, 16, 17, 18};

	event->tid = event->pid + (bytes[3] >> 6);
	put(event, FIELD_P, bytes[2]);
	if (bytes[1] & 0x80)
		put(event, FIELD_B, 1 + bytes[3] % 16);
	put(event, FIELD_SIZE, 16u << bytes[3] % 4);
	if (bytes[1] & 0x40)
		put(event, FIELD_CYCLE, (uint64_t)(cycle + bytes[4] % 3) << 1);
	put(event, FIELD_NSTK, bytes[5] % 12);
	event->stack = &stack[bytes[5] % 4];
	event->n_stack = bytes[5] % 12 < 5 ? bytes[5] % 12 : 5;
	event->stack_from_bucket = bytes[5] & 0x80;
	if (event->kind == EVENT_DEATH && bytes[1] & 0x20)
		put(event, FIELD_KIND, 2 + bytes[5] % 3);
	put(event, FIELD_GOID, bytes[4] % 32);
	put(event, FIELD_CALLERPC, bytes[5] & 0x40 ? 11 + bytes[5] % 4 : 0);
	put(event, FIELD_NUMGC, cycle);
	put(event, FIELD_RATE, bytes[1] & 0x10 ? 1u << bytes[5] % 24 : 0);
}

/* A reading of two ranges, whose owners add up. */
static void fill_owners(struct event *event, const uint8_t *bytes, struct note_owner_range *ranges)
{
	struct note_owners *owners = &event->note.owners;
	uint64_t start = (uint64_t)bytes[2] << 12;

	event->note.kind = NOTE_OWNERS;
	*owners = (struct note_owners){.pid = event->pid, .ranges = ranges, .n_ranges = 2};
	owners->go = (struct note_go_memory){.in_use = (uint64_t)bytes[3] << 12,
					     .stacks = (uint64_t)bytes[4] << 11,
					     .work = (uint64_t)bytes[4] << 9,
					     .sys = (uint64_t)bytes[5] << 12};
	for (int i = 0; i < 2; i++) {
		ranges[i] = (struct note_owner_range){
			.start = start,
			.end = start + ((uint64_t)(1 + bytes[3 + i]) << 12),
			.rss = (uint64_t)bytes[5 + i] << 12,
			.owner = (enum memory_owner)(bytes[6 - i] % OWNER_COUNT),
		};
		start = ranges[i].end;
		owners->rss += ranges[i].rss;
		owners->bytes[ranges[i].owner] += ranges[i].rss;
	}
}

/* Two goroutines of those that events may be of. */
static void fill_goroutines(struct event *event, const uint8_t *bytes,
			    struct note_goroutine *entries)
{
	static struct note_wait_reason reasons[] = {{1, "select"}, {2, "\x1b[2J"}};

	event->note.kind = NOTE_GOROUTINES;
	for (int i = 0; i < 2; i++)
		entries[i] = (struct note_goroutine){
			.goid = bytes[3 + i] % 32,
			.gopc = bytes[5] & 0x80 ? 0 : 11 + bytes[5 + i] % 4,
			.startpc = 7,
			.wait_since = bytes[5] & 0x40 ? event->time - bytes[3] : 0,
			.stack = 2048u * bytes[6],
			.status = 4,
			.reason = bytes[6 + i] % 3,
		};
	event->note.goroutines = (struct note_goroutines){
		.pid = event->pid,
		.part = bytes[7] & 1,
		.parts = 2,
		.begin = event->time - bytes[7],
		.end = event->time,
		.left_out = bytes[7] >> 6,
		.entries = entries,
		.n_entries = 2,
		.reasons = reasons,
		.n_reasons = 2,
	};
}

static void fill_note(struct event *event, const uint8_t *bytes, struct note_table_entry *entries,
		      struct note_owner_range *ranges, struct note_goroutine *goroutines)
{
	static const uint64_t stack[12] = {11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22};
	static const char *const versions[] = {"", "go1.18", "go1.23.1", "go1.27"};

	switch (bytes[1] % 5) {
	case 0:
		event->note.kind = NOTE_BUCKET;
		event->note.bucket = (struct note_bucket){
			.pid = event->pid,
			.address = 1 + bytes[3] % 16,
			.size = 16u << bytes[3] % 4,
			.stack = &stack[bytes[5] % 4],
			.n_stack = bytes[4] % 9,
		};
		break;
	case 1:
		event->note.kind = NOTE_PROCESS;
		event->note.process = (struct note_process){
			.pid = event->pid,
			.attached = bytes[3] & 1,
			.mem_profile_rate = 1u << bytes[4] % 24,
			.exe = "x",
			.go_version = versions[bytes[5] % 4],
		};
		break;
	case 4:
		fill_goroutines(event, bytes, goroutines);
		break;
	case 3:
		fill_owners(event, bytes, ranges);
		break;
	default:
		event->note.kind = NOTE_TABLE;
		entries[0] = (struct note_table_entry){
			.address = 1 + bytes[3] % 16,
			.active = {bytes[4], bytes[5]},
		};
		event->note.table = (struct note_table){
			.pid = event->pid,
			.reading = bytes[6],
			.part = bytes[7] & 1,
			.parts = 1 + (bytes[7] & 1),
			.stable = bytes[7] >> 7,
			.begin = event->time - bytes[7],
			.end = event->time,
			.entries = entries,
			.n_entries = 1,
		};
	}
}

static void fill_other(struct event *event, const uint8_t *bytes)
{
	event->tid = event->pid + (bytes[3] & 1);
	switch (event->kind) {
	case EVENT_COMM:
	case EVENT_EXEC:
		event->comm.comm = "name";
		break;
	case EVENT_FORK:
	case EVENT_EXIT:
		event->fork.parent_pid = bytes[4] % 4;
		event->fork.parent_tid = event->fork.parent_pid + (bytes[3] >> 1 & 1);
		break;
	case EVENT_SYSCALL_ENTER:
	case EVENT_SYSCALL_EXIT:
		event->syscall.call = bytes[1] % SYSCALL_COUNT;
		event->syscall.args[0] = (uint64_t)bytes[4] << 12;
		event->syscall.args[1] = (uint64_t)bytes[5] << (bytes[3] % 64);
		event->syscall.args[2] = bytes[6];
		event->syscall.args[3] = bytes[7];
		event->syscall.result = (int64_t)(((uint64_t)bytes[6] << (bytes[3] % 64)) - 1);
		break;
	case EVENT_FAULT:
		event->fault.address = (uint64_t)bytes[4] << (bytes[3] % 64);
		event->fault.weight = 1 + (bytes[1] & 1);
		event->fault.page_size = bytes[1] & 2 ? 65536 : 4096;
		event->name = bytes[1] & 4 ? "one" : "other";
		event->stack = bytes;
		event->n_stack = bytes[1] >> 3 & 1;
		break;
	default:
		break;
	}
}

static void check(bool holds)
{
	if (!holds)
		abort();
}

static uint64_t sum(const struct tally *tallies, size_t n)
{
	uint64_t total = 0;

	for (size_t i = 0; tallies && i < n; i++)
		total += tallies[i].objects;
	return total;
}

static void check_site(const struct model *model, const struct site *site)
{
	uint64_t died = 0, live = 0;
	size_t n;

	model_site_epochs(model, site, &n);
	check(site->stack < model->n_stacks);
	check(site->births - site->deaths == site->live);
	check(sum(site->born, n) == site->births);
	check(sum(site->died, n) == site->deaths);
	check(sum(site->alive, n) == site->live);
	check(sum(site->died_unseen, n) == site->unmatched_deaths);
	for (int i = 0; i < MODEL_AGES; i++) {
		died += site->died_at_age[i];
		live += site->live_at_age[i];
	}
	check(died == site->deaths && live == site->live);
	if (n)
		check(site->generations[n - 1] <= site->live &&
		      (site->generations[n - 1] > 0) == (site->live > 0));
}

/* Every fault has one owner, one site and one moment. */
static void check_faults(const struct model *model, const struct fault_account *account)
{
	uint64_t owners = 0, sites = 0, first = 0;

	for (size_t o = 0; o < OWNER_COUNT; o++) {
		owners += account->owners[o].faults;
		for (size_t i = 0; i < account->n_slots; i++)
			first += account->slots[i][o];
	}
	for (size_t i = 0; i < model->n_fault_sites; i++)
		if (model->fault_sites[i].process == account->process)
			sites += model->fault_sites[i].tally.faults;
	check(owners == account->total.faults && sites == account->total.faults);
	check(first == account->total.first_bytes);
	check(account->n_slots <= MODEL_FAULT_SLOTS);
}

static void check_goroutines(const struct model *model, uint32_t process)
{
	struct goroutine_summary summary;

	goroutines_summarise(model, process, &summary);
	check(summary.before_ended <= summary.before);
	check(summary.ended <= summary.started);
	check(summary.most >= summary.now && summary.most >= summary.before);
	goroutines_free_summary(&summary);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum event_kind kinds[] = {
		EVENT_BIRTH,	EVENT_BIRTH,	    EVENT_DEATH,	EVENT_DEATH,
		EVENT_GC_START, EVENT_GC_MARK_TERM, EVENT_GC_END,	EVENT_SYSCALL_ENTER,
		EVENT_COMM,	EVENT_EXEC,	    EVENT_FORK,		EVENT_EXIT,
		EVENT_NOTE,	EVENT_NOTE,	    EVENT_SYSCALL_EXIT, EVENT_FAULT,
	};
	struct note_table_entry entries[1];
	struct note_owner_range ranges[2];
	struct note_goroutine goroutines[2];
	uint64_t births = 0, time = 1000;
	struct track *track;
	struct model model;
	uint32_t cycle = 1;

	model_init(&model);
	track = track_new(&model, &(struct track_options){0});
	for (; size >= 8; data += 8, size -= 8) {
		struct event event = {.kind = kinds[data[0] % 16], .pid = 1 + (data[0] >> 4) % 3};

		if (event.kind == EVENT_BIRTH && (data[1] & 0x0c) == 0x0c)
			event.kind = EVENT_GO_CREATE;
		else if (event.kind == EVENT_DEATH && (data[1] & 0x0c) == 0x0c)
			event.kind = data[1] & 2   ? EVENT_GO_EXIT
				     : data[1] & 1 ? EVENT_LOCK_THREAD
						   : EVENT_UNLOCK_THREAD;
		event.time = time += data[7] * 10000u;
		if (event.kind == EVENT_GC_MARK_TERM)
			cycle += data[6] & 0x80 ? 1u + data[6] * 20u : 1;
		if (event.kind <= EVENT_GC_END)
			fill_probe(&event, data, cycle);
		else if (event.kind == EVENT_NOTE)
			fill_note(&event, data, entries, ranges, goroutines);
		else
			fill_other(&event, data);
		track_event(track, &event);
	}
	track_finish(track);
	for (size_t i = 0; i < model.n_sites; i++) {
		check_site(&model, &model.sites[i]);
		births += model.sites[i].kind == SITE_HEAP ? model.sites[i].births : 0;
	}
	check(births == model.births);
	for (size_t i = 0; i < model.n_rss; i++) {
		uint64_t rss = 0;

		for (int owner = 0; owner < OWNER_COUNT; owner++)
			rss += model.rss[i].owners[owner];
		check(rss == model.rss[i].rss);
	}
	for (size_t i = 0; i < model.n_processes; i++)
		check(model.processes[i].n_epochs <= MODEL_MAX_EPOCHS);
	for (uint32_t i = 0; i < model.n_processes; i++)
		check_goroutines(&model, i);
	for (size_t i = 0; i < model.n_faults; i++)
		check_faults(&model, &model.faults[i]);
	track_free(track);
	model_free(&model);
	return 0;
}
