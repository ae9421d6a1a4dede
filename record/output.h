#ifndef GMT_RECORD_OUTPUT_H
#define GMT_RECORD_OUTPUT_H

#include "formats/error.h"

#include <stdint.h>

/*
 * Creates the trace file: mode 0600, owned by the invoking user (SUDO_UID). A file that is there
 * already is kept as PATH.old. Errors name the path and the remedy.
 */
struct error *output_create(const char *path, int *fd);

/*
 * NULL where a file could be created at path; else an error. Leaves nothing behind. "-" is standard
 * output, which must not be a terminal.
 */
struct error *output_check(const char *path);

/* The name of a numbered file: PATH.000001. To be freed. */
char *output_numbered(const char *path, uint32_t number);
/* The number behind the greatest one that is there: none is overwritten. */
uint32_t output_next_number(const char *path);

/* Opens a text that lines are appended to; a new one belongs to the same user. */
struct error *output_append(const char *path, int *fd);

#endif
