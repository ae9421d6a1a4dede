#ifndef GMT_ANALYZE_FAULT_SOURCE_H
#define GMT_ANALYZE_FAULT_SOURCE_H

#include "formats/perfdata.h"
#include "formats/tracing_data.h"

#include <stdbool.h>

/*
 * The events that tell of page faults with their addresses. A trace may have several, of which the
 * best one is used; the last is the best.
 */
enum fault_source {
	FAULTS_NONE,
	FAULTS_EXCEPTIONS, /* exceptions:page_fault_user, page_fault_kernel (x86), also failed ones
			    */
	FAULTS_ALL,	   /* page-faults; up to Linux 6.1 also what the kernel merely tried */
	FAULTS_HANDLER,	   /* a probe of handle_mm_fault with its address: the kernel's own too */
	FAULTS_HANDLED,	   /* minor-faults and major-faults */
};

struct fault_event {
	enum fault_source source;
	bool is_major;		    /* major-faults */
	bool in_sample;		    /* the address is the sample's own, and not in a field */
	struct tracing_field field; /* else here */
};

/* What an event tells of page faults. tracing may be NULL. */
struct fault_event fault_source_of(const struct perfdata_event *event,
				   const struct tracing_data *tracing);
/* The best source that the events of a file have. */
enum fault_source fault_source_best(const struct perfdata_info *info,
				    const struct tracing_data *tracing);

#endif
