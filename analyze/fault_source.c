#include "analyze/fault_source.h"

#include <string.h>

static struct fault_event of_perf(const struct perf_event_attr *attr)
{
	struct fault_event event = {.in_sample = true};

	if (!(attr->sample_type & PERF_SAMPLE_ADDR))
		return event;
	switch (attr->config) {
	case PERF_COUNT_SW_PAGE_FAULTS:
		event.source = FAULTS_ALL;
		break;
	case PERF_COUNT_SW_PAGE_FAULTS_MAJ:
		event.is_major = true;
		event.source = FAULTS_HANDLED;
		break;
	case PERF_COUNT_SW_PAGE_FAULTS_MIN:
		event.source = FAULTS_HANDLED;
		break;
	}
	return event;
}

static bool find_address(const struct tracing_data *tracing, uint64_t id,
			 struct tracing_field *field)
{
	return (tracing_data_field(tracing, id, "address", field) ||
		tracing_data_field(tracing, id, "addr", field)) &&
	       !field->is_dynamic && field->size == 8;
}

struct fault_event fault_source_of(const struct perfdata_event *event,
				   const struct tracing_data *tracing)
{
	static const char handler[] = "handle_mm_fault", exception[] = "page_fault_";
	struct fault_event found = {0};
	const char *system, *name;

	if (event->attr.type == PERF_TYPE_SOFTWARE)
		return of_perf(&event->attr);
	if (event->attr.type != PERF_TYPE_TRACEPOINT || !tracing ||
	    !tracing_data_event(tracing, event->attr.config, &system, &name) ||
	    !find_address(tracing, event->attr.config, &found.field))
		return found;
	/* perf and we name a probe by its function, and number them where there are several. */
	if (!strncmp(name, handler, strlen(handler)) &&
	    strncmp(name, "handle_mm_fault__return", 23))
		found.source = FAULTS_HANDLER;
	else if (!strcmp(system, "exceptions") && !strncmp(name, exception, strlen(exception)))
		found.source = FAULTS_EXCEPTIONS;
	return found;
}

enum fault_source fault_source_best(const struct perfdata_info *info,
				    const struct tracing_data *tracing)
{
	enum fault_source best = FAULTS_NONE;

	for (size_t i = 0; i < info->n_events; i++) {
		enum fault_source source = fault_source_of(&info->events[i], tracing).source;

		if (source > best)
			best = source;
	}
	return best;
}
