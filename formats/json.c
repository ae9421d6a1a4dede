#include "formats/json.h"

#include "formats/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINED_DEPTH 2 /* so far each value has a line */

struct json json_make(FILE *out)
{
	return (struct json){.out = out};
}

static void put_escaped(FILE *out, char c)
{
	static const char short_ones[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (const char *at = short_ones; *at; at += 2) {
		if (*at == c) {
			fprintf(out, "\\%c", at[1]);
			return;
		}
	}
	fprintf(out, "\\u%04x", (unsigned char)c);
}

/* Whether JSON, or a terminal that shows it, needs it escaped: the controls of ASCII. */
static bool is_special(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f || c == '"' || c == '\\';
}

static void put_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (size_t n; *text; text += n ? n : 1) {
		n = utf8_length(text);
		if (n == 0)
			fputs("\\ufffd", out);
		else if (n == 1 && is_special(*text))
			put_escaped(out, *text);
		else if (n == 2 && text[0] == '\xc2' && (unsigned char)text[1] < 0xa0)
			put_escaped(out, text[1]); /* a control of Latin-1 has its byte's number */
		else
			fwrite(text, 1, n, out);
	}
	fputc('"', out);
}

static void new_line(const struct json *json)
{
	fputc('\n', json->out);
	for (unsigned i = 0; i < json->depth; i++)
		fputc(' ', json->out);
}

/* What stands in front of a value. */
static void begin_value(struct json *json, const char *key)
{
	if (json->depth) {
		if (json->open[json->depth - 1].filled)
			fputc(',', json->out);
		json->open[json->depth - 1].filled = true;
		if (json->depth <= LINED_DEPTH)
			new_line(json);
	}
	if (key) {
		put_text(json->out, key);
		fputc(':', json->out);
	}
}

static void open_with(struct json *json, const char *key, char open, char close)
{
	begin_value(json, key);
	/* The depth is that of the code that writes, not of any input. */
	if (json->depth == JSON_MAX_DEPTH)
		abort();
	json->open[json->depth].close = close;
	json->open[json->depth].filled = false;
	json->depth++;
	fputc(open, json->out);
}

void json_object(struct json *json, const char *key)
{
	open_with(json, key, '{', '}');
}

void json_array(struct json *json, const char *key)
{
	open_with(json, key, '[', ']');
}

void json_end(struct json *json)
{
	bool lined = json->depth <= LINED_DEPTH && json->open[json->depth - 1].filled;

	json->depth--;
	if (lined)
		new_line(json);
	fputc(json->open[json->depth].close, json->out);
	if (!json->depth)
		fputc('\n', json->out);
}

void json_null(struct json *json, const char *key)
{
	begin_value(json, key);
	fputs("null", json->out);
}

void json_bool(struct json *json, const char *key, bool value)
{
	begin_value(json, key);
	fputs(value ? "true" : "false", json->out);
}

void json_u64(struct json *json, const char *key, uint64_t value)
{
	begin_value(json, key);
	fprintf(json->out, "%" PRIu64, value);
}

void json_i64(struct json *json, const char *key, int64_t value)
{
	begin_value(json, key);
	fprintf(json->out, "%" PRId64, value);
}

void json_number(struct json *json, const char *key, double value)
{
	char text[40], *comma;

	if (!isfinite(value)) {
		json_null(json, key);
		return;
	}
	begin_value(json, key);
	if (fabs(value) < 9007199254740992.0 && value == trunc(value))
		snprintf(text, sizeof(text), "%" PRId64, (int64_t)value);
	else
		snprintf(text, sizeof(text), "%.12g", value);
	/* Some locales have a comma. */
	comma = strchr(text, ',');
	if (comma)
		*comma = '.';
	fputs(text, json->out);
}

void json_string(struct json *json, const char *key, const char *value)
{
	if (!value) {
		json_null(json, key);
		return;
	}
	begin_value(json, key);
	put_text(json->out, value);
}
