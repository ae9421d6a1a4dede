#ifndef GMT_RECORD_OPTIONS_H
#define GMT_RECORD_OPTIONS_H

#include "formats/error.h"
#include "record/extra_spec.h"
#include "record/fetch.h"
#include "record/plan.h"
#include "record/snapshot.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum record_action { ACTION_RECORD, ACTION_LIST, ACTION_CHECK, ACTION_HELP, ACTION_VERSION };

struct record_options {
	enum record_action action;
	char *const *command; /* NULL-terminated; NULL in attach mode */
	pid_t *pids;
	size_t n_pids;
	const char *output;
	uint64_t duration_ms; /* 0: until the target ends or SIGINT */
	enum heap_mode heap;
	uint64_t set_rate; /* bytes; 0: the program's own rate stays */
	uint64_t min_size; /* --heap=all, --native: smallest allocation recorded */
	bool goroutines;
	bool gctrace;		    /* take the gctrace lines out of the command's standard error */
	const char *gctrace_file;   /* and append them here; NULL: nowhere */
	bool native;		    /* the C library's malloc family */
	uint64_t native_every;	    /* of which one allocation of so many; 1: every one */
	uint64_t every;		    /* --heap=all: one of so many; 0 and 1: every one */
	struct fetch_source *dumps; /* --pprof */
	size_t n_dumps, cap_dumps;
	struct extra_specs extra;	       /* --faults, --kprobe, -e */
	uint64_t max_size;		       /* bytes of all files together; 0: no limit */
	uint64_t rotate_size;		       /* a new file after so many bytes; 0: not by size */
	uint64_t rotate_time;		       /* or after so many ns; 0: not by time */
	uint32_t keep;			       /* files of a rotation that are kept; 0: all */
	bool snapshot;			       /* keep the last minutes in memory only */
	uint64_t snapshot_window;	       /* that many, ns */
	uint64_t snapshot_memory;	       /* in so much memory at most, bytes */
	struct snapshot_condition *conditions; /* when to write them, beside SIGUSR2 */
	size_t n_conditions, cap_conditions;
	int compression_level;
	unsigned ring_pages; /* 0: default */
	int verbosity;	     /* common/log.h */
	char *const *argv;   /* the whole command line, for the trace */
};

/* Whether the trace goes to standard output, in perf's pipe form. */
bool options_to_pipe(const struct record_options *options);
/* Whether it goes to a row of numbered files. */
bool options_numbered(const struct record_options *options);

/* Parses the command line. Errors are usage errors. Free with options_free. */
struct error *options_parse(int argc, char *argv[], struct record_options *options);
void options_free(struct record_options *options);

/* "90s", "10m", "2h", "1500ms" or plain seconds, in ms; false where it is none of these. */
bool options_duration(const char *text, uint64_t *ms);

extern const char options_help[];

#endif
