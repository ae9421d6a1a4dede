/*
 * Prints the samples of a perf.data file as analyze reads them, for tests/e2e/compat.sh: one line
 * each, fields separated by blanks: PID/TID, CPU, seconds, event, then the addresses of the call
 * chain or the sample's own, joined by ';', and then for our probes `field=value`, for the system
 * calls their arguments or result.
 *
 *   samples_dump FILE
 */
#include "analyze/decode.h"
#include "analyze/read.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	enum event_field field;
	bool hex;
} fields[] = {
	{"p", FIELD_P, true},	     {"b", FIELD_B, true},	    {"size", FIELD_SIZE, false},
	{"kind", FIELD_KIND, false}, {"cycle", FIELD_CYCLE, false}, {"goid", FIELD_GOID, false},
};

/* How many arguments each system call has. */
static const unsigned n_args[SYSCALL_COUNT] = {
	[SYSCALL_MMAP] = 6, [SYSCALL_MUNMAP] = 2,  [SYSCALL_MREMAP] = 5,
	[SYSCALL_BRK] = 1,  [SYSCALL_MADVISE] = 3,
};

static void print_chain(const struct perfdata_sample *sample)
{
	const char *separator = " ";

	if (!sample->n_callchain)
		printf(" %" PRIx64, sample->ip);
	for (size_t i = 0; i < sample->n_callchain; i++) {
		if (sample->callchain[i] >= PERF_CONTEXT_MAX)
			continue;
		printf("%s%" PRIx64, separator, sample->callchain[i]);
		separator = ";";
	}
}

static void print_fields(const struct event *event)
{
	switch (event->kind) {
	case EVENT_SYSCALL_ENTER:
		for (unsigned i = 0; i < n_args[event->syscall.call]; i++)
			printf(" 0x%08" PRIx64, event->syscall.args[i]);
		return;
	case EVENT_SYSCALL_EXIT:
		printf(" 0x%" PRIx64, (uint64_t)event->syscall.result);
		return;
	default:
		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
			if (event->has & EVENT_HAS(fields[i].field))
				printf(fields[i].hex ? " %s=0x%" PRIx64 : " %s=%" PRIu64,
				       fields[i].name, event->v[fields[i].field]);
	}
}

static void print_sample(const struct perfdata_sample *sample, const struct event *event)
{
	const char *name = sample->event->name ? sample->event->name : "?";

	printf("%d/%d %u %" PRIu64 ".%09" PRIu64 " %s", (int)sample->pid, (int)sample->tid,
	       sample->cpu, sample->time / 1000000000, sample->time % 1000000000, name);
	print_chain(sample);
	print_fields(event);
	printf("\n");
}

int main(int argc, char **argv)
{
	struct perfdata_reader *reader;
	struct read_record record;
	struct decode *decode;
	struct error *err;
	struct read *read;
	int status = 0;

	if (argc != 2)
		return 2;
	err = perfdata_open(argv[1], &reader);
	if (err) {
		fprintf(stderr, "samples_dump: %s\n", error_message(err));
		error_free(err);
		return 2;
	}
	read = read_new(reader, READ_DEFAULT_LIMIT);
	decode = decode_new(reader);
	while (read_next(read, &record)) {
		struct perfdata_sample sample;
		struct event event;

		decode_record(decode, &record, &event);
		if (record.header->type != PERF_RECORD_SAMPLE)
			continue;
		if (perfdata_sample(reader, record.header, &sample) && sample.event)
			print_sample(&sample, &event);
		else
			status = 1;
	}
	if (perfdata_damage(reader)) {
		fprintf(stderr, "samples_dump: %s\n", perfdata_damage(reader));
		status = 1;
	}
	decode_free(decode);
	read_free(read);
	perfdata_close(reader);
	return status;
}
