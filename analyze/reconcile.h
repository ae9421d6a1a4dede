#ifndef GMT_ANALYZE_RECONCILE_H
#define GMT_ANALYZE_RECONCILE_H

/*
 * The trace against heap dumps. A dump reports the very objects that the trace saw born and die, as
 * they stood at one GC cycle: both must agree, stack by stack and object for object. What does not
 * agree is a finding: events were lost, or the dump is of another process.
 *
 * In two steps, since what was alive at a cycle must be counted while the trace is read:
 *	reconcile_load for each dump, before the trace is read (model.snapshots is there from the
 *		first one on; track feeds it);
 *	reconcile_dumps once, after track and align.
 */

#include "analyze/model.h"
#include "formats/error.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Reads a heap dump of either form and appends it to model.dumps. Errors: unreadable, no heap dump,
 * damaged; the model is then as before.
 */
struct error *reconcile_load(struct model *model, const char *path);
/* The same for a dump that lies in memory; name stands for its path. */
struct error *reconcile_load_data(struct model *model, const char *name, const void *data,
				  size_t len);
/*
 * Compares every dump with the trace and completes its struct heap_dump. What cannot be compared
 * says why in `problem`.
 */
void reconcile_dumps(struct model *model);

/*
 * The key of a site's stack (formats/heapstack.h), for comparing it with a dump's; 0 where the
 * trace has no symbols for it.
 *
 * A bucket's stack has one return address per logical frame: a frame that was inlined is followed
 * by an address that stands for the frame it was inlined into, and so on up to the physical one
 * (tracebackPCs, runtime/traceback.go). So of the frames that the symbol table has for an address
 * only the innermost counts where the rest follows as addresses of their own: where the next
 * address has as its frames a tail of these. Where it does not, the rest was cut off by the limit
 * on depth, and pprof adds it again (expandFinalInlineFrame, runtime/symtab.go); or the stack is
 * one of physical frames, as the kernel unwinds them. Then all of them count, except the wrappers
 * that the compiler makes for methods, `defer` and `go`, which the runtime leaves out of stacks.
 *
 * To find the leading frames that it hides, writeHeapProto looks up the return address itself
 * (FuncForPC), which may lie in a function inlined after the call: a frame of the runtime may be
 * shown where that one is not of the runtime. That matters for stacks of nothing but the runtime,
 * which are otherwise shown whole: their keys are also tried without the `drop` innermost frames
 * (0 where nothing is left, or where the stack is not of that kind).
 */
uint64_t reconcile_site_key(const struct model *model, const struct site *site, size_t drop);

#endif
