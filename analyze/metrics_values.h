#ifndef GMT_ANALYZE_METRICS_VALUES_H
#define GMT_ANALYZE_METRICS_VALUES_H

/* What the table of metrics.c takes its values from (metrics_memory.c). NaN: not known. */

#include "analyze/findings.h"

typedef double metric_value(const struct findings *findings);

metric_value metrics_rss_max, metrics_rss_last, metrics_rss_growth, metrics_swap_max,
	metrics_mapped_net;
metric_value metrics_owner_go_heap_max, metrics_owner_go_heap_growth, metrics_owner_go_free_max,
	metrics_owner_go_free_growth, metrics_owner_go_stacks_max, metrics_owner_go_stacks_growth,
	metrics_owner_go_runtime_max, metrics_owner_go_runtime_growth, metrics_owner_program_max,
	metrics_owner_program_growth, metrics_owner_c_heap_max, metrics_owner_c_heap_growth,
	metrics_owner_thread_stacks_max, metrics_owner_thread_stacks_growth,
	metrics_owner_libraries_max, metrics_owner_libraries_growth, metrics_owner_files_max,
	metrics_owner_files_growth, metrics_owner_shared_max, metrics_owner_shared_growth,
	metrics_owner_anon_max, metrics_owner_anon_growth;
metric_value metrics_goroutines_max, metrics_goroutines_last, metrics_goroutines_growth,
	metrics_threads_max, metrics_threads_last, metrics_threads_growth, metrics_native_max,
	metrics_native_last, metrics_native_growth, metrics_mappings_max, metrics_mappings_last,
	metrics_mappings_growth;

#endif
