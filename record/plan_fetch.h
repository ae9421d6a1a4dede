#ifndef GMT_RECORD_PLAN_FETCH_H
#define GMT_RECORD_PLAN_FETCH_H

/* The fetch args of a probe: what the role table asks for, said in tracefs' uprobe syntax. */

#include "record/roles.h"

/* What must be intact where a site of kind SITE_ENTRY is placed. */
struct place_need fetch_need(const struct gobin *bin, const struct role_site *site);

/*
 * Fills in probe->args for the place that was found, and probe->loss with the fields that cannot
 * be had there. probe->address and file_offset must be set.
 */
void fetch_args(const struct gobin *bin, const struct role_site *site, const struct place *place,
		struct probe *probe);

#endif
