#ifndef GMT_FORMATS_TEXTFILE_H
#define GMT_FORMATS_TEXTFILE_H

/* A file of text as a stream of bytes, whether it lies there plain, gzipped or in zstd frames. */

#include "formats/error.h"

#include <stdbool.h>
#include <stddef.h>

struct textfile;

/* Opens path; "-" is standard input. What it is compressed with is seen from its first bytes. */
struct error *textfile_open(const char *path, struct textfile **file);

/*
 * Reads up to cap bytes; *len is 0 at the end. Where compressed data is cut or damaged, what comes
 * before is delivered first, and then the error.
 */
struct error *textfile_read(struct textfile *file, void *data, size_t cap, size_t *len);
void textfile_close(struct textfile *file);

#endif
