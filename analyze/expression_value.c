#include "analyze/expression_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Values ----------------------------------------------------------------------------- */

/* Where names are looked up: the scope, and within a function's brackets its items' fields. */
struct place {
	const struct expression *expression;
	const struct expression_scope *scope;
	const struct expression_set *set; /* NULL: outside of brackets */
	size_t item;
};

static struct error *wrong(const struct place *place, const struct node *node, const char *what)
{
	return error_new("'%.*s': %s", (int)node->len, place->expression->text + node->at, what);
}

static struct error *value_of(const struct place *place, const struct node *node,
			      struct quantity *value);

static struct error *name_value(const struct place *place, const struct node *node,
				struct quantity *value)
{
	const struct expression_scope *scope = place->scope;

	*value = (struct quantity){0};
	if (place->set) {
		if (place->set->field(scope->context, place->item, node->name, value))
			return NULL;
		if (!scope->lookup(scope->context, node->name, value))
			return error_new("'%s' is neither a field of %s() nor a figure", node->name,
					 place->set->name);
		return NULL;
	}
	if (!scope->lookup(scope->context, node->name, value))
		return error_new("there is no figure called '%s'", node->name);
	return NULL;
}

static struct error *check_truth(const struct place *place, const struct node *node,
				 const struct quantity *value)
{
	return value->kind == QUANTITY_TRUTH ? NULL : wrong(place, node, "this is no condition");
}

/* Counts, or sums over, the items for which the condition holds. */
static struct error *sum_items(const struct place *inside, const struct node *node, size_t n,
			       struct quantity *value)
{
	struct place place = *inside;

	for (size_t i = 0; i < n; i++) {
		struct quantity holds = {.known = true, .number = 1};

		place.item = i;
		if (node->left)
			TRY(value_of(&place, node->left, &holds));
		if (!holds.known)
			value->known = false;
		else if (holds.number != 0)
			value->number += place.set->weight(place.scope->context, i);
	}
	return NULL;
}

static struct error *call_value(const struct place *place, const struct node *node,
				struct quantity *value)
{
	const struct expression_scope *scope = place->scope;
	struct place inside = *place;
	struct quantity holds;
	size_t n = 0;

	if (place->set)
		return wrong(place, node, "a function within another's brackets");
	for (size_t i = 0; i < scope->n_sets; i++) {
		if (!strcmp(scope->sets[i].name, node->name))
			inside.set = &scope->sets[i];
	}
	if (!inside.set)
		return error_new("there is no function called '%s'", node->name);
	*value = (struct quantity){.bytes = inside.set->bytes, .seconds = inside.set->seconds};
	if (node->left) {
		const struct expression_scope dry = {
			.lookup = scope->lookup, .sets = scope->sets, .n_sets = scope->n_sets};
		struct place check = inside;

		check.scope = &dry;
		TRY(value_of(&check, node->left, &holds));
		TRY(check_truth(place, node->left, &holds));
	}
	if (!scope->context || !inside.set->items(scope->context, &n))
		return NULL;
	value->known = true;
	return sum_items(&inside, node, n, value);
}

static struct error *logic_value(const struct place *place, const struct node *node,
				 struct quantity *value)
{
	double decides = node->kind == NODE_OR;
	struct quantity left, right;

	TRY(value_of(place, node->left, &left));
	TRY(value_of(place, node->right, &right));
	TRY(check_truth(place, node->left, &left));
	TRY(check_truth(place, node->right, &right));
	*value = (struct quantity){.kind = QUANTITY_TRUTH, .known = true};
	if ((left.known && left.number == decides) || (right.known && right.number == decides))
		value->number = decides;
	else if (left.known && right.known)
		value->number = !decides;
	else
		value->known = false;
	return NULL;
}

/* Nothing is nothing in every unit. */
static bool is_zero(const struct node *node)
{
	return node->kind == NODE_NUMBER && node->number.number == 0;
}

static const char *dimension_of(const struct quantity *value)
{
	static char const *const names[3][3] = {{"a share or count a byte", "?", "?"},
						{"a rate, as 2/s", "a plain number", "a time"},
						{"bytes over time, as 1MB/h", "bytes", "?"}};

	if (value->kind != QUANTITY_NUMBER)
		return value->kind == QUANTITY_TEXT ? "a text" : "a condition";
	if (value->bytes < -1 || value->bytes > 1 || value->seconds < -1 || value->seconds > 1)
		return "a figure of no known kind";
	return names[value->bytes + 1][value->seconds + 1];
}

static struct error *check_same(const struct place *place, const struct node *node,
				const struct quantity *left, const struct quantity *right)
{
	if (left->kind == right->kind &&
	    (left->kind != QUANTITY_NUMBER || is_zero(node->left) || is_zero(node->right) ||
	     (left->bytes == right->bytes && left->seconds == right->seconds)))
		return NULL;
	return error_new("'%.*s': the left side is %s, the right side %s", (int)node->len,
			 place->expression->text + node->at, dimension_of(left),
			 dimension_of(right));
}

static double order(const struct quantity *left, const struct quantity *right)
{
	if (left->kind == QUANTITY_TEXT)
		return strcmp(left->text, right->text);
	return (left->number > right->number) - (left->number < right->number);
}

static struct error *comparison_value(const struct place *place, const struct node *node,
				      struct quantity *value)
{
	struct quantity left, right;
	double way;

	TRY(value_of(place, node->left, &left));
	TRY(value_of(place, node->right, &right));
	TRY(check_same(place, node, &left, &right));
	*value = (struct quantity){.kind = QUANTITY_TRUTH, .known = left.known && right.known};
	if (node->kind == NODE_MATCH && left.kind != QUANTITY_TEXT)
		return wrong(place, node, "~ compares a text");
	if (!value->known)
		return NULL;
	if (node->kind == NODE_MATCH) {
		value->number = !regexec(&node->regex, left.text, 0, NULL, 0);
		return NULL;
	}
	way = order(&left, &right);
	value->number = node->kind == NODE_LESS		   ? way < 0
			: node->kind == NODE_LESS_EQUAL	   ? way <= 0
			: node->kind == NODE_GREATER	   ? way > 0
			: node->kind == NODE_GREATER_EQUAL ? way >= 0
			: node->kind == NODE_EQUAL	   ? way == 0
							   : way != 0;
	return NULL;
}

static struct error *arithmetic_value(const struct place *place, const struct node *node,
				      struct quantity *value)
{
	struct quantity left, right;
	int sign = node->kind == NODE_DIVIDE ? -1 : 1, bytes, seconds;

	TRY(value_of(place, node->left, &left));
	TRY(value_of(place, node->right, &right));
	if (left.kind != QUANTITY_NUMBER || right.kind != QUANTITY_NUMBER)
		return wrong(place, node, "only numbers can be reckoned with");
	*value = is_zero(node->left) ? right : left;
	value->known = left.known && right.known;
	if (node->kind == NODE_ADD || node->kind == NODE_SUBTRACT) {
		TRY(check_same(place, node, &left, &right));
		value->number = node->kind == NODE_ADD ? left.number + right.number
						       : left.number - right.number;
		return NULL;
	}
	bytes = left.bytes + sign * right.bytes;
	seconds = left.seconds + sign * right.seconds;
	if (abs(bytes) > 8 || abs(seconds) > 8)
		return wrong(place, node, "a figure of no known kind");
	value->bytes = (signed char)bytes;
	value->seconds = (signed char)seconds;
	value->number = sign > 0 ? left.number * right.number : left.number / right.number;
	/* Through nothing there is no share. */
	if (value->known && !isfinite(value->number))
		value->known = false;
	return NULL;
}

static struct error *unary_value(const struct place *place, const struct node *node,
				 struct quantity *value)
{
	TRY(value_of(place, node->left, value));
	if (node->kind == NODE_KNOWN) {
		/* Where nothing is known yet, nor is that. */
		*value = (struct quantity){.kind = QUANTITY_TRUTH,
					   .known = place->scope->context != NULL,
					   .number = value->known};
		return NULL;
	}
	if (node->kind == NODE_NOT) {
		TRY(check_truth(place, node->left, value));
		value->number = value->number == 0;
		return NULL;
	}
	if (value->kind != QUANTITY_NUMBER)
		return wrong(place, node, "only numbers can be reckoned with");
	value->number = -value->number;
	return NULL;
}

static struct error *value_of(const struct place *place, const struct node *node,
			      struct quantity *value)
{
	switch (node->kind) {
	case NODE_NUMBER:
		*value = node->number;
		return NULL;
	case NODE_TEXT:
		*value =
			(struct quantity){.kind = QUANTITY_TEXT, .known = true, .text = node->name};
		return NULL;
	case NODE_NAME:
		return name_value(place, node, value);
	case NODE_CALL:
		return call_value(place, node, value);
	case NODE_KNOWN:
	case NODE_NOT:
	case NODE_NEGATE:
		return unary_value(place, node, value);
	case NODE_AND:
	case NODE_OR:
		return logic_value(place, node, value);
	case NODE_ADD:
	case NODE_SUBTRACT:
	case NODE_MULTIPLY:
	case NODE_DIVIDE:
		return arithmetic_value(place, node, value);
	default:
		return comparison_value(place, node, value);
	}
}

struct error *expression_value(const struct expression *expression,
			       const struct expression_scope *scope, struct quantity *value)
{
	const struct place place = {.expression = expression, .scope = scope};

	return value_of(&place, expression->root, value);
}

static void visit_node(const struct place *place, const struct node *node, expression_visit *visit,
		       void *arg)
{
	struct quantity value;
	struct error *err;

	if (!node)
		return;
	if (node->kind != NODE_NAME && node->kind != NODE_CALL) {
		visit_node(place, node->left, visit, arg);
		visit_node(place, node->right, visit, arg);
		return;
	}
	err = value_of(place, node, &value);
	if (!err)
		visit(arg, place->expression->text + node->at, node->len, &value);
	error_free(err);
}

void expression_visit_figures(const struct expression *expression,
			      const struct expression_scope *scope, expression_visit *visit,
			      void *arg)
{
	const struct place place = {.expression = expression, .scope = scope};

	visit_node(&place, expression->root, visit, arg);
}
