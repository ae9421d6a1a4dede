/* The limits beyond which gchealth speaks of an anomaly, by the names that users give them. */

#include "analyze/gchealth.h"

#include "common/arguments.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

enum unit { SHARE, NUMBER, TIME, BYTES };

static const char *const unit_names[] = {
	[SHARE] = "a share such as 15% or 0.15",
	[NUMBER] = "a number",
	[TIME] = "a time such as 200us or 5ms",
	[BYTES] = "a size such as 64M",
};

#define LIMIT(name, unit, member)                                     \
	{                                                             \
		name, unit, offsetof(struct gchealth_options, member) \
	}

static const struct {
	const char *name;
	enum unit unit;
	size_t member; /* a double */
} limits[] = {
	LIMIT("cpu-share", SHARE, cpu_share),
	LIMIT("rate", NUMBER, rate),
	LIMIT("pause", TIME, pause),
	LIMIT("pause-p99", TIME, pause_p99),
	LIMIT("assist", SHARE, assist_share),
	LIMIT("mark-growth", SHARE, mark_growth),
	LIMIT("live-goal", SHARE, live_goal),
	LIMIT("live-goal-part", SHARE, live_goal_part),
	LIMIT("forced", SHARE, forced_share),
	LIMIT("live-growth", SHARE, live_growth),
	LIMIT("live-growth-bytes", BYTES, live_growth_bytes),
	LIMIT("flat-goal", SHARE, flat_goal),
	LIMIT("overshoot", SHARE, overshoot),
	LIMIT("overshoot-part", SHARE, overshoot_part),
	LIMIT("stacks", SHARE, stacks_share),
	LIMIT("stacks-bytes", BYTES, stacks_bytes),
};
#define N_LIMITS (sizeof(limits) / sizeof(limits[0]))

/* A decimal number, with or without a percent sign where that may be. */
static bool parse_number(const char *text, bool may_be_percent, double *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	*value = strtod(text, &end);
	if (may_be_percent && !strcmp(end, "%"))
		*value /= 100;
	else if (*end)
		return false;
	return *value <= 1e12;
}

static bool parse_value(enum unit unit, const char *text, double *value)
{
	uint64_t whole;

	if (unit == SHARE || unit == NUMBER)
		return parse_number(text, unit == SHARE, value);
	if (unit == TIME ? !argument_duration(text, &whole) : !argument_bytes(text, &whole))
		return false;
	*value = (double)whole;
	return true;
}

static struct error *no_such_name(const char *text, size_t len)
{
	char *names = xstrdup(limits[0].name);
	struct error *err;

	for (size_t i = 1; i < N_LIMITS; i++) {
		char *longer = xasprintf("%s, %s", names, limits[i].name);

		free(names);
		names = longer;
	}
	err = error_remedy(error_new("%.*s is not a threshold", (int)len, text), "there are: %s",
			   names);
	free(names);
	return err;
}

struct error *gchealth_set_threshold(struct gchealth_options *options, const char *text)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text);

	for (size_t i = 0; i < N_LIMITS; i++) {
		double value;

		if (strlen(limits[i].name) != len || strncmp(limits[i].name, text, len) != 0)
			continue;
		if (!equals || !parse_value(limits[i].unit, equals + 1, &value))
			return error_new("%s: %s=VALUE wants %s", text, limits[i].name,
					 unit_names[limits[i].unit]);
		*(double *)(void *)((char *)options + limits[i].member) = value;
		return NULL;
	}
	return no_such_name(text, len);
}
