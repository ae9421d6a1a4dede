#include "record/names.h"

#include "common/map.h"
#include "formats/note.h"
#include "formats/xalloc.h"
#include "record/symbols.h"

#include <stdlib.h>

struct waiting {
	size_t target;
	uint64_t address;
};

struct names {
	const struct target *targets;
	const uint64_t *load_biases;
	size_t n_targets;
	struct map *seen; /* by target */
	struct waiting *waiting;
	size_t n, cap, next;
};

struct names *names_new(const struct target *targets, const uint64_t *load_biases, size_t n_targets)
{
	struct names *names = xcalloc(1, sizeof(*names));

	*names = (struct names){
		.targets = targets,
		.load_biases = load_biases,
		.n_targets = n_targets,
		.seen = xcalloc(n_targets, sizeof(struct map)),
	};
	return names;
}

static void add_address(struct names *names, size_t target, uint64_t address)
{
	bool fresh = false;

	if (address)
		map_put(&names->seen[target], address, &fresh);
	if (!fresh)
		return;
	xgrow(names->waiting, names->cap, names->n + 1);
	names->waiting[names->n++] = (struct waiting){target, address};
}

static void add_stack(struct names *names, size_t target, const struct note_bucket *bucket)
{
	for (size_t i = 0; i < bucket->n_stack; i++)
		add_address(names, target, bucket->stack[i]);
}

static void add_goroutines(struct names *names, size_t target, const struct note_goroutines *list)
{
	for (size_t i = 0; i < list->n_entries; i++) {
		add_address(names, target, list->entries[i].gopc);
		add_address(names, target, list->entries[i].startpc);
	}
}

void names_note(struct names *names, const struct buffer *payload)
{
	struct note note;

	if (!note_decode(payload->data, payload->len, false, &note))
		return;
	for (size_t i = 0; i < names->n_targets; i++) {
		uint32_t pid = (uint32_t)names->targets[i].pid;

		if (note.kind == NOTE_BUCKET && pid == note.bucket.pid)
			add_stack(names, i, &note.bucket);
		else if (note.kind == NOTE_GOROUTINES && pid == note.goroutines.pid)
			add_goroutines(names, i, &note.goroutines);
	}
	note_free(&note);
}

static void resolve(const struct names *names, const struct waiting *at, struct symtab *table)
{
	const struct target *target = &names->targets[at->target];
	struct symtab_frame frames[SYMBOLS_MAX_FRAMES];
	size_t n =
		symbols_frames(target->bin, at->address - names->load_biases[at->target], frames);

	if (n)
		symtab_add(table, (uint32_t)target->pid, at->address, frames, n);
}

/* The next `most` of one target; how many went into the body. */
static size_t encode(const struct names *names, size_t most, struct buffer *body)
{
	struct symtab *table = symtab_new();
	size_t n = 0;

	while (n < most && names->next + n < names->n &&
	       names->waiting[names->next + n].target == names->waiting[names->next].target)
		resolve(names, &names->waiting[names->next + n++], table);
	symtab_encode(table, body);
	symtab_free(table);
	return n;
}

bool names_take(struct names *names, size_t most, uint32_t *pid, struct buffer *out)
{
	struct buffer body = {0};
	size_t n;

	if (names->next == names->n)
		return false;
	*pid = (uint32_t)names->targets[names->waiting[names->next].target].pid;
	n = encode(names, most, &body);
	/* Names of any length: fewer of them, then. One that is too long by itself is left out. */
	while (body.len > NOTE_SYMBOLS_MAX) {
		body.len = 0;
		n = encode(names, n / 2, &body);
	}
	names->next += n ? n : 1;
	note_put_symbols(out, &(struct note_symbols){.table = body.data, .len = body.len});
	buffer_free(&body);
	return true;
}

void names_restart(struct names *names)
{
	for (size_t i = 0; i < names->n_targets; i++)
		map_free(&names->seen[i]);
	names->n = names->next = 0;
}

void names_free(struct names *names)
{
	if (!names)
		return;
	names_restart(names);
	free(names->seen);
	free(names->waiting);
	free(names);
}
