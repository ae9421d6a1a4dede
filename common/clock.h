#ifndef GMT_COMMON_CLOCK_H
#define GMT_COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

/* What a clock shows now, ns. */
static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#endif
