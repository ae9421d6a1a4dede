#ifndef GMT_ANALYZE_PROGRAM_H
#define GMT_ANALYZE_PROGRAM_H

/*
 * The program's own code, and that of the modules that it uses, as opposed to Go's standard
 * library: by the import paths that functions are named by.
 */

#include "analyze/model.h"

/* Whether a Go function is not of the standard library. */
bool is_of_program(const char *function);

/* The index in its stack of the first frame of a site that is the program's own; the stack's length
 * where there is none. */
uint32_t program_frame_index(const struct model *model, const struct site *site);

/* That frame, where the site itself is named by a function of the standard library; else NULL. */
const struct symtab_frame *program_frame(const struct model *model, const struct site *site);

#endif
