#ifndef GMT_ANALYZE_EXPRESSION_INTERNAL_H
#define GMT_ANALYZE_EXPRESSION_INTERNAL_H

/* The tree that expression_parse.c makes of a text and expression_value.c reckons with. */

#include "analyze/expression.h"

#include <regex.h>

enum node_kind {
	NODE_NUMBER,
	NODE_TEXT,
	NODE_NAME,
	NODE_CALL,  /* name(left); left may be missing */
	NODE_KNOWN, /* known(left) */
	NODE_NOT,
	NODE_NEGATE,
	NODE_AND,
	NODE_OR,
	NODE_LESS,
	NODE_LESS_EQUAL,
	NODE_GREATER,
	NODE_GREATER_EQUAL,
	NODE_EQUAL,
	NODE_NOT_EQUAL,
	NODE_MATCH,
	NODE_ADD,
	NODE_SUBTRACT,
	NODE_MULTIPLY,
	NODE_DIVIDE,
};

struct node {
	enum node_kind kind;
	size_t at, len; /* in the text */
	struct node *left, *right;
	char *name; /* NODE_NAME, NODE_CALL, NODE_TEXT */
	struct quantity number;
	regex_t regex; /* NODE_MATCH */
	bool has_regex;
};

struct expression {
	char *text;
	struct node *root;
};

#endif
