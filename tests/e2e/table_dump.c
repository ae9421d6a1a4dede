/*
 * Prints the bucket table of a trace as its last reading left it, for tests/e2e/matrix.sh: one line
 * for each bucket, its published allocations, its published frees, its object size, its stack.
 *
 *   table_dump TRACE
 */
#include "common/map.h"
#include "formats/note.h"
#include "formats/perfdata.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bucket {
	uint64_t size, *stack;
	size_t n_stack;
	struct note_counts active;
};

struct table {
	struct bucket *buckets;
	size_t n, cap;
	struct map by_address; /* index + 1 */
};

static void take_bucket(struct table *table, const struct note_bucket *note)
{
	struct bucket *bucket;

	xgrow(table->buckets, table->cap, table->n + 1);
	bucket = &table->buckets[table->n++];
	*bucket = (struct bucket){.size = note->size, .n_stack = note->n_stack};
	bucket->stack = xcalloc(note->n_stack + 1, sizeof(uint64_t));
	memcpy(bucket->stack, note->stack, note->n_stack * sizeof(uint64_t));
	*map_put(&table->by_address, note->address, NULL) = table->n;
}

static void take_counts(struct table *table, const struct note_table *note)
{
	for (size_t i = 0; i < note->n_entries; i++) {
		uint64_t *at = map_find(&table->by_address, note->entries[i].address);

		if (at)
			table->buckets[*at - 1].active = note->entries[i].active;
	}
}

static void take_note(struct table *table, const struct perfdata_sample *sample)
{
	struct note note;

	if (!note_decode(sample->raw, sample->raw_len, false, &note))
		return;
	if (note.kind == NOTE_BUCKET)
		take_bucket(table, &note.bucket);
	else if (note.kind == NOTE_TABLE)
		take_counts(table, &note.table);
	note_free(&note);
}

int main(int argc, char **argv)
{
	struct perfdata_reader *reader;
	struct perfdata_record record;
	struct perfdata_sample sample;
	struct table table = {0};
	struct error *err;

	if (argc != 2)
		return 2;
	err = perfdata_open(argv[1], &reader);
	if (err) {
		fprintf(stderr, "table_dump: %s\n", error_message(err));
		return 2;
	}
	for (perfdata_next(reader, &record); record.header; perfdata_next(reader, &record)) {
		if (record.header->type == PERF_RECORD_SAMPLE &&
		    perfdata_sample(reader, record.header, &sample) && sample.event &&
		    sample.event->name && strcmp(sample.event->name, NOTE_EVENT_NAME) == 0)
			take_note(&table, &sample);
	}
	perfdata_close(reader);
	for (size_t i = 0; i < table.n; i++) {
		const struct bucket *bucket = &table.buckets[i];

		printf("%" PRIu64 " %" PRIu64 " %" PRIu64, bucket->active.allocs,
		       bucket->active.frees, bucket->size);
		for (size_t k = 0; k < bucket->n_stack; k++)
			printf(" 0x%" PRIx64, bucket->stack[k]);
		printf("\n");
		free(bucket->stack);
	}
	free(table.buckets);
	map_free(&table.by_address);
	return 0;
}
