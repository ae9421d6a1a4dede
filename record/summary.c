#include "record/recording.h"

#include <string.h>

void summary_readings(const struct recording *r, size_t i)
{
	const struct watch *watch = r->watches[i];
	pid_t pid = r->targets[i].pid;
	const struct spans *spans = span_events_of(r->spans, (uint32_t)pid);
	uint64_t n, cpu_time;
	uint32_t readings, stable;
	size_t buckets;

	watch_memory_stats(watch, &n, &cpu_time);
	log_debug(r->log, "process %d: %lu readings of RSS by owner, %.1f ms of CPU", pid, n,
		  (double)cpu_time / 1e6);
	watch_stats(watch, &buckets, &readings, &stable);
	log_debug(r->log, "process %d: %zu buckets, %u readings, %u of one moment", pid, buckets,
		  readings, stable);
	if (!spans)
		return;
	spans_stats(spans, &n, &cpu_time);
	log_debug(r->log,
		  "process %d: %zu spans with sampled objects, %lu readings, %.1f ms of CPU", pid,
		  spans_count(spans), n, (double)cpu_time / 1e6);
}

/* Of tracefs, "birth"; of the uprobe PMU, "gmt_4711_0:birth(p=0,b=1)". */
static bool is_event(const struct trace_event *event, const char *name)
{
	const char *at = event->path ? strchr(event->name, ':') : NULL;
	size_t len = strlen(name);

	if (!at)
		return strcmp(event->name, name) == 0;
	return strncmp(at + 1, name, len) == 0 && at[1 + len] == '(';
}

static uint64_t events_named(const struct recording *r, const char *suffix)
{
	const struct trace_event *events;
	uint64_t total = 0;
	size_t n;

	events = probes_events(r->probes, &n);
	for (size_t i = 0; i < n; i++) {
		if (!events[i].is_extra && is_event(&events[i], suffix))
			total += session_event_count(r->session, i);
	}
	return total;
}

/* What the user asked for, with the kernel's own counts. */
static void print_extra(const struct recording *r)
{
	const struct trace_event *events;
	size_t n;

	events = probes_events(r->probes, &n);
	for (size_t i = 0; i < n; i++) {
		/* What is sampled by frequency counts cycles or nanoseconds. */
		if (events[i].is_extra && !events[i].is_freq)
			log_info(r->log, "%s: %lu", events[i].name,
				 session_event_count(r->session, i));
	}
}

void summary_print(const struct recording *r)
{
	const struct session_counts *counts = session_counts(r->session);
	double seconds = (double)(watch_now() - r->started) / 1e9;

	log_info(r->log,
		 "%.1f s of %s: %lu events (%lu births, %lu deaths, %lu GC cycles), %lu lost",
		 seconds, r->targets[0].exe, counts->samples, events_named(r, "birth"),
		 events_named(r, "death"), events_named(r, "gc_end"), counts->lost);
	print_extra(r);
	if (r->why_early)
		log_info(r->log, "the recording ended early: %s", r->why_early);
	files_summary(r);
}
