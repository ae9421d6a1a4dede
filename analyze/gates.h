#ifndef GMT_ANALYZE_GATES_H
#define GMT_ANALYZE_GATES_H

/*
 * Gates: conditions under which a build fails (--fail-on, --gates). They are read, and checked
 * against the names that there are, before anything else is done; a gate over a figure that this
 * trace does not tell is no gate passed but an error.
 */

#include "analyze/expression.h"
#include "analyze/findings.h"
#include "formats/error.h"

#include <stdio.h>

enum gate_result { GATE_PASSED, GATE_TRIPPED, GATE_UNKNOWN };

struct gate {
	char *text;
	char *source; /* "gates.txt, line 3"; NULL: the command line */
	struct expression *expression;
	enum gate_result result;
	char *values; /* "rss.max is 1.71 GiB, leaks() is 2" */
	char *needs;  /* GATE_UNKNOWN: what is not known, and what would tell; else NULL */
};

struct gates {
	struct gate *items;
	size_t n, cap;
};

/* Adds a gate. Errors: no expression, no condition, unknown names; they name the place. */
struct error *gates_add(struct gates *gates, const char *text);
/* Adds those of a file: one a line, empty lines and what follows '#' are passed over. */
struct error *gates_add_file(struct gates *gates, const char *path);
void gates_free(struct gates *gates);

/* Sets result, values and needs of each. */
void gates_evaluate(struct gates *gates, const struct findings *findings);
/* How many have this result. */
size_t gates_count(const struct gates *gates, enum gate_result result);
/* "passed", "tripped", "unknown". */
const char *gate_result_name(enum gate_result result);

#endif
