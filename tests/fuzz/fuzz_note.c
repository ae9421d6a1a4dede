#include "formats/note.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(struct buffer *out, const struct note *note)
{
	switch (note->kind) {
	case NOTE_CLOCK:
		note_put_clock(out, &note->clock);
		break;
	case NOTE_PROCESS:
		note_put_process(out, &note->process);
		break;
	case NOTE_BUCKET:
		note_put_bucket(out, &note->bucket);
		break;
	case NOTE_TABLE:
		if (note->table.n_entries <= NOTE_TABLE_MAX_ENTRIES)
			note_put_table(out, &note->table);
		break;
	case NOTE_RSS:
		note_put_rss(out, &note->rss);
		break;
	case NOTE_TEXT:
		note_put_text(out, &note->text);
		break;
	case NOTE_GCTRACE:
		note_put_gctrace(out, &note->gctrace);
		break;
	case NOTE_OWNERS:
		note_put_owners(out, &note->owners);
		break;
	case NOTE_LIMITS:
		note_put_limits(out, &note->limits);
		break;
	case NOTE_NATIVE:
		note_put_native(out, &note->native);
		break;
	case NOTE_GOROUTINES:
		note_put_goroutines(out, &note->goroutines);
		break;
	case NOTE_PART:
		note_put_part(out, &note->part);
		break;
	case NOTE_SPANS:
		note_put_spans(out, &note->spans);
		break;
	case NOTE_SYMBOLS:
		if (note->symbols.len <= NOTE_SYMBOLS_MAX)
			note_put_symbols(out, &note->symbols);
		break;
	}
}

/* What was decoded can be encoded, and says the same when it is decoded again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int swap = 0; swap < 2; swap++) {
		struct buffer first = {0}, second = {0};
		struct note note, again;

		if (!note_decode(data, size, swap, &note))
			continue;
		encode(&first, &note);
		if (first.len) {
			if (!note_decode(first.data, first.len, false, &again))
				abort();
			encode(&second, &again);
			if (first.len != second.len ||
			    memcmp(first.data, second.data, first.len) != 0)
				abort();
			note_free(&again);
		}
		note_free(&note);
		buffer_free(&first);
		buffer_free(&second);
	}
	return 0;
}
