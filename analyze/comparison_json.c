#include "analyze/comparison.h"
#include "analyze/metrics.h"
#include "formats/bytes.h"
#include "formats/textfile.h"
#include "formats/xalloc.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* More than any report; else a file of another kind could take all memory. */
#define MAX_REPORT ((size_t)1 << 30)

static struct error *read_all(const char *path, struct buffer *text)
{
	struct textfile *file;
	struct error *err = textfile_open(path, &file);
	char part[65536];
	size_t len;

	if (err)
		return err;
	while (!(err = textfile_read(file, part, sizeof(part), &len)) && len) {
		if (text->len + len > MAX_REPORT) {
			err = error_new("%s: too large for a report", path);
			break;
		}
		buffer_append(text, part, len);
	}
	textfile_close(file);
	return err;
}

static double number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : 0;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static char *stack_of(const json_t *frames)
{
	struct buffer text = {0};
	const json_t *frame;
	size_t i;

	json_array_foreach(frames, i, frame)
	{
		const char *function = text_of(frame, "function");

		if (i)
			buffer_u8(&text, ';');
		buffer_append(&text, function, strlen(function));
	}
	buffer_u8(&text, 0);
	return (char *)text.data;
}

static void add_candidate(struct comparison *comparison, const json_t *candidate)
{
	const json_t *site = json_object_get(candidate, "site");
	double seconds = comparison->before.seconds;
	const struct comparison_side side = {
		.births = number(candidate, "births"),
		.bytes = number(candidate, "births_est_bytes"),
		.alloc_rate = seconds > 0 ? number(candidate, "births_est_bytes") / seconds : 0,
		.live = number(candidate, "live_bytes"),
		.growth = number(candidate, "growth_bytes_per_hour"),
		.growth_low = number(candidate, "growth_bytes_per_hour_low"),
		.growth_high = number(candidate, "growth_bytes_per_hour_high"),
	};
	char *stack = stack_of(json_object_get(candidate, "frames"));
	struct comparison_row *row =
		comparison_row(comparison, text_of(candidate, "kind"), text_of(site, "function"),
			       text_of(site, "file"), stack);

	comparison_side_add(&row->before, &side);
	free(stack);
}

static struct error *add_report(struct comparison *comparison, const char *path,
				const json_t *report)
{
	const json_t *candidates = json_object_get(report, "candidates"), *candidate;
	const json_t *metrics = json_object_get(report, "metrics");
	const json_t *version = json_object_get(report, "schema_version");
	size_t i;

	if (!json_is_array(candidates) || !json_is_integer(version))
		return error_remedy(error_new("%s: no report of this program", path),
				    "a baseline is a trace, or what `analyze TRACE -f json` wrote");
	if (json_integer_value(version) != 1)
		return error_new("%s: a report of version %lld, of which nothing is known here",
				 path, (long long)json_integer_value(version));
	comparison->before.path = xstrdup(path);
	comparison->before.seconds = number(json_object_get(report, "trace"), "duration_s");
	comparison->before.cycles = (double)json_array_size(json_object_get(report, "cycles"));
	for (i = 0; i < metrics_count(); i++) {
		const json_t *value = json_object_get(metrics, metrics_name(i));

		if (json_is_number(value))
			comparison->before.metrics[i] = json_number_value(value);
	}
	json_array_foreach(candidates, i, candidate) add_candidate(comparison, candidate);
	return NULL;
}

struct error *comparison_add_json(struct comparison *comparison, const char *path)
{
	struct buffer text = {0};
	json_error_t problem;
	json_t *report = NULL;
	struct error *err = read_all(path, &text);

	buffer_u8(&text, 0);
	if (!err) {
		report = json_loadb((const char *)text.data, text.len - 1, JSON_REJECT_DUPLICATES,
				    &problem);
		if (!report)
			err = error_new("%s: line %d: %s", path, problem.line, problem.text);
	}
	if (!err)
		err = add_report(comparison, path, report);
	json_decref(report);
	buffer_free(&text);
	return err;
}
