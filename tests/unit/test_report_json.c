#include "analyze/report_json.h"

#include "analyze/judge.h"
#include "formats/json.h"
#include "tests/unit/golden.h"
#include "tests/unit/shop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char *render(const struct model *model, const struct gchealth_list *health)
{
	static const struct gchealth_list none;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	assert_null(report_json(
		out, &(struct findings){.model = *model, .health = health ? *health : none}));
	fclose(out);
	return text;
}

/* ---- A reader of JSON, to tell whether all of a text is one value (RFC 8259) ------------- */

static const char *read_value(const char *at, int depth);

static const char *skip_blank(const char *at)
{
	return at + strspn(at, " \n");
}

static const char *read_string(const char *at)
{
	if (*at++ != '"')
		return NULL;
	for (; *at != '"'; at++) {
		if ((unsigned char)*at < 0x20)
			return NULL;
		if (*at == '\\' && *++at == 'u')
			for (int i = 0; i < 4; i++)
				if (!*++at || !strchr("0123456789abcdef", *at))
					return NULL;
	}
	return at + 1;
}

static const char *read_members(const char *at, int depth, char close)
{
	at = skip_blank(at + 1);
	if (*at == close)
		return at + 1;
	for (;; at = skip_blank(at + 1)) {
		if (close == '}') {
			at = read_string(at);
			if (!at || *at++ != ':')
				return NULL;
		}
		at = read_value(at, depth + 1);
		at = at ? skip_blank(at) : NULL;
		if (at && *at == close)
			return at + 1;
		if (!at || *at != ',')
			return NULL;
	}
}

static const char *read_value(const char *at, int depth)
{
	static const char *const words[] = {"null", "true", "false"};
	char *end;

	if (depth > JSON_MAX_DEPTH)
		return NULL;
	if (*at == '{' || *at == '[')
		return read_members(at, depth, *at == '{' ? '}' : ']');
	if (*at == '"')
		return read_string(at);
	for (size_t i = 0; i < 3; i++)
		if (!strncmp(at, words[i], strlen(words[i])))
			return at + strlen(words[i]);
	/* strtod takes more than JSON does. */
	if (!strchr("-0123456789", *at))
		return NULL;
	strtod(at, &end);
	return strspn(at, "-+.0123456789e") >= (size_t)(end - at) ? end : NULL;
}

static void assert_json(const char *text)
{
	const char *end = read_value(text, 0);

	if (!end || strcmp(end, "\n") != 0)
		fail_msg("no JSON: %s", text);
}

/* ---- Golden files ----------------------------------------------------------------------- */

static void add_gctrace(struct model *model)
{
	model->gctrace = xcalloc(2, sizeof(*model->gctrace));
	model->n_gctrace = 2;
	for (size_t i = 0; i < 2; i++)
		model->gctrace[i] = (struct gctrace_point){
			.number = 1 + i,
			.line = 3 + i,
			.time = i ? 0 : model->first_time + SECOND,
			.matched = i == 0,
			.percent = 1.5,
			.pause_ms = 0.25,
			.mark_ms = 3,
			.heap_start = 3 * MIB,
			.heap_peak = 4 * MIB,
			.heap_live = 2 * MIB,
			.goal = i ? UINT64_MAX : 4 * MIB,
			.procs = 4,
		};
}

/* Everything there is, but of what is many a few: the epochs are merged ten into one. */
static void check_report(bool agree, const char *name)
{
	const struct gchealth_options options = gchealth_defaults();
	struct gchealth_list health = {0};
	struct model model;
	struct sim sim = shop_sim(&model);
	char *text, *again;

	add_shop_sites(&sim, &model);
	add_shop_memory(&model);
	add_witnesses(&model, agree);
	add_gctrace(&model);
	model.texts = xcalloc(1, sizeof(*model.texts));
	model.texts[model.n_texts++] = xstrdup("loss: births have no stack of their own");
	judge(&model, NULL);
	gchealth_add_trace(&health, &model, &options);
	sim_merge(&model, 10);
	model.n_cycles = model.n_rss = model.n_maps = 5;
	text = render(&model, &health);
	again = render(&model, &health);
	assert_string_equal(text, again);
	assert_json(text);
	assert_golden(name, text);
	free(text);
	free(again);
	gchealth_free(&health);
	model_free(&model);
	sim_free(&sim);
}

static void test_agreeing(void **state)
{
	(void)state;
	check_report(true, "agreeing.json");
}

static void test_problems(void **state)
{
	(void)state;
	check_report(false, "problems.json");
}

/* ---- Curves ----------------------------------------------------------------------------- */

/* The value behind a key, in the candidate's points from `at` on. */
static double value_of(const char *at, const char *key)
{
	char *quoted = xasprintf("\"%s\":", key);
	const char *found = strstr(at, quoted);
	double value;

	assert_non_null(found);
	value = strtod(found + strlen(quoted), NULL);
	free(quoted);
	return value;
}

/* Two objects are born in the first of five cycles; one is found dead in the fourth, by the mark
 * that ended the third. */
static void test_series(void **state)
{
	static const double objects[] = {2, 2, 1, 1, 1};
	static const bool kept[] = {true, true, true, false, true};
	struct sim sim = sim_new(1, 5, false);
	struct model model;
	const char *at;
	char *text;

	(void)state;
	sim.span = 5.5;
	sim.tail_swept = true;
	for (size_t i = 0; i < 5; i++) {
		sim.end[i] = (double)i + 1;
		sim.mark_start[i] = (double)i + 0.9;
	}
	sim_model(&sim, &model);
	sim_begin_site(&sim, &model);
	sim.min_size = sim.max_size = 524288;
	sim_object(&sim, 0.1, INFINITY);
	sim_object(&sim, 0.2, 2.5);
	sim_end_site(&sim);
	judge(&model, NULL);
	assert_int_equal(model.n_candidates, 1);
	text = render(&model, NULL);
	at = strstr(text, "\"series\":[");
	assert_non_null(at);
	for (size_t i = 0; i < 5; i++) {
		if (!kept[i])
			continue;
		at = strstr(at, "{\"time_ns\":");
		assert_non_null(at);
		assert_true(value_of(at, "time_ns") == 1e9 + (double)(i + 1) * 1e9);
		assert_true(value_of(at, "live_objects") == objects[i]);
		assert_true(value_of(at, "generations") == 1);
		/* 1 / (1 - 1/e) of its size each. */
		assert_float_equal(value_of(at, "live_est_bytes"),
				   objects[i] * 524288 / (1 - exp(-1)), 1);
		at++;
	}
	assert_true(strstr(at, "{\"time_ns\":") == NULL ||
		    strstr(at, "{\"time_ns\":") > strstr(at, "]"));
	free(text);
	model_free(&model);
	sim_free(&sim);
}

/* ---- What is absent, hostile or broken --------------------------------------------------- */

static void test_nothing_at_all(void **state)
{
	struct model model;
	char *text;

	(void)state;
	model_init(&model);
	text = render(&model, NULL);
	assert_json(text);
	assert_golden("nothing.json", text);
	free(text);
	model_free(&model);
}

static void test_hostile(void **state)
{
	static const char *const names[] = {"evil\033[2J\"\nname\xff\x80\\", "", NULL};
	struct model model;
	struct sim sim = shop_sim(&model);
	char *text;

	(void)state;
	add_shop_sites(&sim, &model);
	add_shop_memory(&model);
	add_witnesses(&model, false);
	add_gctrace(&model);
	model.gctrace[0].alignment = 77;
	model.gctrace[0].percent = NAN;
	model.cycles[0].process = UINT32_MAX;
	model.rss[0].process = 9;
	model.maps[0].process = 9;
	model.checks[0].process = UINT32_MAX;
	model.dumps[0].process = 1234;
	model.dumps[0].rows[0].site = UINT32_MAX;
	model.sites[0].stack = add_stack(&model, names, "/tmp/\033]0;x\a.go");
	model.sites[1].stack = UINT32_MAX;
	memset(model.processes[0].comm, 'x', sizeof(model.processes[0].comm));
	free(model.hostname);
	model.hostname = xstrdup("ho\033st\n");
	judge(&model, NULL);
	model.candidates[0].growth = INFINITY;
	model.candidates[0].p_value = NAN;
	text = render(&model, NULL);
	assert_json(text);
	assert_null(strchr(text, '\033'));
	assert_null(strchr(text, '\a'));
	assert_non_null(strstr(text, "evil\\u001b[2J\\\"\\nname\\ufffd\\ufffd\\\\"));
	assert_non_null(strstr(text, "\"comm\":\"xxxxxxxxxxxxxxxx\""));
	assert_non_null(strstr(text, "\"growth_bytes_per_hour\":null,"));
	assert_non_null(strstr(text, "\"p_value\":null,"));
	free(text);
	model_free(&model);
	sim_free(&sim);
}

static void test_write_error(void **state)
{
	static const struct gchealth_list none;
	struct model model;
	struct error *err;
	FILE *out = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(out);
	model_init(&model);
	err = report_json(out, &(struct findings){.model = model, .health = none});
	assert_non_null(err);
	assert_non_null(strstr(error_message(err), "No space left"));
	error_free(err);
	fclose(out);
	model_free(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agreeing), cmocka_unit_test(test_problems),
		cmocka_unit_test(test_series),	 cmocka_unit_test(test_nothing_at_all),
		cmocka_unit_test(test_hostile),	 cmocka_unit_test(test_write_error),
	};

	return cmocka_run_group_tests_name("report_json", tests, NULL, NULL);
}
