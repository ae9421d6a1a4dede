#ifndef GMT_COMMON_LOG_H
#define GMT_COMMON_LOG_H

#include "formats/error.h"

#include <stdio.h>

struct progress;

/*
 * Where a program talks to its user, and how much. One line each: "program: text".
 * verbosity: -1 (-q) warnings only, 0 information too, 1 (-v) the details, -2 errors only.
 */
struct log {
	int verbosity;
	FILE *out;
	struct progress *progress; /* taken away before a line is written; may be NULL */
};

void log_warn(const struct log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_info(const struct log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_debug(const struct log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints message and remedy, at every verbosity. For main alone; err stays the caller's. */
void log_error(const struct log *log, const struct error *err);

#endif
