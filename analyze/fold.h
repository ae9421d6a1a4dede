#ifndef GMT_ANALYZE_FOLD_H
#define GMT_ANALYZE_FOLD_H

#include "analyze/model.h"

/*
 * Makes one site of all mappings that the Go runtime of a process made for itself (its heap, tables
 * and stacks): these follow the heap, wherever in the program it happened to grow. And one of all
 * threads that its scheduler started: which goroutine needs one more is not in their call chains.
 * Known by the symbols, so once the trace has been read. What is folded already stays as it is.
 */
void fold_runtime_sites(struct model *model);

/*
 * Whether a site makes overflow buckets of Go's maps, as they were up to Go 1.23. Of these there
 * are never many more than buckets: then the map is copied, and they go (runtime/map.go,
 * tooManyOverflowBuckets). So it is the map's buckets that grow with it.
 */
bool fold_is_overflow(const struct model *model, const struct site *site);

#endif
