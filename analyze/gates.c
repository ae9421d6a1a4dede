#include "analyze/gates.h"

#include "analyze/metrics.h"
#include "analyze/metrics_scope.h"
#include "analyze/units.h"
#include "formats/bytes.h"
#include "formats/textfile.h"
#include "formats/xalloc.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE ((size_t)1 << 20)
#define BASELINE "baseline."

/* All that is wrong with a gate is wrong with any trace. */
static struct error *check(const struct expression *expression, const char *text)
{
	const struct expression_scope scope = metrics_scope(NULL);
	struct quantity value;

	TRY(expression_value(expression, &scope, &value));
	if (value.kind != QUANTITY_TRUTH)
		return error_new("'%s' is a figure and no condition: compare it, as in '%s > 1'",
				 text, text);
	return NULL;
}

static struct error *add(struct gates *gates, const char *text, const char *source)
{
	struct expression *expression;
	struct error *err = expression_parse(text, &expression);

	if (!err)
		err = check(expression, text);
	if (err) {
		expression_free(expression);
		return error_remedy(err, "`analyze --list-metrics` names all figures and "
					 "functions");
	}
	xgrow(gates->items, gates->cap, gates->n + 1);
	gates->items[gates->n++] = (struct gate){
		.text = xstrdup(text),
		.source = source ? xstrdup(source) : NULL,
		.expression = expression,
		.result = GATE_UNKNOWN,
	};
	return NULL;
}

struct error *gates_add(struct gates *gates, const char *text)
{
	return error_context(add(gates, text, NULL), "--fail-on");
}

/* A '#' within quotes is none. */
static void cut_comment(char *line)
{
	char quote = '\0';

	for (; *line; line++) {
		if (quote ? *line == quote : *line == '"' || *line == '\'')
			quote = quote ? '\0' : *line;
		else if (*line == '#' && !quote)
			*line = '\0';
		if (!*line)
			return;
	}
}

static char *trim(char *line)
{
	char *end;

	cut_comment(line);
	while (isspace((unsigned char)*line))
		line++;
	end = line + strlen(line);
	while (end > line && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return line;
}

static struct error *add_lines(struct gates *gates, const char *path, char *text)
{
	struct error *err = NULL;
	unsigned number = 0;

	while (text && !err) {
		char *line = strsep(&text, "\n"), *source = NULL;

		number++;
		line = trim(line);
		if (!*line)
			continue;
		source = xasprintf("%s, line %u", path, number);
		err = error_context(add(gates, line, source), "%s", source);
		free(source);
	}
	return err;
}

struct error *gates_add_file(struct gates *gates, const char *path)
{
	struct buffer text = {0};
	struct textfile *file;
	struct error *err = textfile_open(path, &file);
	char part[4096];
	size_t len;

	if (err)
		return err;
	while (!(err = textfile_read(file, part, sizeof(part), &len)) && len) {
		if (text.len + len > MAX_FILE || memchr(part, '\0', len)) {
			err = error_new("%s: no list of gates", path);
			break;
		}
		buffer_append(&text, part, len);
	}
	textfile_close(file);
	buffer_u8(&text, 0);
	if (!err)
		err = add_lines(gates, path, (char *)text.data);
	buffer_free(&text);
	return err;
}

void gates_free(struct gates *gates)
{
	for (size_t i = 0; i < gates->n; i++) {
		free(gates->items[i].text);
		free(gates->items[i].source);
		free(gates->items[i].values);
		free(gates->items[i].needs);
		expression_free(gates->items[i].expression);
	}
	free(gates->items);
}

/* ---- Evaluation ------------------------------------------------------------------------- */

struct words {
	struct buffer values, needs;
	const struct findings *findings;
};

static void put(struct buffer *out, const char *text)
{
	buffer_append(out, text, strlen(text));
}

/* What has to be there for a figure to be known. */
static char *needs_of(const struct findings *findings, const char *name)
{
	bool before = !strncmp(name, BASELINE, strlen(BASELINE));
	size_t i = metrics_find(before ? name + strlen(BASELINE) : name);

	if (before && !findings->comparison)
		return xstrdup("--baseline");
	if (i < metrics_count())
		return xasprintf("%s%s", metrics_needs(i), before ? ", in the baseline" : "");
	if (!strncmp(name, "regressions", 11) || !strncmp(name, "changes", 7))
		return xstrdup("--baseline");
	return xstrdup("a trace with births and deaths (--heap=sampled)");
}

static void add_words(void *arg, const char *text, size_t len, const struct quantity *value)
{
	struct words *words = arg;
	char *name = xstrndup(text, len), *needs;

	put(&words->values, words->values.len ? ", " : "");
	put(&words->values, name);
	put(&words->values, " is ");
	put(&words->values, metrics_text(value).text);
	if (!value->known) {
		needs = needs_of(words->findings, name);
		put(&words->needs, words->needs.len ? "; " : "");
		put(&words->needs, name);
		put(&words->needs, " needs ");
		put(&words->needs, needs);
		free(needs);
	}
	free(name);
}

static void evaluate(struct gate *gate, const struct findings *findings,
		     const struct expression_scope *scope)
{
	struct words words = {.findings = findings};
	struct quantity value;
	struct error *err = expression_value(gate->expression, scope, &value);

	expression_visit_figures(gate->expression, scope, add_words, &words);
	buffer_u8(&words.values, 0);
	buffer_u8(&words.needs, 0);
	gate->values = (char *)words.values.data;
	if (err || !value.known)
		gate->result = GATE_UNKNOWN;
	else
		gate->result = value.number != 0 ? GATE_TRIPPED : GATE_PASSED;
	if (gate->result == GATE_UNKNOWN)
		gate->needs = err ? xstrdup(error_message(err)) : xstrdup((char *)words.needs.data);
	buffer_free(&words.needs);
	error_free(err);
}

void gates_evaluate(struct gates *gates, const struct findings *findings)
{
	struct metrics_context *context = metrics_context_new(findings);
	const struct expression_scope scope = metrics_scope(context);

	for (size_t i = 0; i < gates->n; i++)
		evaluate(&gates->items[i], findings, &scope);
	metrics_context_free(context);
}

size_t gates_count(const struct gates *gates, enum gate_result result)
{
	size_t n = 0;

	for (size_t i = 0; i < gates->n; i++)
		n += gates->items[i].result == result;
	return n;
}

const char *gate_result_name(enum gate_result result)
{
	static const char *const names[] = {"passed", "tripped", "unknown"};

	return names[result];
}
