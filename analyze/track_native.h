#ifndef GMT_ANALYZE_TRACK_NATIVE_H
#define GMT_ANALYZE_TRACK_NATIVE_H

/*
 * Memory of C code, from the events of record/native.c: allocations as they return, frees, and of
 * some functions also the entry. They become objects of kind SITE_NATIVE, by pointer.
 *
 * An allocator may be built from itself: a realloc that calls malloc and free, a memalign that ends
 * in malloc. Only what the program itself called counts. What runs below the stack pointer of a
 * function that was entered and has not returned is inside it; and a pointer that is given
 * out twice in a row on one thread is given out by a function and by what it called.
 */

#include "analyze/track_state.h"

/*
 * A stack ends where Go called C. The Go frames behind are the kernel's, or else those of the call
 * that the thread is in, which had an event of its own.
 */

struct native_state;

void track_native_enter(struct track *track, const struct event *event);
void track_native_return(struct track *track, const struct event *event);
void track_native_free(struct track *track, const struct event *event);
/* The stack of an event that C code may have caused: an id of track->stacks. */
uint32_t track_native_stack(struct track *track, const struct event *event);
void track_cgo_call(struct track *track, const struct event *event);
void track_native_note(struct track *track, const struct note_native *note);
/* Tells the processes how theirs were recorded. */
void track_native_finish(struct track *track);
/* Events were lost: which functions are still running is not known any more. */
void track_native_lost(struct track *track);
void track_native_state_free(struct native_state *state);

#endif
