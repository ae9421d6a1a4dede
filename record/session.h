#ifndef GMT_RECORD_SESSION_H
#define GMT_RECORD_SESSION_H

/*
 * The perf events of a recording and their ring buffers, through libperf. One buffer per CPU; all
 * events of a CPU write into it. Every attr has PERF_SAMPLE_IDENTIFIER, so that any reader can tell
 * the events apart, and the same sample layout up to the time.
 */

#include "formats/bytes.h"
#include "formats/error.h"
#include "formats/perfdata.h"
#include "record/probes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct session;

struct session_options {
	const struct trace_event *events;
	size_t n_events;
	const pid_t *threads; /* every thread to record; those they create follow by themselves */
	size_t n_threads;
	bool enable_on_exec; /* command mode: nothing counts before the exec */
	unsigned ring_pages; /* per CPU, a power of two; 0: chosen by the number of CPUs */
};

/*
 * Opens all events, disabled. Errors name what was refused and the remedy; *gone is set where a
 * thread ended in between (open again with a fresh list).
 */
struct error *session_open(const struct session_options *options, struct session **session,
			   bool *gone);

void session_enable(struct session *session);
void session_disable(struct session *session);

/* What was opened, in order, for the file's header. Event 0 samples. Owned by the session. */
const struct perfdata_event *session_events(const struct session *session, size_t *n);

/* Waits until a ring fills, one of fds (-1: none) becomes readable or the time is over. */
void session_wait(struct session *session, const int *fds, size_t n_fds, uint64_t timeout_ns);

/* Counts over everything read so far. */
struct session_counts {
	uint64_t records, samples, lost, lost_records, throttled;
	uint64_t first_time, last_time; /* of samples, ns */
	uint64_t bytes;
};

/* Takes bytes of the rings; a call may end inside of a record. */
typedef struct error *session_sink(void *context, const void *bytes, size_t len);

/*
 * Hands the content of all rings to the sink, in bulk, and counts it. What is newer than `until`
 * (ns) stays where it is; UINT64_MAX: nothing does.
 */
struct error *session_drain(struct session *session, uint64_t until, session_sink *sink,
			    void *context);
const struct session_counts *session_counts(const struct session *session);
/* first_time and last_time count from here: another file begins. */
void session_restart_times(struct session *session);

/* Takes a sample of event i as it is drained, or with SESSION_EXEC the COMM record of an exec. */
#define SESSION_EXEC SIZE_MAX
typedef void session_look(void *context, size_t i, const void *record);

/* Calls look for the samples of these events (by index), and for each exec. */
void session_look_at(struct session *session, const bool *events, session_look *look,
		     void *context);

/* Takes out the processes that have executed a program since the last time: at most max, the oldest
 * first. Of very many some are left out. */
size_t session_take_execs(struct session *session, uint32_t *pids, size_t max);

/* How often the kernel counted event i, lost or not; 0 where it cannot be read. */
uint64_t session_event_count(const struct session *session, size_t i);

/* Appends to out a sample of the note event with this payload and time (CLOCK_MONOTONIC ns). */
void session_note(const struct session *session, uint32_t pid, uint64_t time, const void *payload,
		  size_t len, struct buffer *out);

/* Appends the sample_id trailer of a synthesized record. */
void session_sample_id(const struct session *session, uint32_t pid, uint32_t tid, uint64_t time,
		       struct buffer *out);

void session_close(struct session *session);

#endif
