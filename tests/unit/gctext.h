#ifndef GMT_TESTS_GCTEXT_H
#define GMT_TESTS_GCTEXT_H

#include "formats/gctrace.h"

#include <stdint.h>
#include <stdio.h>

/* fmtNSAsMS and the print statements of the runtime, from values back to text. */
static inline int gctext_ms(char *out, size_t cap, uint64_t ns)
{
	uint64_t us = ns / 1000;

	if (ns >= 10000000)
		return snprintf(out, cap, "%llu", (unsigned long long)(ns / 1000000));
	if (!us)
		return snprintf(out, cap, "0");
	if (us < 100)
		return snprintf(out, cap, "0.%03d", (int)us);
	if (us < 1000)
		return snprintf(out, cap, "0.%02d", (int)us / 10);
	return snprintf(out, cap, "%d.%d", (int)us / 1000, (int)us % 1000 / 100);
}

static inline void gctext_print(const struct gctrace_entry *e, char *out, size_t cap)
{
	static const char *const after[] = {"+", "+", " ms clock, ", "+",
					    "/", "/", "+",	     " ms cpu, "};
	size_t n = (size_t)snprintf(
		out, cap, "gc %llu @%llu.%03llus %lld%%%s: ", (unsigned long long)e->number,
		(unsigned long long)e->time / 1000000000,
		(unsigned long long)e->time / 1000000 % 1000, (long long)e->percent,
		e->leak_check ? " (checking for goroutine leaks)" : "");

	for (int i = 0; i < 8; i++) {
		n += (size_t)gctext_ms(out + n, cap - n, i < 3 ? e->clock[i] : e->cpu[i - 3]);
		n += (size_t)snprintf(out + n, cap - n, "%s", after[i]);
	}
	n += (size_t)snprintf(out + n, cap - n, "%d->%d->%d MB, %d MB goal, ",
			      (int)(e->heap_start >> 20), (int)(e->heap_peak >> 20),
			      (int)(e->heap_live >> 20), (int)(e->goal >> 20));
	if (e->has_stacks)
		n += (size_t)snprintf(out + n, cap - n, "%d MB stacks, %d MB globals, ",
				      (int)(e->stacks >> 20), (int)(e->globals >> 20));
	snprintf(out + n, cap - n, "%d P%s", (int)e->procs, e->forced ? " (forced)" : "");
}

#endif
