#ifndef GMT_RECORD_RECORDING_H
#define GMT_RECORD_RECORDING_H

/*
 * The state of one recording, and its parts: what happens before it (setup.c), what is written
 * into it (emit.c), and the course of it (recorder.c).
 */

#include "common/log.h"
#include "formats/error.h"
#include "formats/note.h"
#include "formats/perfdata.h"
#include "record/fetch.h"
#include "record/native.h"
#include "record/options.h"
#include "record/probes.h"
#include "record/session.h"
#include "record/stderr_tee.h"
#include "record/symbols.h"
#include "record/target.h"
#include "record/watch.h"

#include <stdbool.h>
#include <stdint.h>

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
	struct probes *probes;
	struct session *session;
	struct perfdata_writer *writer;
	struct symbols_array *arrays; /* the stk fields of the births */
	size_t n_arrays;
	struct fetch *fetch;	/* --pprof; else NULL */
	struct stderr_tee *tee; /* --gctrace; else NULL */
	int gctrace_fd;		/* its FILE; -1: none */
	int out_fd, signal_fd;
	char *journal; /* of --set-rate */
	uint64_t started, deadline;
	struct note_clock clock, noted; /* as last read, and as last written */
	bool stop;			/* asked for by signal, time or a full disk */
	bool ended;			/* every target has ended */
	bool closing;			/* the last heap dumps are being fetched */
	bool abandon;			/* and are not to be waited for */
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
/* Creates the trace file. */
struct error *setup_writer(struct recording *r);

/* ---- emit.c -------------------------------------------------------------------------------- */

/* Keeps the first failure to write, and asks for the end. NULL is no failure. */
void emit_failed(struct recording *r, struct error *err);
/* A watch_sink: writes a note. */
void emit_note(void *recording, uint32_t pid, uint64_t time, const struct buffer *payload);
void emit_clock(struct recording *r);
/* To be called every second or so: a clock pair now and then, and those around each step. */
void emit_clock_changes(struct recording *r);
/* What was installed on target i and what could not be, so that the trace explains itself. */
void emit_plan(struct recording *r, size_t i);
/* What the fetching of heap dumps has to say; and these themselves, at the end. */
void emit_remarks(struct recording *r);
void emit_dumps(struct recording *r);
/* The gctrace lines that have come. */
void emit_gctrace(struct recording *r);
/* Everything in the rings goes to the file, as one round. */
void emit_rings(struct recording *r);
/* Makes what was written safe against our own death. */
void emit_flush(struct recording *r);
/* The symbol table and the build ids, at the end. */
void emit_symbols(struct recording *r);

#endif
