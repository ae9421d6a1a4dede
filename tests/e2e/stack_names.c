/*
 * Prints the stacks of a trace's buckets by name, for tests/e2e/real.sh: one line for each bucket,
 * its functions from the innermost frame outwards, [unknown] for an address that the trace's symbol
 * table lacks or has no name for.
 *
 *   stack_names TRACE
 */
#include "formats/note.h"
#include "formats/perfdata.h"
#include "formats/symtab.h"

#include <stdio.h>
#include <string.h>

static void print_address(const struct symtab *symbols, uint32_t pid, uint64_t address)
{
	size_t n;
	const struct symtab_frame *frames = symtab_find(symbols, pid, address, &n);

	if (n == 0)
		printf(" [unknown]");
	for (size_t i = 0; i < n; i++)
		printf(" %s", frames[i].function[0] ? frames[i].function : "[unknown]");
}

static void print_bucket(const struct symtab *symbols, const struct perfdata_sample *sample)
{
	struct note note;

	if (!note_decode(sample->raw, sample->raw_len, false, &note))
		return;
	if (note.kind == NOTE_BUCKET) {
		printf("bucket");
		for (size_t i = 0; i < note.bucket.n_stack; i++)
			print_address(symbols, note.bucket.pid, note.bucket.stack[i]);
		printf("\n");
	}
	note_free(&note);
}

static struct error *print_buckets(struct perfdata_reader *reader)
{
	const struct perfdata_info *info = perfdata_info(reader);
	struct perfdata_record record;
	struct perfdata_sample sample;
	struct symtab *symbols;

	if (!info->symtab)
		return error_new("the trace carries no symbol table");
	TRY(symtab_decode(info->symtab, info->symtab_len, info->swapped, &symbols));
	for (perfdata_next(reader, &record); record.header; perfdata_next(reader, &record)) {
		if (record.header->type == PERF_RECORD_SAMPLE &&
		    perfdata_sample(reader, record.header, &sample) && sample.event &&
		    sample.event->name && strcmp(sample.event->name, NOTE_EVENT_NAME) == 0)
			print_bucket(symbols, &sample);
	}
	symtab_free(symbols);
	return NULL;
}

int main(int argc, char **argv)
{
	struct perfdata_reader *reader;
	struct error *err;

	if (argc != 2)
		return 2;
	err = perfdata_open(argv[1], &reader);
	if (!err) {
		err = print_buckets(reader);
		perfdata_close(reader);
	}
	if (err) {
		fprintf(stderr, "stack_names: %s\n", error_message(err));
		return 2;
	}
	return 0;
}
