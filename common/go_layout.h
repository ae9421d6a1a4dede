#ifndef GMT_COMMON_GO_LAYOUT_H
#define GMT_COMMON_GO_LAYOUT_H

#include "common/gobin.h"

/*
 * The layout of the runtime's structures in a minor version, from a table. Versions newer than the
 * table get its newest row. All fields are set, `from_dwarf` to false. `wakes` says whether the
 * runtime has gcWakeAllStrongFromWeak, which came with a patch release of 1.23.
 */
void go_layout_of_version(int minor, enum go_arch arch, bool wakes, struct go_layout *layout);

/* The same, asking the binary. */
void go_layout_from_table(const struct gobin *bin, struct go_layout *layout);

#endif
