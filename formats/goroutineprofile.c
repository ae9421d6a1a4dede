#include "formats/goroutineprofile.h"

#include "formats/bytes.h"
#include "formats/decompress.h"
#include "formats/textfile.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define MAX_FRAMES 1000		      /* of a stack; the runtime keeps 128 */
#define MAX_VOLUME ((size_t)10 << 20) /* frames of all stacks: a file may repeat a long one */
#define MAX_FILE   ((size_t)1 << 30)
#define CHUNK	   65536

static struct goroutine_stack *add_stack(struct goroutine_profile *profile)
{
	xgrow(profile->stacks, profile->cap_stacks, profile->n_stacks + 1);
	profile->stacks[profile->n_stacks] = (struct goroutine_stack){0};
	return &profile->stacks[profile->n_stacks++];
}

static int by_count(const void *a, const void *b)
{
	const struct goroutine_stack *x = a, *y = b;

	return (x->count < y->count) - (x->count > y->count);
}

static void finish(struct goroutine_profile *profile)
{
	if (profile->n_stacks)
		qsort(profile->stacks, profile->n_stacks, sizeof(profile->stacks[0]), by_count);
}

/* ---- From profile.proto ---------------------------------------------------------------- */

static const char *keep(struct goroutine_profile *profile, const char *text)
{
	return arena_strndup_printable(&profile->arena, text, strlen(text));
}

static void add_sample(struct goroutine_profile *profile, const struct pprof_profile *pprof,
		       const struct heap_frame *functions, const struct pprof_sample *sample)
{
	struct goroutine_stack *stack = add_stack(profile);
	size_t n = 0, at = 0;

	for (size_t i = 0; i < sample->n_locations; i++)
		n += pprof->locations[sample->locations[i]].n_lines;
	n = n < MAX_FRAMES ? n : MAX_FRAMES;
	stack->count = (uint64_t)sample->values[0];
	stack->frames = arena_zalloc(&profile->arena, n, sizeof(stack->frames[0]));
	for (size_t i = 0; i < sample->n_locations; i++) {
		const struct pprof_location *l = &pprof->locations[sample->locations[i]];

		for (size_t k = 0; k < l->n_lines && at < n; k++, at++) {
			const struct pprof_line *line = &l->lines[k];

			stack->frames[at] = line->function == PPROF_NONE
						    ? (struct heap_frame){"", "", 0}
						    : functions[line->function];
			if (line->line > 0 && line->line <= UINT32_MAX)
				stack->frames[at].line = (uint32_t)line->line;
		}
	}
	stack->n_frames = at;
	profile->total += stack->count;
}

static struct error *from_pprof(const struct pprof_profile *pprof,
				struct goroutine_profile *profile)
{
	const char *type = pprof->n_sample_types ? pprof->sample_types[0].type : "";
	struct heap_frame *functions;
	size_t volume = 0;

	profile->leaked = !strcmp(type, "goroutineleak");
	if (!profile->leaked && strcmp(type, "goroutine") != 0)
		return error_new("not a goroutine profile");
	profile->time_nanos = pprof->time_nanos;
	functions = xcalloc(pprof->n_functions + 1, sizeof(functions[0]));
	for (size_t i = 0; i < pprof->n_functions; i++)
		functions[i] = (struct heap_frame){keep(profile, pprof->functions[i].name),
						   keep(profile, pprof->functions[i].file), 0};
	for (size_t i = 0; i < pprof->n_samples && volume < MAX_VOLUME; i++) {
		if (pprof->samples[i].values[0] <= 0)
			continue;
		add_sample(profile, pprof, functions, &pprof->samples[i]);
		volume += profile->stacks[profile->n_stacks - 1].n_frames;
	}
	free(functions);
	return volume < MAX_VOLUME ? NULL : error_new("more than 10 million stack frames");
}

/* ---- From text ------------------------------------------------------------------------- */

struct line {
	const char *p, *end;
};

static bool next_line(struct line *rest, struct line *line)
{
	const char *newline;

	if (rest->p == rest->end)
		return false;
	newline = memchr(rest->p, '\n', (size_t)(rest->end - rest->p));
	*line = (struct line){rest->p, newline ? newline : rest->end};
	rest->p = newline ? newline + 1 : rest->end;
	if (line->end > line->p && line->end[-1] == '\r')
		line->end--;
	return true;
}

static bool take(struct line *line, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(line->end - line->p) < len || memcmp(line->p, text, len) != 0)
		return false;
	line->p += len;
	return true;
}

static bool take_number(struct line *line, uint64_t *number)
{
	const char *begin = line->p;

	for (*number = 0; line->p < line->end && *line->p >= '0' && *line->p <= '9'; line->p++)
		if (__builtin_mul_overflow(*number, 10, number) ||
		    __builtin_add_overflow(*number, (uint64_t)(*line->p - '0'), number))
			return false;
	return line->p > begin;
}

static const char *keep_text(struct goroutine_profile *profile, const char *from, const char *to)
{
	return arena_strndup_printable(&profile->arena, from, (size_t)(to - from));
}

static const char *last(const char *from, const char *to, char c)
{
	while (to > from && to[-1] != c)
		to--;
	return to > from ? to - 1 : NULL;
}

/* "#\t0x47d0e1\tmain.wait+0x21\t/src/main.go:12", the columns padded with tabs. */
static bool read_frame(struct goroutine_profile *profile, struct line line,
		       struct heap_frame *frame)
{
	const char *end, *cut;
	uint64_t number = 0;
	struct line tail;

	if (!take(&line, "#\t0x") || !(line.p = memchr(line.p, '\t', (size_t)(line.end - line.p))))
		return false;
	while (take(&line, "\t"))
		;
	end = memchr(line.p, '\t', (size_t)(line.end - line.p));
	end = end ? end : line.end;
	cut = last(line.p, end, '+');
	frame->function = keep_text(profile, line.p, cut ? cut : end);
	line.p = end;
	while (take(&line, "\t"))
		;
	cut = last(line.p, line.end, ':');
	tail = (struct line){cut ? cut + 1 : line.end, line.end};
	if (cut && take_number(&tail, &number) && number <= UINT32_MAX)
		frame->line = (uint32_t)number;
	frame->file = keep_text(profile, line.p, cut ? cut : line.end);
	return true;
}

static void set_frames(struct goroutine_profile *profile, const struct heap_frame *frames, size_t n)
{
	struct goroutine_stack *stack;

	if (!n || !profile->n_stacks)
		return;
	stack = &profile->stacks[profile->n_stacks - 1];
	if (stack->n_frames)
		return;
	stack->frames = arena_zalloc(&profile->arena, n, sizeof(frames[0]));
	memcpy(stack->frames, frames, n * sizeof(frames[0]));
	stack->n_frames = n;
}

static struct error *from_text(const struct buffer *data, struct goroutine_profile *profile)
{
	struct line rest = {(const char *)data->data, (const char *)data->data + data->len}, line;
	struct heap_frame *frames = xcalloc(MAX_FRAMES, sizeof(frames[0]));
	uint64_t total = 0, count;
	size_t n = 0;
	bool sized;

	sized = next_line(&rest, &line);
	profile->leaked = take(&line, "goroutineleak");
	sized = sized && (profile->leaked || take(&line, "goroutine")) &&
		take(&line, " profile: total ") && take_number(&line, &total);
	while (sized && next_line(&rest, &line)) {
		struct line start = line;

		if (take_number(&line, &count) && take(&line, " @")) {
			set_frames(profile, frames, n);
			n = 0;
			add_stack(profile)->count = count;
			sized = !__builtin_add_overflow(profile->total, count, &profile->total);
		} else if (n < MAX_FRAMES) {
			frames[n] = (struct heap_frame){"", "", 0};
			n += read_frame(profile, start, &frames[n]);
		}
	}
	set_frames(profile, frames, n);
	free(frames);
	if (!sized)
		return error_new("not a goroutine profile");
	return profile->total == total
		       ? NULL
		       : error_new("it lacks goroutines: of %llu it has %llu",
				   (unsigned long long)total, (unsigned long long)profile->total);
}

/* ---- Either ---------------------------------------------------------------------------- */

static bool is_text(const struct buffer *data)
{
	return data->len > 9 && !memcmp(data->data, "goroutine", 9);
}

static struct error *parse_plain(const struct buffer *data, struct goroutine_profile *profile)
{
	struct pprof_profile *pprof;
	struct error *err;

	if (is_text(data))
		return from_text(data, profile);
	TRY(pprof_parse(data->data, data->len, &pprof));
	err = from_pprof(pprof, profile);
	pprof_free(pprof);
	return err;
}

struct error *goroutine_profile_parse(const void *data, size_t len,
				      struct goroutine_profile **profile)
{
	struct buffer plain = {0};
	struct error *err;

	*profile = xcalloc(1, sizeof(**profile));
	err = decompress(data, len, &plain);
	if (!err)
		err = parse_plain(&plain, *profile);
	buffer_free(&plain);
	if (err) {
		goroutine_profile_free(*profile);
		*profile = NULL;
		return err;
	}
	finish(*profile);
	return NULL;
}

struct error *goroutine_profile_read(const char *path, struct goroutine_profile **profile)
{
	struct buffer data = {0};
	struct textfile *file;
	struct error *err;
	size_t len = 1;

	*profile = NULL;
	TRY(textfile_open(path, &file));
	do {
		uint8_t *room = buffer_extend(&data, CHUNK);

		err = textfile_read(file, room, CHUNK, &len);
		data.len -= CHUNK - (err ? 0 : len);
		if (!err && data.len > MAX_FILE)
			err = error_new("%s: larger than a profile can be", path);
	} while (!err && len);
	textfile_close(file);
	if (!err)
		err = error_context(goroutine_profile_parse(data.data, data.len, profile), "%s",
				    path);
	buffer_free(&data);
	return err;
}

void goroutine_profile_free(struct goroutine_profile *profile)
{
	if (!profile)
		return;
	free(profile->stacks);
	arena_free(&profile->arena);
	free(profile);
}
