#include "analyze/track_state.h"

#include "formats/xalloc.h"

#include <stdlib.h>

static struct snapshots_counts counts(const struct note_counts *note)
{
	return (struct snapshots_counts){note->allocs, note->frees};
}

static void give_seed(struct track *track, struct life *life, const struct note_table *note)
{
	struct snapshots *snapshots = track->model->snapshots;

	snapshots_reading(snapshots, life->process, note->begin, note->end, note->cycle);
	for (size_t i = 0; i < life->n_seed; i++) {
		const struct note_table_entry *entry = &life->seed[i];
		const struct snapshots_counts future[3] = {
			counts(&entry->future[0]),
			counts(&entry->future[1]),
			counts(&entry->future[2]),
		};
		struct bucket *bucket = track_bucket(track, life, entry->address, 0);

		track->site_states[bucket->site].seeded = true;
		snapshots_seed(snapshots, bucket->site, bucket->size, counts(&entry->active),
			       future);
	}
}

/* What was there when the recording began is known from the first reading, all parts of it. */
static void collect_seed(struct track *track, struct life *life, const struct note_table *note)
{
	if (life->seed_part == NONE || !life_process(track, life)->attached)
		return;
	if (note->reading || note->part != life->seed_part) {
		life->seed_part = NONE;
		return;
	}
	xgrow(life->seed, life->cap_seed, life->n_seed + note->n_entries);
	for (size_t i = 0; i < note->n_entries; i++)
		life->seed[life->n_seed++] = note->entries[i];
	life->seed_part++;
	if (life->seed_part != note->parts)
		return;
	give_seed(track, life, note);
	free(life->seed);
	life->seed = NULL;
	life->n_seed = life->cap_seed = 0;
	life->seed_part = NONE;
}

void track_table_note(struct track *track, uint64_t time, const struct note_table *note,
		      bool usable)
{
	struct life *life = track_life_of_note(track, note->pid, time);

	if (track->tables_alone) {
		track->by_counters = true;
		if (usable)
			track_counters(track, life, note);
		return;
	}
	tablecheck_reading(track->check, life->process, note, usable);
	if (track->model->snapshots && usable)
		collect_seed(track, life, note);
}
