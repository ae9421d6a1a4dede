#ifndef GMT_RECORD_RECORDING_H
#define GMT_RECORD_RECORDING_H

/*
 * The state of one recording, and its parts: what happens before it (setup.c), what is written
 * into it (emit.c), the files that it is written into (files.c, rotate.c), the course of it
 * (recorder.c), and what is said of it at its end (summary.c).
 */

#include "common/log.h"
#include "formats/error.h"
#include "formats/note.h"
#include "formats/perfdata.h"
#include "record/clocks.h"
#include "record/fetch.h"
#include "record/flight.h"
#include "record/names.h"
#include "record/native.h"
#include "record/options.h"
#include "record/probes.h"
#include "record/session.h"
#include "record/span_events.h"
#include "record/stderr_tee.h"
#include "record/symbols.h"
#include "record/target.h"
#include "record/watch.h"

#include <stdbool.h>
#include <stdint.h>

/* A file of a recording. */
struct file {
	int fd;		 /* -1: none */
	char *path;	 /* NULL: none */
	uint32_t number; /* in its name; 0: it has none */
	uint64_t began;	 /* ns; what happened before is not in it */
	uint64_t bytes;	 /* of an ended one */
	const char *why; /* why it was written: a snapshot */
};

/* One recording: what is recorded, through what, into what. */
struct recording {
	const struct record_options *options;
	const struct log *log;
	struct target *targets;
	struct plan *plans;	 /* by target */
	struct native **natives; /* by target: --native; else NULL each */
	struct watch **watches;
	uint64_t *biases;
	size_t n_targets;
	struct children *children; /* what the targets have started */
	struct probes *probes;
	bool lists_goroutines; /* those that are there, at the beginning of a file */
	struct session *session;
	struct span_events *spans; /* --heap=span; else NULL */
	uint64_t id;		   /* the same in all files of the recording */
	/* Where it is written: into a file, or with --snapshot into memory. */
	struct perfdata_writer *writer;	    /* NULL: there is no file now */
	struct flight *flight;		    /* --snapshot; else NULL */
	struct snapshot_watch **conditions; /* by target, then by condition */
	struct buffer tracing_data;
	struct buffer kernel_map; /* a record: to be had before the privileges are given up */
	struct file file;	  /* the present one */
	struct file written;	  /* totals over those that have ended; number: of the last one */
	uint32_t first_number;	  /* of the numbered files */
	pid_t helper;		  /* completes a file; 0: none */
	uint32_t failed_files;	  /* that could not be completed */
	const char *asked;	  /* why a file is to be written now; NULL: it is not */
	struct names *names;
	struct symbols_array *arrays; /* the stk fields of the births */
	size_t n_arrays;
	struct fetch *fetch;	/* --pprof; else NULL */
	struct stderr_tee *tee; /* --gctrace; else NULL */
	int gctrace_fd;		/* its FILE; -1: none */
	int signal_fd;
	char *journal; /* of --set-rate */
	uint64_t started, deadline;
	struct clocks clocks;
	const char *why_early; /* why it ended before it should; NULL: it did not */
	bool stop;	       /* asked for by signal, time or a full disk */
	bool ended;	       /* every target has ended */
	bool closing;	       /* the last heap dumps are being fetched */
	bool abandon;	       /* and are not to be waited for */
	bool child_ended;
	int child_status;      /* as waitpid has it */
	struct error *failure; /* the first write that failed */
};

/* ---- setup.c ------------------------------------------------------------------------------- */

/* Finds the targets, opens their binaries and makes their plans. *status: as recorder_run. */
struct error *setup_targets(struct recording *r, int *status);
/* Forks the command, with what --gctrace does to its surroundings. */
struct error *setup_command(struct recording *r);
/* Creates the events of all plans, and adds the tracepoints, under the lock on tracefs. */
struct error *setup_events(struct recording *r);
/* Opens them on every thread of every target. */
struct error *setup_session(struct recording *r);
/* Has the events of spans looked at, where a plan has them. */
void setup_spans(struct recording *r);
/* Creates the trace file, or the memory of a flight recorder. */
struct error *setup_writer(struct recording *r);

/* ---- emit.c -------------------------------------------------------------------------------- */

/* Keeps the first failure to write, and asks for the end. NULL is no failure. */
void emit_failed(struct recording *r, struct error *err);
/* A watch_sink: writes a note. */
void emit_note(void *recording, uint32_t pid, uint64_t time, const struct buffer *payload);
void emit_clock(struct recording *r);
/* To be called every second or so: a clock pair now and then, and those around each step. */
void emit_clock_changes(struct recording *r);
/* A remark about a process, or (0) the whole; takes the text. */
void emit_text(struct recording *r, uint32_t pid, char *text);
/* Where the kernel lies. */
void emit_kernel(struct recording *r, uint64_t time);
/* What was installed and what could not be, so that the trace explains itself. */
void emit_plans(struct recording *r);
/* The present file begins, or ends, at a time; `text`: why. */
void emit_part(struct recording *r, uint64_t time, bool ends, const char *text);
/* Names and mappings of the targets and of what they have started. */
void emit_processes(struct recording *r, uint64_t time);
/* Some of the names for the stacks that have come; all of them where they are the only ones. */
void emit_names(struct recording *r, bool all);
/* What the fetching of heap dumps has to say. */
void emit_remarks(struct recording *r);
/* The gctrace lines that have come. */
void emit_gctrace(struct recording *r);
/* What is in the rings and not newer than `until` goes to the file, as one round. */
void emit_rings(struct recording *r, uint64_t until);
/* Makes what was written safe against our own death. */
void emit_flush(struct recording *r);
/* What has become of the objects of a process that spans tell of. whole: of all of them. */
void emit_spans(struct recording *r, struct watch *watch, pid_t pid, bool whole);
/* The symbol table and the build ids, at the end. */
void emit_symbols(struct recording *r);

/* ---- files.c ------------------------------------------------------------------------------- */

/* Creates the next file, and its writer. */
struct error *files_open(struct recording *r);
/* Completes the present file, with its symbols, and closes it. `dumps`: a section, may be empty. */
struct error *files_complete(struct recording *r, const struct buffer *dumps);
/* The same in a process of its own, while the recording goes on, which leaves the file. */
void files_complete_aside(struct recording *r, const struct buffer *dumps,
			  struct error *complete(struct recording *r, const struct buffer *dumps));
/* Whether such a process is at work; collects one that is not any more. wait: until it is not. */
bool files_busy(struct recording *r, bool wait);
/* Bytes of all files up to now. */
uint64_t files_bytes(const struct recording *r);
/* Says what was written, and what to do with it. */
void files_summary(const struct recording *r);
void files_free(struct recording *r);

/* ---- summary.c ----------------------------------------------------------------------------- */

/* What the readings of a target were, for -v. */
void summary_readings(const struct recording *r, size_t i);
/* What was recorded, in a line or a few. */
void summary_print(const struct recording *r);

/* ---- rotate.c ------------------------------------------------------------------------------ */

/* All that a file needs to be read from here on, as at an attach. */
void rotate_begin(struct recording *r, uint64_t from);
/* Ends the file, or its recording, where it is time for that: --rotate, --max-size, --snapshot. */
void rotate_look(struct recording *r);
/* Writes what is in memory into a file of its own. aside: while the recording goes on. */
void rotate_snapshot(struct recording *r, const char *why, bool aside);

#endif
