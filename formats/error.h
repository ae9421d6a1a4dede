#ifndef GMT_FORMATS_ERROR_H
#define GMT_FORMATS_ERROR_H

/*
 * Errors as values. A function that can fail returns `struct error *`: NULL is success, anything
 * else is owned by the caller, who handles it, adds context and returns it, or frees it. Only main
 * prints. A message names the thing and the cause ("trace.gmt: truncated at byte 104"); the remedy
 * is what the user can do about it.
 */
struct error;

#define ERROR_MUST_CHECK __attribute__((warn_unused_result))

/* A new error with a formatted message. Never returns NULL, even when memory has run out. */
struct error *error_new(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A new error whose message is the formatted text, then ": " and the text of errnum. */
struct error *error_errno(int errnum, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " before the message of err (which may be NULL: then NULL). Returns err. */
struct error *error_context(struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Sets what the user can do about err (NULL is passed through), unless one is set. Returns err. */
struct error *error_remedy(struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The message: one line, without a newline. */
const char *error_message(const struct error *err);

/* The remedy, or NULL where none was given. */
const char *error_remedy_text(const struct error *err);

/* The errno value the error came from, or 0. */
int error_errnum(const struct error *err);

void error_free(struct error *err);

/* Returns from the calling function with the error of `expr`, where it has one. */
#define TRY(expr)                                \
	do {                                     \
		struct error *try_err_ = (expr); \
		if (try_err_)                    \
			return try_err_;         \
	} while (0)

#endif
