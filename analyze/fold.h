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

#endif
