#ifndef GMT_RECORD_PROBES_H
#define GMT_RECORD_PROBES_H

/*
 * Dynamic events in tracefs: installing a plan, and leaving nothing behind.
 *
 * Every recorder uses an event group of its own, gmt_<pid>_<random>. Groups of recorders that died
 * are found by their name and removed by the next one: the kernel refuses to remove an event that
 * somebody has open (EBUSY), and a recorder holds an flock on tracefs from creating its events to
 * opening them, so what can be removed under that lock belongs to nobody. That holds across PID
 * namespaces too.
 */

#include "common/log.h"
#include "formats/error.h"
#include "record/plan.h"

#include <stddef.h>
#include <stdint.h>

#define PROBE_GROUP_PREFIX "gmt_"
/* Ends the name of the group of what the user asked for. */
#define PROBE_GROUP_EXTRA "_x"

/* An event that is to be opened: one of tracefs, or of perf's own. */
struct trace_event {
	char *system;	    /* in tracefs; NULL: perf's own */
	char *name;	    /* in tracefs, or as perf has it: "page-faults" */
	uint32_t type;	    /* PERF_TYPE_*, for perf_event_attr.type */
	uint64_t id;	    /* for perf_event_attr.config */
	const char *filter; /* in the kernel's words; NULL for none */
	uint64_t period;    /* one sample for so many hits; with is_freq so many a second */
	bool is_freq;
	bool callchain;
	bool has_address; /* the sample has a data address */
	bool exclude_user, exclude_kernel;
	bool is_extra;	 /* the user asked for it */
	bool user_stack; /* with registers and the top of the stack */
	/* A breakpoint through the uprobe PMU (probes_pmu.h): the file, the offset in it, and the
	 * registers to take along, a mask of perf's. NULL: not of that kind. */
	char *path;
	uint64_t offset, user_regs;
};

struct probes;

/*
 * Finds tracefs (mounting it at its place where it is not), takes the lock and removes what dead
 * recorders left. *removed counts their events. Errors name the remedy.
 */
struct error *probes_open(struct probes **probes, size_t *removed);
/* No events at all, where there is no tracefs to have them from. */
struct probes *probes_none(void);

/*
 * Creates the events of a plan on the executable that exe_ref names. Each executable of a
 * recording has a group of its own, since its events have the same names. Of the allocation entry
 * points one hit in alloc_period is recorded.
 */
struct error *probes_install(struct probes *probes, const struct plan *plan, const char *exe_ref,
			     uint64_t alloc_period);

/* Whether this kernel's dynamic events can have array fields (since 4.20). */
bool probes_take_arrays(void);

/* Where a field lies in the raw data of an event, bytes; size 0: it has none of this name. */
struct probes_place {
	unsigned offset, size;
};
void probes_places(const struct trace_event *event, const char *const *fields, size_t n,
		   struct probes_place *places);

/*
 * Where an array field lies in the raw data of an event: offset and number of 8-byte elements.
 * False where the event has no such field.
 */
bool probes_array_field(const struct trace_event *event, const char *field, unsigned *offset,
			unsigned *count);

/*
 * Adds an existing tracepoint; *found says whether the kernel has it. The filter is a literal, or
 * NULL for none.
 */
void probes_add_tracepoint(struct probes *probes, const char *system, const char *name,
			   const char *filter, bool callchain, bool *found);

/*
 * Takes over a dynamic event that was allocated in probes_extra_group under this name, creates it
 * and appends it. `what` names it in errors, which have the kernel's own words.
 */
struct tracefs_dynevent;
struct error *probes_create(struct probes *probes, struct tracefs_dynevent *dynevent,
			    const char *group, const char *name, const char *what,
			    struct trace_event **event);

/* The group of the events that the user asked for: the plan's names mean nothing there. */
const char *probes_extra_group(const struct probes *probes);

/* Appends an event; its system is NULL where it is not of tracefs. The pointer is good until the
 * next one. */
struct trace_event *probes_append(struct probes *probes, const char *system, const char *name,
				  uint32_t type, uint64_t id);

/* The id of an event in tracefs; false where it has none of this name. */
bool probes_event_id(const char *system, const char *name, uint64_t *id);

/* The event added last is to have the top of the stack too. */
void probes_want_user_stack(struct probes *probes);

/* All events so far; the array belongs to probes. */
const struct trace_event *probes_events(const struct probes *probes, size_t *n);

/* "system:name", or the name alone of what is not of tracefs; to be freed. */
char *probes_event_name(const struct trace_event *event);

/* The text of an event's format file, to be freed; NULL where it cannot be read. */
char *probes_format(const struct trace_event *event);

/* Lets other recorders go on: call when the events are open. */
void probes_unlock(struct probes *probes);

/* Removes our events (they must be closed) and frees. Returns how many could not be removed. */
size_t probes_close(struct probes *probes);

#endif
