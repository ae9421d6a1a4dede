#ifndef GMT_COMMON_GO_LAYOUT_H
#define GMT_COMMON_GO_LAYOUT_H

#include "common/gobin.h"

/*
 * The layout of the runtime's structures in a version, from a table. Versions newer than the
 * table get its newest row. All fields are set, `from_dwarf` to false.
 */
void go_layout_of_version(const struct go_version *version, struct go_layout *layout);

#endif
