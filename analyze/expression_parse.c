#include "analyze/expression_internal.h"

#include "formats/xalloc.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Deeper nesting, and longer texts, are nobody's gate. */
#define MAX_DEPTH 100
#define MAX_TEXT  65536

/* ---- Parsing ---------------------------------------------------------------------------- */

struct parser {
	const char *text, *at;
	int depth;
	struct error *err; /* the first */
};

static void node_free(struct node *node)
{
	if (!node)
		return;
	node_free(node->left);
	node_free(node->right);
	if (node->has_regex)
		regfree(&node->regex);
	free(node->name);
	free(node);
}

static void fail(struct parser *p, const char *at, const char *what)
{
	if (!p->err)
		p->err = error_new("'%s', at character %zu: %s", p->text,
				   (size_t)(at - p->text) + 1, what);
}

static struct node *node_new(struct parser *p, enum node_kind kind, const char *start)
{
	struct node *node = xcalloc(1, sizeof(*node));

	node->kind = kind;
	node->at = (size_t)(start - p->text);
	return node;
}

/* What has been read since the node's start is the node's text. */
static struct node *ends_here(const struct parser *p, struct node *node)
{
	node->len = (size_t)(p->at - p->text) - node->at;
	return node;
}

static void skip_space(struct parser *p)
{
	while (isspace((unsigned char)*p->at))
		p->at++;
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* A word stands by itself: "or" is none in "order". */
static bool take(struct parser *p, const char *token)
{
	size_t len = strlen(token);

	skip_space(p);
	if (strncmp(p->at, token, len) != 0)
		return false;
	if (isalpha((unsigned char)*token) && is_name_char(p->at[len]))
		return false;
	p->at += len;
	return true;
}

static struct node *parse_or(struct parser *p);

struct unit {
	const char *name;
	double value;
	signed char bytes, seconds;
};

static const struct unit units[] = {
	{"B", 1, 1, 0},	    {"%", 0.01, 0, 0},	{"ns", 1e-9, 0, 1}, {"us", 1e-6, 0, 1},
	{"ms", 1e-3, 0, 1}, {"s", 1, 0, 1},	{"m", 60, 0, 1},    {"min", 60, 0, 1},
	{"h", 3600, 0, 1},  {"d", 86400, 0, 1},
};

/* K, KB and KiB are the same here as in all options. */
static bool find_byte_unit(const char *name, size_t len, struct unit *unit)
{
	static const char prefixes[] = "KMGT";
	const char *prefix = len ? strchr(prefixes, toupper((unsigned char)name[0])) : NULL;

	if (!prefix || (len != 1 && !(len == 2 && name[1] == 'B') &&
			!(len == 3 && name[1] == 'i' && name[2] == 'B')))
		return false;
	/* A lower-case m alone is the minute. */
	if (len == 1 && name[0] == 'm')
		return false;
	*unit = (struct unit){"", ldexp(1, 10 * (int)(prefix - prefixes + 1)), 1, 0};
	return true;
}

static bool find_unit(const char *name, size_t len, struct unit *unit)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strlen(units[i].name) == len && !strncmp(units[i].name, name, len)) {
			*unit = units[i];
			return true;
		}
	}
	return find_byte_unit(name, len, unit);
}

static size_t unit_length(const char *text)
{
	size_t len = 0;

	if (*text == '%')
		return 1;
	while (isalpha((unsigned char)text[len]))
		len++;
	return len;
}

/* 1.5G, 50ms, 10%, 0.5MB/min: the unit stands right behind the number. */
static struct node *parse_number(struct parser *p)
{
	struct node *node = node_new(p, NODE_NUMBER, p->at);
	struct unit unit;
	char *end;
	size_t len;

	node->number = (struct quantity){.known = true, .number = strtod(p->at, &end)};
	if (!isfinite(node->number.number))
		fail(p, p->at, "a number that is too large");
	p->at = end;
	len = unit_length(p->at);
	if (len && !find_unit(p->at, len, &unit)) {
		fail(p, p->at,
		     "no such unit; there are B, K, M, G, T, ns, us, ms, s, min, h, d, %");
		return node;
	}
	if (len) {
		node->number.number *= unit.value;
		node->number.bytes = unit.bytes;
		node->number.seconds = unit.seconds;
		p->at += len;
	}
	if (*p->at == '/' && (len = unit_length(p->at + 1)) != 0 &&
	    find_unit(p->at + 1, len, &unit) && unit.seconds && !is_name_char(p->at[1 + len])) {
		node->number.number /= unit.value;
		node->number.seconds = (signed char)(node->number.seconds - 1);
		p->at += 1 + len;
	}
	return ends_here(p, node);
}

static struct node *parse_text(struct parser *p)
{
	struct node *node = node_new(p, NODE_TEXT, p->at);
	const char *end = strchr(p->at + 1, *p->at);

	if (!end) {
		fail(p, p->at, "a text without its end");
		return node;
	}
	node->name = xstrndup(p->at + 1, (size_t)(end - p->at - 1));
	p->at = end + 1;
	return ends_here(p, node);
}

static struct node *parse_name(struct parser *p)
{
	struct node *node = node_new(p, NODE_NAME, p->at);
	const char *start = p->at;

	while (is_name_char(*p->at))
		p->at++;
	node->name = xstrndup(start, (size_t)(p->at - start));
	ends_here(p, node);
	if (!take(p, "("))
		return node;
	node->kind = strcmp(node->name, "known") ? NODE_CALL : NODE_KNOWN;
	if (!take(p, ")")) {
		node->left = parse_or(p);
		if (!take(p, ")"))
			fail(p, p->at, "a ')' is missing");
	}
	if (node->kind == NODE_KNOWN && !node->left)
		fail(p, p->at, "known() of what?");
	return ends_here(p, node);
}

static struct node *parse_operand(struct parser *p)
{
	const char *start;
	struct node *node;

	skip_space(p);
	if (isdigit((unsigned char)*p->at) || (*p->at == '.' && isdigit((unsigned char)p->at[1])))
		return parse_number(p);
	if (*p->at == '"' || *p->at == '\'')
		return parse_text(p);
	if (isalpha((unsigned char)*p->at) || *p->at == '_')
		return parse_name(p);
	start = p->at;
	if (take(p, "(")) {
		node = parse_or(p);
		if (!take(p, ")"))
			fail(p, p->at, "a ')' is missing");
		/* A figure is named as such, without brackets around it. */
		if (node->kind != NODE_NAME && node->kind != NODE_CALL) {
			node->at = (size_t)(start - p->text);
			ends_here(p, node);
		}
		return node;
	}
	fail(p, p->at, *p->at ? "a figure is wanted here" : "it ends too early");
	return node_new(p, NODE_NUMBER, p->at);
}

/* Every level of nesting comes through here. */
static struct node *parse_factor(struct parser *p)
{
	const char *start;
	struct node *node;

	skip_space(p);
	start = p->at;
	if (p->err || ++p->depth > MAX_DEPTH) {
		fail(p, p->at, "nested too deeply");
		return node_new(p, NODE_NUMBER, p->at);
	}
	if (take(p, "-")) {
		node = node_new(p, NODE_NEGATE, start);
		node->left = parse_factor(p);
		ends_here(p, node);
	} else if (p->at[0] == '!' && p->at[1] != '=' && take(p, "!")) {
		node = node_new(p, NODE_NOT, start);
		node->left = parse_factor(p);
		ends_here(p, node);
	} else {
		node = parse_operand(p);
	}
	p->depth--;
	return node;
}

struct operator
{
	const char *token;
	enum node_kind kind;
};

static struct node *binary(struct parser *p, enum node_kind kind, struct node *left,
			   struct node *right)
{
	struct node *node = node_new(p, kind, p->text + left->at);

	node->left = left;
	node->right = right;
	return ends_here(p, node);
}

static const struct operator* take_operator(struct parser *p, const struct operator* operators)
{
	for (; operators->token; operators++) {
		if (take(p, operators->token))
			return operators;
	}
	return NULL;
}

static struct node *parse_chain(struct parser *p, const struct operator* operators,
				struct node *(*operand)(struct parser *))
{
	struct node *node = operand(p);
	const struct operator* op;
	int length = 0;

	while (!p->err && (op = take_operator(p, operators))) {
		if (++length > MAX_DEPTH)
			fail(p, p->at, "too many operators in a row");
		node = binary(p, op->kind, node, operand(p));
	}
	return node;
}

static struct node *parse_product(struct parser *p)
{
	static const struct operator operators[] = {
		{"*", NODE_MULTIPLY}, {"/", NODE_DIVIDE}, {NULL, 0}};

	return parse_chain(p, operators, parse_factor);
}

static struct node *parse_sum(struct parser *p)
{
	static const struct operator operators[] = {
		{"+", NODE_ADD}, {"-", NODE_SUBTRACT}, {NULL, 0}};

	return parse_chain(p, operators, parse_product);
}

static void compile_match(struct parser *p, struct node *node)
{
	if (node->right->kind != NODE_TEXT) {
		fail(p, p->text + node->right->at, "~ wants a text in quotes behind it");
		return;
	}
	if (p->err)
		return;
	if (regcomp(&node->regex, node->right->name, REG_EXTENDED | REG_NOSUB))
		fail(p, p->text + node->right->at, "no regular expression");
	else
		node->has_regex = true;
}

static struct node *parse_comparison(struct parser *p)
{
	static const struct operator operators[] = {
		{"<=", NODE_LESS_EQUAL}, {">=", NODE_GREATER_EQUAL},
		{"==", NODE_EQUAL},	 {"!=", NODE_NOT_EQUAL},
		{"<", NODE_LESS},	 {">", NODE_GREATER},
		{"~", NODE_MATCH},	 {NULL, 0}};
	struct node *node = parse_sum(p);
	const struct operator* op = take_operator(p, operators);

	if (!op)
		return node;
	node = binary(p, op->kind, node, parse_sum(p));
	if (op->kind == NODE_MATCH)
		compile_match(p, node);
	return node;
}

/* The word stands before a comparison, the sign before a figure. */
static struct node *parse_not(struct parser *p)
{
	const char *start;
	struct node *node;

	skip_space(p);
	start = p->at;
	if (!take(p, "not"))
		return parse_comparison(p);
	node = node_new(p, NODE_NOT, start);
	if (p->err || ++p->depth > MAX_DEPTH)
		fail(p, p->at, "nested too deeply");
	else
		node->left = parse_not(p);
	if (!node->left)
		node->left = node_new(p, NODE_NUMBER, p->at);
	p->depth--;
	return ends_here(p, node);
}

static struct node *parse_and(struct parser *p)
{
	static const struct operator operators[] = {{"&&", NODE_AND}, {"and", NODE_AND}, {NULL, 0}};

	return parse_chain(p, operators, parse_not);
}

static struct node *parse_or(struct parser *p)
{
	static const struct operator operators[] = {{"||", NODE_OR}, {"or", NODE_OR}, {NULL, 0}};

	return parse_chain(p, operators, parse_and);
}

struct error *expression_parse(const char *text, struct expression **expression)
{
	struct parser p = {0};
	struct node *root;

	*expression = NULL;
	if (strlen(text) > MAX_TEXT)
		return error_new("an expression of more than %d characters", MAX_TEXT);
	p.text = p.at = text;
	root = parse_or(&p);
	skip_space(&p);
	if (*p.at)
		fail(&p, p.at, "this is not understood");
	if (p.err) {
		node_free(root);
		return p.err;
	}
	*expression = xcalloc(1, sizeof(**expression));
	(*expression)->text = xstrdup(text);
	(*expression)->root = root;
	return NULL;
}

void expression_free(struct expression *expression)
{
	if (!expression)
		return;
	node_free(expression->root);
	free(expression->text);
	free(expression);
}
