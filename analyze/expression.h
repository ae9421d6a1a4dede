#ifndef GMT_ANALYZE_EXPRESSION_H
#define GMT_ANALYZE_EXPRESSION_H

/*
 * The language of the gates: a condition over the figures of a report.
 *
 *	rss.max > 1.5G && leaks(confidence >= 0.9 && growth > 1MB/h) > 0
 *
 * or, and, not (also || && !); < <= > >= == != between figures; ~ for "the text matches the
 * extended regular expression"; + - * /; numbers with a unit: B, K, KB, KiB, ... T (all by 1024),
 * ns, us, ms, s, m or min, h, d, %, and a rate as in 0.5MB/min. Figures have dimensions, so
 * that bytes are not compared with seconds. A function counts, or sums over, those of its items
 * for which the condition in its brackets holds. known(X) says whether X is known; all else made
 * of an unknown figure is unknown, but for what is decided without it.
 *
 * What names mean is for a scope to say.
 */

#include "formats/error.h"

#include <stdbool.h>
#include <stddef.h>

enum quantity_kind { QUANTITY_NUMBER, QUANTITY_TRUTH, QUANTITY_TEXT };

/* A value. A number's dimension is bytes^bytes * seconds^seconds; both 0: a plain one. */
struct quantity {
	enum quantity_kind kind;
	signed char bytes, seconds;
	bool known;
	double number;	  /* in bytes and seconds; of a truth 0 or 1 */
	const char *text; /* good as long as the scope */
};

/* A set of items that a function looks at. */
struct expression_set {
	const char *name;	    /* of the function */
	signed char bytes, seconds; /* dimension of what it gives */
	/* Sets *n to the number of items; false where they are not known. */
	bool (*items)(const void *context, size_t *n);
	/* What an item adds to the result: 1 to count them. */
	double (*weight)(const void *context, size_t item);
	/* A field of an item. False: no such field. With the context NULL only the dimension. */
	bool (*field)(const void *context, size_t item, const char *name, struct quantity *value);
};

struct expression_scope {
	const void *context; /* NULL: no values are there yet, all are unknown */
	/* The figure of a name. False: no such name. */
	bool (*lookup)(const void *context, const char *name, struct quantity *value);
	const struct expression_set *sets;
	size_t n_sets;
};

struct expression;

/* Parses text. Errors name the place. Names are not looked at. */
struct error *expression_parse(const char *text, struct expression **expression);
void expression_free(struct expression *expression);

/* The value in a scope. Errors: names it does not know, dimensions that do not fit, division of
 * texts and the like; with a scope without context these are all found before there are values. */
struct error *expression_value(const struct expression *expression,
			       const struct expression_scope *scope, struct quantity *value);

/* Tells of each name and function outside of brackets: as it is written, with its value. */
typedef void expression_visit(void *arg, const char *text, size_t len,
			      const struct quantity *value);
void expression_visit_figures(const struct expression *expression,
			      const struct expression_scope *scope, expression_visit *visit,
			      void *arg);

#endif
