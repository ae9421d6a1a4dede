#ifndef GMT_RECORD_FETCH_H
#define GMT_RECORD_FETCH_H

/*
 * Heap dumps over HTTP while a recording runs. Each source has a thread of its own, so that neither
 * the recording nor another source waits for it. Requests go to the URLs that are given and nowhere
 * else: no redirection, no proxy. What fails becomes a remark and is harmless.
 */

#include "formats/bytes.h"
#include "formats/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FETCH_MAX_BYTES ((size_t)256 << 20) /* of one dump, and of all of them */

struct fetch_source {
	char *url;
	uint64_t every; /* ns: from the start on, at this interval and at the end; 0: at the end */
};

struct fetch;

/* `URL` or `URL@EVERY`. False: not an http or https URL. source->url is to be freed. */
bool fetch_parse_source(const char *text, struct fetch_source *source);

/* Begins. The sources stay the caller's and must outlive it. */
struct error *fetch_start(const struct fetch_source *sources, size_t n, struct fetch **fetch);
/* Becomes readable when there are remarks to take, or the last dumps are there. */
int fetch_fd(const struct fetch *fetch);
/* What went wrong since the last call: an array of *n texts, to be freed with them. */
char **fetch_remarks(struct fetch *fetch, size_t *n);

/* Asks for the last dump of each source, while the target still runs. */
void fetch_last(struct fetch *fetch);
/* Whether these are there, or have failed. */
bool fetch_idle(struct fetch *fetch);
/* Ends what still runs, within about a second. */
void fetch_stop(struct fetch *fetch);
/*
 * Appends the section for the trace, in the order of time, with what has come and was not taken
 * before; nothing where there is none. Returns how many dumps it has.
 */
size_t fetch_take(struct fetch *fetch, uint32_t pid, struct buffer *out);
/* Lets go of what came before this time (ns). */
void fetch_forget(struct fetch *fetch, uint64_t before);
/* Stops too, if need be. */
void fetch_free(struct fetch *fetch);

#endif
