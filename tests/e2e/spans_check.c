/*
 * Compares the spans of a trace with what tests/programs/spans says of the same run, for
 * tests/e2e/spans.sh. The events come as perf prints them, one a line on standard input, in the
 * order of time:
 *
 *   SECONDS refill|large|release kept|dropped|... s=... base=... ...
 *
 * The third word is by the function of the program that the call chain has. The notes are read
 * from the trace. Prints what was found, a word and its number on each line, and for each size of
 * which the slots that were filled are not the objects that the program counted a line "size".
 *
 *   spans_check TRACE FACTS <EVENTS
 */
#include "common/map.h"
#include "formats/note.h"
#include "formats/perfdata.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The program allocates one object of this size, after it has counted. */
#define MARKER	   7000000u
#define MAX_SIZES  256u
#define NOT_LISTED SIZE_MAX

struct sample {
	uint64_t slot;
	uint32_t sweepgen;
	bool kept, dropped, dead;
	size_t next; /* of its span: index + 1 */
};

struct span {
	uint64_t base, size;
	uint64_t slots; /* that were free when it was taken; 0: it is known what became of them */
	uint64_t taken; /* the number of the event */
	uint64_t used;
	size_t samples; /* index + 1 of the newest */
};

struct check {
	struct map by_address; /* of spans: index + 1 */
	struct span *spans;
	size_t n_spans, cap_spans;
	struct sample *samples;
	size_t n_samples, cap_samples;
	struct map kept, dropped; /* what the program says */
	uint64_t sizes[MAX_SIZES], filled[MAX_SIZES], said[MAX_SIZES];
	size_t n_sizes;
	struct note_spans *notes;
	size_t n_notes, cap_notes, next_note;
	bool counted;		       /* the program has */
	uint64_t events, last_release; /* their numbers */
	uint64_t false_deaths, misplaced, unknown_slots, entries;
};

static size_t size_index(struct check *c, uint64_t size)
{
	size_t i = 0;

	while (i < c->n_sizes && c->sizes[i] != size)
		i++;
	if (i == c->n_sizes) {
		if (i == MAX_SIZES)
			exit(2);
		c->sizes[c->n_sizes++] = size;
	}
	return i;
}

static void read_facts(struct check *c, const char *path)
{
	FILE *f = fopen(path, "re");
	char line[128];
	uint64_t a, b;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "class %" SCNu64 " %" SCNu64, &a, &b) == 2)
			c->said[size_index(c, a)] = b;
		else if (sscanf(line, "kept %" SCNx64, &a) == 1)
			*map_put(&c->kept, a, NULL) = 1;
		else if (sscanf(line, "dropped %" SCNx64, &a) == 1)
			*map_put(&c->dropped, a, NULL) = 1;
	}
	if (f)
		fclose(f);
}

static void read_notes(struct check *c, const char *path)
{
	struct perfdata_reader *reader;
	struct perfdata_record record;
	struct perfdata_sample sample;
	struct error *err = perfdata_open(path, &reader);
	struct note note;

	if (err) {
		fprintf(stderr, "spans_check: %s\n", error_message(err));
		exit(2);
	}
	for (perfdata_next(reader, &record); record.header; perfdata_next(reader, &record)) {
		if (record.header->type != PERF_RECORD_SAMPLE ||
		    !perfdata_sample(reader, record.header, &sample) || !sample.event ||
		    !sample.event->name || strcmp(sample.event->name, NOTE_EVENT_NAME) != 0 ||
		    !note_decode(sample.raw, sample.raw_len, false, &note))
			continue;
		if (note.kind != NOTE_SPANS) {
			note_free(&note);
			continue;
		}
		xgrow(c->notes, c->cap_notes, c->n_notes + 1);
		c->notes[c->n_notes++] = note.spans;
	}
	perfdata_close(reader);
}

static uint64_t field(const char *line, const char *name)
{
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), " %s=", name);
	at = strstr(line, key);
	return at ? strtoull(at + strlen(key), NULL, 0) : 0;
}

static struct span *span_at(struct check *c, uint64_t address)
{
	bool fresh;
	uint64_t *at = map_put(&c->by_address, address, &fresh);

	if (fresh) {
		xgrow(c->spans, c->cap_spans, c->n_spans + 1);
		c->spans[c->n_spans++] = (struct span){0};
		*at = c->n_spans;
	}
	return &c->spans[*at - 1];
}

static void die(struct check *c, struct sample *sample)
{
	c->false_deaths += sample->kept && !sample->dead;
	sample->dead = true;
}

/* What the bits of a sweep, n words of them, say of the samples of a span. words NULL: it is gone.
 */
static void judge(struct check *c, const struct span *span, uint32_t swept, const uint64_t *words,
		  size_t n)
{
	for (size_t i = span->samples; i; i = c->samples[i - 1].next) {
		struct sample *sample = &c->samples[i - 1];

		if ((int32_t)(swept - sample->sweepgen) <= 0)
			continue;
		if (!words ||
		    (sample->slot / 64 < n && !(words[sample->slot / 64] >> sample->slot % 64 & 1)))
			die(c, sample);
	}
}

static void take_notes(struct check *c, uint64_t until)
{
	for (; c->next_note < c->n_notes && c->notes[c->next_note].end < until; c->next_note++) {
		const struct note_spans *note = &c->notes[c->next_note];

		for (size_t i = 0; i < note->n_entries; i++) {
			const struct note_span *entry = &note->entries[i];
			uint32_t swept =
				entry->sweepgen & 1 ? entry->sweepgen - 3 : entry->sweepgen;
			const struct span *span = span_at(c, entry->address);

			c->entries++;
			if (span->base != entry->base)
				continue;
			if (!entry->in_use)
				judge(c, span, swept, NULL, 0);
			else if (entry->n_words)
				judge(c, span, swept, entry->words, entry->n_words);
		}
	}
}

/* The bits as perf prints them: {0x0,0x1}. */
static size_t parse_bits(const char *line, uint64_t *words, size_t max)
{
	const char *at = strstr(line, " bits={");
	size_t n = 0;
	char *end;

	at = at ? at + strlen(" bits={") : "";
	while (n < max && *at && *at != '}') {
		words[n++] = strtoull(at, &end, 0);
		at = *end == ',' ? end + 1 : end;
	}
	return n;
}

/* The slot of the allocation for which the span is taken. */
static uint64_t first_free(const char *line, const uint64_t *words, size_t n_words)
{
	uint64_t slot = field(line, "freeindex"), slots = field(line, "nelems");

	while (slot < slots && slot / 64 < n_words && words[slot / 64] >> slot % 64 & 1)
		slot++;
	return slot < slots && slot / 64 < n_words ? slot : NOT_LISTED;
}

static void add_sample(struct check *c, const char *line, struct span *span, uint64_t slot,
		       const char *who)
{
	struct sample sample = {
		.slot = slot,
		.sweepgen = (uint32_t)field(line, "sweepgen"),
		.kept = strcmp(who, "kept") == 0,
		.dropped = strcmp(who, "dropped") == 0,
		.next = span->samples,
	};
	uint64_t address = span->base + slot * span->size;

	if (slot == NOT_LISTED) {
		c->unknown_slots++;
		return;
	}
	if ((sample.kept && !map_find(&c->kept, address)) ||
	    (sample.dropped && !map_find(&c->dropped, address)))
		c->misplaced++;
	xgrow(c->samples, c->cap_samples, c->n_samples + 1);
	c->samples[c->n_samples++] = sample;
	span->samples = c->n_samples;
}

/* Its free slots are used: by now, or when it comes back to be taken again. */
static void fill(struct check *c, struct span *span, uint64_t slots)
{
	if (!c->counted && span->slots)
		c->filled[size_index(c, span->size)] += slots;
	span->slots = 0;
}

static void take_refill(struct check *c, const char *line, const char *who)
{
	struct span *span = span_at(c, field(line, "s"));
	uint64_t words[16];
	size_t n = parse_bits(line, words, 16);

	fill(c, span, span->slots);
	if (span->base != field(line, "base") || span->size != field(line, "elemsize"))
		judge(c, span, (uint32_t)field(line, "sweepgen"), NULL, 0);
	else
		judge(c, span, (uint32_t)field(line, "sweepgen"), words, n);
	span->base = field(line, "base");
	span->size = field(line, "elemsize");
	span->used = field(line, "allocCount");
	span->slots = field(line, "nelems") - span->used;
	span->taken = c->events;
	add_sample(c, line, span, first_free(line, words, n), who);
}

static void take_large(struct check *c, const char *line, const char *who)
{
	struct span *span = span_at(c, field(line, "s"));

	fill(c, span, span->slots);
	judge(c, span, (uint32_t)field(line, "sweepgen"), NULL, 0);
	span->base = field(line, "base");
	span->size = field(line, "size");
	add_sample(c, line, span, 0, who);
	if (field(line, "size") < MARKER || field(line, "size") >= MARKER + 8192)
		return;
	/* The program counts while the world stands still, and everything has gone back that was
	 * not full; what was taken since is not counted. */
	for (size_t i = 0; i < c->n_spans; i++) {
		if (c->spans[i].taken < c->last_release)
			fill(c, &c->spans[i], c->spans[i].slots);
	}
	c->counted = true;
}

static void take_events(struct check *c)
{
	char line[4096], name[16], who[16];
	double seconds;

	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%lf %15s %15s", &seconds, name, who) != 3)
			continue;
		c->events++;
		take_notes(c, (uint64_t)(seconds * 1e9));
		if (strcmp(name, "refill") == 0) {
			take_refill(c, line, who);
		} else if (strcmp(name, "large") == 0) {
			take_large(c, line, who);
		} else {
			struct span *span = span_at(c, field(line, "s"));

			fill(c, span, field(line, "allocCount") - span->used);
			c->last_release = c->events;
		}
	}
	take_notes(c, UINT64_MAX);
}

static void print_findings(const struct check *c)
{
	size_t kept = 0, dropped = 0, left = 0, sizes = 0;

	for (size_t i = 0; i < c->n_samples; i++) {
		kept += c->samples[i].kept;
		dropped += c->samples[i].dropped;
		left += c->samples[i].dropped && !c->samples[i].dead;
	}
	printf("kept %zu\ndropped %zu\nfalse_deaths %" PRIu64 "\ndropped_alive %zu\n"
	       "misplaced %" PRIu64 "\nunknown_slots %" PRIu64 "\nentries %" PRIu64
	       "\ncounted %d\n",
	       kept, dropped, c->false_deaths, left, c->misplaced, c->unknown_slots, c->entries,
	       c->counted);
	for (size_t i = 0; i < c->n_sizes; i++) {
		/* The program's list ends before the largest classes. */
		if (!c->said[i])
			continue;
		sizes++;
		if (c->said[i] != c->filled[i])
			printf("size %" PRIu64 ": %" PRIu64 " objects, %" PRIu64 " slots\n",
			       c->sizes[i], c->said[i], c->filled[i]);
	}
	printf("sizes %zu\n", sizes);
}

int main(int argc, char **argv)
{
	struct check c = {0};

	if (argc != 3)
		return 2;
	read_facts(&c, argv[2]);
	read_notes(&c, argv[1]);
	take_events(&c);
	print_findings(&c);
	for (size_t i = 0; i < c.n_notes; i++)
		free(c.notes[i].entries);
	free(c.notes);
	free(c.spans);
	free(c.samples);
	map_free(&c.by_address);
	map_free(&c.kept);
	map_free(&c.dropped);
	return 0;
}
