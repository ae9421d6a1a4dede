#include "common/log.h"

#include "common/progress.h"

#include <errno.h>
#include <stdarg.h>

static void log_line(const struct log *log, const char *kind, const char *fmt, va_list ap)
{
	if (log->progress)
		progress_clear(log->progress);
	/* One line must not be torn by another thread's. */
	flockfile(log->out);
	fprintf(log->out, "%s: %s", program_invocation_short_name, kind);
	vfprintf(log->out, fmt, ap);
	fputc('\n', log->out);
	funlockfile(log->out);
}

void log_warn(const struct log *log, const char *fmt, ...)
{
	va_list ap;

	if (log->verbosity < -1)
		return;
	va_start(ap, fmt);
	log_line(log, "warning: ", fmt, ap);
	va_end(ap);
}

void log_info(const struct log *log, const char *fmt, ...)
{
	va_list ap;

	if (log->verbosity < 0)
		return;
	va_start(ap, fmt);
	log_line(log, "", fmt, ap);
	va_end(ap);
}

void log_debug(const struct log *log, const char *fmt, ...)
{
	va_list ap;

	if (log->verbosity < 1)
		return;
	va_start(ap, fmt);
	log_line(log, "", fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 3, 4))) static void log_plain(const struct log *log, const char *kind,
							    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(log, kind, fmt, ap);
	va_end(ap);
}

void log_error(const struct log *log, const struct error *err)
{
	log_plain(log, "", "%s", error_message(err));
	if (error_remedy_text(err))
		log_plain(log, "", "%s", error_remedy_text(err));
}
