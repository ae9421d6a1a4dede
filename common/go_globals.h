#ifndef GMT_COMMON_GO_GLOBALS_H
#define GMT_COMMON_GO_GLOBALS_H

#include "common/gobin.h"

/*
 * The ELF address of one of the runtime's globals, also in a stripped binary: from .symtab, else
 * decoded from the operands of functions that are known to touch it. Known are runtime.mbuckets,
 * runtime.mProf (to 1.18), runtime.mProfCycle (since 1.19), runtime.MemProfileRate,
 * runtime.gcController, runtime.memstats, runtime.mheap_, runtime.work,
 * runtime.runtimeInitTime, runtime.allgs and runtime.waitReasonStrings; any other is looked for in
 * .symtab alone. False where it is not found, or where the code leaves a doubt.
 */
bool gobin_global(const struct gobin *bin, const char *name, uint64_t *address);

/* The same without asking .symtab. */
bool gobin_global_decode(const struct gobin *bin, const char *name, uint64_t *address);

#endif
