#ifndef GMT_ANALYZE_TRACK_OBJECTS_H
#define GMT_ANALYZE_TRACK_OBJECTS_H

/*
 * Objects of all kinds but the Go heap's: goroutines, native memory, mappings, threads. Every one
 * of them is seen to be made and to end, at once and with no GC; they are counted by slices of
 * time, of which there are always few. Memory grows with the objects that are alive and with
 * distinct stacks.
 */

#include "analyze/track_state.h"

struct object_birth {
	enum site_kind kind;
	uint64_t key;	  /* which one: no other of its kind that lives has it */
	uint32_t stack;	  /* who made it: an id of track->stacks */
	uint64_t origin;  /* another mark of its site, for deaths that know no more; 0: none */
	uint64_t starts;  /* as in struct site */
	uint64_t bytes;	  /* that it takes */
	double est_bytes; /* that it stands for, where not all are recorded; 0: bytes */
	uint64_t time;
};

/* One that is still there under that key ended without a word. */
void track_object_born(struct track *track, struct life *life, const struct object_birth *birth);
/* It was there before: neither a birth, nor its end a death of one that was seen. Without effect
 * where it is known. */
void track_object_found(struct track *track, struct life *life, const struct object_birth *birth);
/* False: its beginning was not seen. It then counts for the site of that origin (0: not known). */
bool track_object_died(struct track *track, struct life *life, enum site_kind kind, uint64_t key,
		       uint64_t origin, uint64_t time);
/* It goes on living, with fewer bytes. */
void track_object_shrunk(struct track *track, struct life *life, enum site_kind kind, uint64_t key,
			 uint64_t bytes, uint64_t time);
/* One that was found is no more, before the time that is looked at. */
void track_object_forgotten(struct track *track, struct life *life, enum site_kind kind,
			    uint64_t key);
/* All that are there are about to be found: those that ended before are of no use. */
void track_objects_begin(struct track *track, struct life *life, enum site_kind kind);
/* The site of one that is alive; UINT32_MAX: there is none. */
uint32_t track_object_site(const struct life *life, enum site_kind kind, uint64_t key);
/* Completes the sites and slices of a life and frees what it held. */
void track_finish_objects(struct track *track, struct life *life);

#endif
