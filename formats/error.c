#include "formats/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct error {
	char *message;
	char *remedy;
	int errnum;
};

/* What is returned when there is no memory left to say anything better. */
static struct error out_of_memory = {.message = (char *)"out of memory"};

static struct error *error_vnew(int errnum, const char *fmt, va_list ap)
{
	struct error *err = calloc(1, sizeof(*err));

	if (!err)
		return &out_of_memory;
	err->errnum = errnum;
	if (vasprintf(&err->message, fmt, ap) < 0) {
		free(err);
		return &out_of_memory;
	}
	return err;
}

struct error *error_new(const char *fmt, ...)
{
	struct error *err;
	va_list ap;

	va_start(ap, fmt);
	err = error_vnew(0, fmt, ap);
	va_end(ap);
	return err;
}

struct error *error_errno(int errnum, const char *fmt, ...)
{
	struct error *err;
	char *text;
	va_list ap;

	va_start(ap, fmt);
	err = error_vnew(errnum, fmt, ap);
	va_end(ap);
	if (err == &out_of_memory || asprintf(&text, "%s: %s", err->message, strerror(errnum)) < 0)
		return err;
	free(err->message);
	err->message = text;
	return err;
}

struct error *error_context(struct error *err, const char *fmt, ...)
{
	char *context, *text;
	va_list ap;
	int n;

	if (!err || err == &out_of_memory)
		return err;
	va_start(ap, fmt);
	n = vasprintf(&context, fmt, ap);
	va_end(ap);
	if (n < 0)
		return err;
	if (asprintf(&text, "%s: %s", context, err->message) >= 0) {
		free(err->message);
		err->message = text;
	}
	free(context);
	return err;
}

struct error *error_remedy(struct error *err, const char *fmt, ...)
{
	va_list ap;

	if (!err || err == &out_of_memory || err->remedy)
		return err;
	va_start(ap, fmt);
	if (vasprintf(&err->remedy, fmt, ap) < 0)
		err->remedy = NULL;
	va_end(ap);
	return err;
}

const char *error_message(const struct error *err)
{
	return err->message;
}

const char *error_remedy_text(const struct error *err)
{
	return err->remedy;
}

int error_errnum(const struct error *err)
{
	return err->errnum;
}

void error_free(struct error *err)
{
	if (!err || err == &out_of_memory)
		return;
	free(err->message);
	free(err->remedy);
	free(err);
}
