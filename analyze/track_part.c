#include "analyze/track_state.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/*
 * The files of a recording: each says where it begins and, when it is complete, where it ends. What
 * of that is missing is told among the remarks.
 */

/* Takes the text. */
static void remark(struct track *track, char *text)
{
	track_text(track, text);
	free(text);
}

/* The file before has no end: its recorder was killed, or still writes it. */
static void check_end(struct track *track)
{
	struct track_part *part = &track->part;

	if (!part->open)
		return;
	part->open = false;
	track->model->truncated = true;
	if (part->kind != PART_WHOLE)
		remark(track, xasprintf("loss: it is file %u of the recording that breaks off",
					part->number));
}

static void begin_part(struct track *track, const struct note_part *note)
{
	struct track_part *part = &track->part;
	bool follows = part->recording == note->recording;

	check_end(track);
	if (note->kind == PART_ROTATED && !follows && note->number > 1)
		remark(track, xasprintf("loss: the first file that is here is number %u of its "
					"recording: it is read as of a program that was joined "
					"then",
					note->number));
	else if (note->kind == PART_ROTATED && follows && note->number > part->number + 1)
		remark(track,
		       xasprintf("loss: between file %u of the recording and file %u others are "
				 "missing, with all that happened then",
				 part->number, note->number));
	if (note->kind == PART_SNAPSHOT)
		remark(track, xasprintf("snapshot %u of the recording, written because: %s",
					note->number, note->text));
	*part = (struct track_part){
		.recording = note->recording,
		.kind = note->kind,
		.number = note->number,
		.open = true,
	};
}

void track_part_note(struct track *track, const struct note_part *note)
{
	struct track_part *part = &track->part;

	if (!note->ends) {
		begin_part(track, note);
		return;
	}
	if (part->recording != note->recording || part->number != note->number)
		return;
	part->open = false;
	if (note->kind != PART_SNAPSHOT)
		remark(track, xasprintf("the recording%s ended: %s",
					note->kind == PART_ROTATED ? "'s file" : "", note->text));
}

void track_symbols_note(struct track *track, const struct note_symbols *note)
{
	struct model *model = track->model;
	struct symtab *symbols;
	struct error *err = symtab_decode(note->table, note->len, note->swap, &symbols);

	/* The addresses of a table that is none go without names. */
	if (err) {
		error_free(err);
		return;
	}
	if (!model->symbols) {
		model->symbols = symbols;
		return;
	}
	symtab_merge(model->symbols, symbols);
	symtab_free(symbols);
}

void track_finish_parts(struct track *track)
{
	check_end(track);
}
