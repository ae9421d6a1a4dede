#include "formats/gctrace.h"

#include "formats/textfile.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 65536

static void collect(void *arg, const struct gctrace_entry *entry)
{
	struct gctrace_log *log = arg;

	log->counts[entry->kind]++;
	if (entry->kind != GCTRACE_GC && entry->kind != GCTRACE_GC_FORCED)
		return;
	log->stitched += entry->stitched;
	xgrow(log->entries, log->cap_entries, log->n_entries + 1);
	log->entries[log->n_entries] = *entry;
	log->entries[log->n_entries].raw = NULL;
	log->entries[log->n_entries].raw_len = 0;
	log->n_entries++;
}

static int by_place(const void *a, const void *b)
{
	const struct gctrace_entry *x = a, *y = b;

	return x->line != y->line ? (x->line > y->line) - (x->line < y->line)
				  : (x->offset > y->offset) - (x->offset < y->offset);
}

static void finish(struct gctrace_log *log, struct gctrace_parser *parser)
{
	gctrace_parser_finish(parser);
	log->lines = gctrace_parser_lines(parser);
	gctrace_parser_free(parser);
	if (log->n_entries)
		qsort(log->entries, log->n_entries, sizeof(log->entries[0]), by_place);
}

void gctrace_log_parse(const void *data, size_t len, struct gctrace_log *log)
{
	struct gctrace_parser *parser;

	*log = (struct gctrace_log){0};
	parser = gctrace_parser_new(collect, log);
	gctrace_parser_feed(parser, data, len);
	finish(log, parser);
}

static struct error *read_all(struct textfile *file, struct gctrace_parser *parser)
{
	struct error *err;
	size_t len;
	char *chunk = xmalloc(CHUNK);

	while (!(err = textfile_read(file, chunk, CHUNK, &len)) && len)
		gctrace_parser_feed(parser, chunk, len);
	free(chunk);
	return err;
}

static struct error *nothing_found(const char *path, const struct gctrace_log *log)
{
	if (log->counts[GCTRACE_DAMAGED])
		return error_remedy(error_new("%s: all %llu gctrace lines in it are damaged", path,
					      (unsigned long long)log->counts[GCTRACE_DAMAGED]),
				    "keep the program's standard error apart from other output");
	return error_remedy(error_new("%s: no gctrace line in it (%llu lines read)", path,
				      (unsigned long long)log->lines),
			    "run the program with GODEBUG=gctrace=1 and keep its standard error");
}

struct error *gctrace_log_read(const char *path, struct gctrace_log *log)
{
	struct gctrace_parser *parser;
	struct textfile *file;
	struct error *err;

	*log = (struct gctrace_log){0};
	TRY(textfile_open(path, &file));
	parser = gctrace_parser_new(collect, log);
	err = read_all(file, parser);
	textfile_close(file);
	finish(log, parser);
	if (log->counts[GCTRACE_GC]) {
		if (err)
			log->damage = xstrdup(error_message(err));
		error_free(err);
		return NULL;
	}
	if (!err)
		err = nothing_found(path, log);
	gctrace_log_free(log);
	return err;
}

void gctrace_log_free(struct gctrace_log *log)
{
	free(log->entries);
	free(log->damage);
	*log = (struct gctrace_log){0};
}
