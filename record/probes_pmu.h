#ifndef GMT_RECORD_PROBES_PMU_H
#define GMT_RECORD_PROBES_PMU_H

/*
 * Breakpoints where tracefs is out of reach: through the kernel's uprobe PMU (since 4.17,
 * kernel/events/core.c, perf_uprobe_event_init), which takes a path and an offset from
 * perf_event_open itself. Such an event has no fetch args and no filter, so of a probe's arguments
 * only those come along that are in registers then, as registers of the sample. The event's name
 * tells which: "gmt_4711_3fa2:birth(p=0,b=1)", by their numbers in perf's masks.
 */

#include "common/arch.h"
#include "record/probes.h"

/* Whether this kernel has it, and its type for perf_event_attr. */
bool probes_pmu_type(uint32_t *type);

/* Appends the events of a plan. What is lost is added to its losses. */
void probes_pmu_install(struct probes *probes, uint32_t type, struct plan *plan,
			const struct arch *arch, const char *exe_ref, uint64_t alloc_period);

#endif
