#include "common/progress.h"

#include "common/clock.h"

#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PROGRESS_INTERVAL_NS 200000000u

struct progress progress_start(FILE *out, bool wanted)
{
	return (struct progress){
		.out = out,
		.enabled = wanted && isatty(fileno(out)),
		.last = clock_ns(CLOCK_MONOTONIC),
	};
}

bool progress_due(struct progress *progress)
{
	uint64_t now;

	if (!progress->enabled)
		return false;
	now = clock_ns(CLOCK_MONOTONIC);
	if (now - progress->last < PROGRESS_INTERVAL_NS)
		return false;
	progress->last = now;
	return true;
}

void progress_show(struct progress *progress, const char *fmt, ...)
{
	struct winsize size = {0};
	char line[512];
	va_list ap;
	int width;

	if (!progress->enabled)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	width = ioctl(fileno(progress->out), TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col
										    : 80;
	/* The last column stays free: a full line would wrap and could not be rewritten. */
	fprintf(progress->out, "\r%.*s\033[K", width - 1, line);
	fflush(progress->out);
	progress->shown = true;
}

void progress_clear(struct progress *progress)
{
	if (!progress->shown)
		return;
	fputs("\r\033[K", progress->out);
	fflush(progress->out);
	progress->shown = false;
}
