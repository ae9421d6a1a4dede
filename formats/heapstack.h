#ifndef GMT_FORMATS_HEAPSTACK_H
#define GMT_FORMATS_HEAPSTACK_H

/*
 * When two call stacks are the same to pprof. The two forms of a heap dump, and a stack read from
 * the runtime's bucket, name the same frames in slightly different ways; the key of a stack is
 * equal for all of them:
 * - leading frames (innermost) of the runtime are left out, unless there are no others: the proto
 *   and the frames of the text leave them out (runtime/pprof/protomem.go, writeHeapProto; pprof.go,
 *   printStackRecord), `internal/runtime/` from Go 1.24 only, so here always;
 * - runtime.goexit is left out (runtime/pprof/proto.go, allFrames);
 * - type arguments are cut to "[...]": the text has them so, the proto in full from Go 1.21
 *   (runtime_FrameSymbolName), a symbol table as the binary has them;
 * - files are left out: the proto has one for each function, that of the frame which happened to
 *   come first (runtime/pprof/proto.go, emitLocation), but a package's `init`, which sets its
 *   variables, has lines of several files.
 * Two stacks that differ only in addresses on the same line have the same key.
 */

#include "formats/heapprofile.h"

uint64_t heap_stack_key(const struct heap_frame *frames, size_t n_frames);
/* Whether pprof hides a frame of this function at the innermost end of a stack. */
bool heap_frame_is_runtime(const char *function);

#endif
