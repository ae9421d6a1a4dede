#ifndef GMT_RECORD_LIMITS_H
#define GMT_RECORD_LIMITS_H

/* What bounds the memory of a process from outside: its control groups, and the machine. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct limits {
	uint64_t cgroup;    /* the least limit of the process's groups, bytes; 0: none */
	uint64_t machine;   /* bytes; 0 not known */
	uint64_t go_memory; /* GOMEMLIMIT in the process's environment; 0: none */
	char *control;	    /* the group that has the least limit; NULL */
};

/* proc: where procfs is, "/proc". Free with limits_free. */
void limits_read(const char *proc, pid_t pid, struct limits *limits);
void limits_free(struct limits *limits);

/* GOMEMLIMIT as the runtime reads it: "512MiB", "1073741824"; false for others and "off". */
bool limits_parse_go(const char *text, uint64_t *bytes);

#endif
