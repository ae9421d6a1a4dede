#ifndef GMT_ANALYZE_NATIVE_STACK_H
#define GMT_ANALYZE_NATIVE_STACK_H

/*
 * The call stack of an event in C code. C code keeps no frame pointers, so that the kernel's chain
 * has the immediate caller and then, at best, the Go frames behind; the C frames are unwound from
 * the top of the stack by the rules that the trace brings.
 */

#include "analyze/event.h"
#include "formats/perfdata.h"

struct native_stack;

/* The rules of a trace; never NULL. Damaged ones are none. */
struct native_stack *native_stack_new(const struct perfdata_info *info);
/*
 * Fills in event.stack, and event.go: what is to come behind it. The sample's own chain, without
 * the kernel's marks, is event.stack before; it stands where nothing can be unwound. What the event
 * then points to is good until the next call.
 */
void native_stack_find(struct native_stack *stacks, const struct perfdata_sample *sample,
		       struct event *event);
void native_stack_free(struct native_stack *stacks);

#endif
