/* Any text is an expression with the same value each time, or an error; in bounded time. */
#include "analyze/expression.h"
#include "analyze/metrics_scope.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void visit(void *arg, const char *text, size_t len, const struct quantity *value)
{
	(void)value;
	/* The part is one of the text that was parsed. */
	*(size_t *)arg += strnlen(text, len) == len ? len : (abort(), 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct expression_scope scope = metrics_scope(NULL);
	struct expression *expression;
	struct quantity first = {0}, second = {0};
	struct error *err;
	char *text;
	size_t seen = 0;

	/* What regcomp makes of "((a{99}){99}){99}" is the C library's. */
	if (len > 4096 || memchr(data, '{', len) || memchr(data, '~', len))
		return 0;
	text = malloc(len + 1);
	if (!text)
		return 0;
	if (len)
		memcpy(text, data, len);
	text[len] = '\0';
	err = expression_parse(text, &expression);
	free(text);
	if (!err) {
		struct error *once = expression_value(expression, &scope, &first);
		struct error *again = expression_value(expression, &scope, &second);

		if (!once != !again || first.kind != second.kind || first.known != second.known)
			abort();
		error_free(once);
		error_free(again);
		expression_visit_figures(expression, &scope, visit, &seen);
	}
	error_free(err);
	expression_free(expression);
	return 0;
}
