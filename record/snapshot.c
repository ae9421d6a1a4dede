#include "record/snapshot.h"

#include "common/arguments.h"
#include "formats/xalloc.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Growth within a time is seen to one part in so many of it. */
#define STEPS 64

struct snapshot_watch {
	struct snapshot_condition condition;
	bool holds;
	/* The least that was seen in each step of the time, by step modulo STEPS + 1. */
	uint64_t least[STEPS + 1], step_of[STEPS + 1];
};

bool snapshot_parse(const char *text, struct snapshot_condition *condition)
{
	static const struct {
		const char *begins;
		int kind;
	} kinds[] = {
		{"rss>", SNAPSHOT_RSS_ABOVE},
		{"rss+", SNAPSHOT_RSS_GREW},
		{"heap>", SNAPSHOT_HEAP_ABOVE},
	};

	*condition = (struct snapshot_condition){.text = text};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t len = strlen(kinds[i].begins);
		const char *slash = strchr(text, '/');
		char *size;
		bool ok;

		if (strncmp(text, kinds[i].begins, len) != 0)
			continue;
		condition->kind = kinds[i].kind;
		if ((condition->kind == SNAPSHOT_RSS_GREW) != (slash != NULL))
			return false;
		size = slash ? xstrndup(text + len, (size_t)(slash - text) - len)
			     : xstrdup(text + len);
		ok = argument_bytes(size, &condition->bytes) && condition->bytes;
		free(size);
		return ok && (!slash || (argument_duration(slash + 1, &condition->within) &&
					 condition->within >= 1000000000u));
	}
	return false;
}

struct snapshot_watch *snapshot_watch_new(const struct snapshot_condition *condition)
{
	struct snapshot_watch *watch = xcalloc(1, sizeof(*watch));

	watch->condition = *condition;
	return watch;
}

static void forget(struct snapshot_watch *watch)
{
	memset(watch->step_of, 0, sizeof(watch->step_of));
}

/* Whether it is `bytes` above the least of the time behind us. */
static bool grew(struct snapshot_watch *watch, uint64_t now, uint64_t rss)
{
	uint64_t width = watch->condition.within / STEPS, step = now / width + 1;
	size_t slot = step % (STEPS + 1);
	uint64_t least = rss;

	if (watch->step_of[slot] != step || rss < watch->least[slot]) {
		watch->step_of[slot] = step;
		watch->least[slot] = rss;
	}
	for (size_t i = 0; i <= STEPS; i++)
		if (watch->step_of[i] && step - watch->step_of[i] <= STEPS &&
		    watch->least[i] < least)
			least = watch->least[i];
	return rss - least >= watch->condition.bytes;
}

bool snapshot_watch_take(struct snapshot_watch *watch, uint64_t now, uint64_t rss, uint64_t heap)
{
	uint64_t value = watch->condition.kind == SNAPSHOT_HEAP_ABOVE ? heap : rss;
	bool held = watch->holds;

	if (!value)
		return false;
	if (watch->condition.kind == SNAPSHOT_RSS_GREW) {
		if (!grew(watch, now, rss))
			return false;
		/* What comes next counts from here. */
		forget(watch);
		grew(watch, now, rss);
		return true;
	}
	watch->holds = value > watch->condition.bytes;
	return watch->holds && !held;
}

void snapshot_watch_free(struct snapshot_watch *watch)
{
	free(watch);
}
