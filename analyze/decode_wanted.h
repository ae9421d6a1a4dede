#ifndef GMT_ANALYZE_DECODE_WANTED_H
#define GMT_ANALYZE_DECODE_WANTED_H

/* What the decoder looks for: the events and fields that `record` writes, by their names. */

#include "analyze/event.h"

#define MAX_FIELDS 24

struct wanted_field {
	const char *name;
	enum event_field field;
};

/* A probe by the name of its event, with the fields it may have, ended by one without a name. */
struct wanted_probe {
	const char *name;
	enum event_kind kind;
	struct wanted_field fields[MAX_FIELDS];
};

/* A system call, with its arguments as the syscalls tracepoints name them. */
struct wanted_syscall {
	const char *name;
	enum event_syscall call;
	const char *args[6];
};

/* NULL: no such probe. A number behind the name, as perf probe adds it, is no part of it. */
const struct wanted_probe *wanted_by_name(const char *name);
const struct wanted_probe *wanted_by_kind(enum event_kind kind);
/* By the name of the call itself: "mmap". */
const struct wanted_syscall *wanted_syscall(const char *name);
/* What events of the malloc family, and Go's calls of C, may have; MAX_FIELDS of them at most. */
extern const struct wanted_field wanted_native_fields[MAX_FIELDS];

#endif
