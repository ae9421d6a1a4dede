#ifndef GMT_RECORD_EXTRA_EVENTS_H
#define GMT_RECORD_EXTRA_EVENTS_H

#include "common/log.h"
#include "record/extra_spec.h"
#include "record/probes.h"

/*
 * Puts what the user asked for into the list of events: finds tracepoints, creates probes. What is
 * recorded in any case is not added again. Errors name the spec, the kernel's reason and the
 * remedy.
 */
struct error *extra_events_install(struct probes *probes, const struct extra_specs *specs,
				   const struct log *log);

/*
 * Where in its file a uprobe's place is: "SYMBOL", "SYMBOL+OFF" or "0xOFFSET". In a Go program
 * returns are refused, and places that are not the beginning of an instruction.
 */
struct error *extra_events_file_offset(const struct extra_spec *spec, uint64_t *offset);

#endif
