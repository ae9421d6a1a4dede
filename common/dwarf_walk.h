#ifndef GMT_COMMON_DWARF_WALK_H
#define GMT_COMMON_DWARF_WALK_H

#include <elfutils/libdw.h>
#include <stdbool.h>

/*
 * Steps to the next sibling; false at the end. A broken file's reference to a sibling may lead
 * back, and the walk would never end: it ends there.
 */
static inline bool dwarf_walk_next(Dwarf_Die *die)
{
	Dwarf_Off here = dwarf_dieoffset(die);
	Dwarf_Die next;

	if (dwarf_siblingof(die, &next) != 0 || dwarf_dieoffset(&next) <= here)
		return false;
	*die = next;
	return true;
}

#endif
