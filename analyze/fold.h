#ifndef GMT_ANALYZE_FOLD_H
#define GMT_ANALYZE_FOLD_H

#include "analyze/model.h"

/*
 * Makes one site of all mappings that the Go runtime of a process made for itself (its heap, tables
 * and stacks): these follow the heap, wherever in the program it happened to grow. Known by the
 * symbols, so once the trace has been read. What is folded already stays as it is.
 */
void fold_runtime_mappings(struct model *model);

#endif
