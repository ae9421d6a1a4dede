/* The runtime's lines that stand beside the gc lines. */
#include "formats/gctrace_items.h"

#include <string.h>

bool gctrace_take_text(const char **p, const char *end, const char *prefix)
{
	size_t len = strlen(prefix);

	if ((size_t)(end - *p) < len || memcmp(*p, prefix, len))
		return false;
	*p += len;
	return true;
}

static bool skip_digits(const char **p, const char *end)
{
	const char *begin = *p;

	while (*p < end && **p >= '0' && **p <= '9')
		++*p;
	return *p > begin;
}

static bool match_scav(const char *p, const char *end)
{
	if (!skip_digits(&p, end))
		return false;
	if (gctrace_take_text(&p, end, " ") &&
	    skip_digits(&p, end)) /* the generation, up to Go 1.18 */
		return gctrace_take_text(&p, end, " KiB work");
	return gctrace_take_text(&p, end, "KiB work");
}

static bool match_init(const char *p, const char *end)
{
	const char *at = memmem(p, (size_t)(end - p), " @", 2);

	return at && at > p && memmem(at, (size_t)(end - at), " ms clock, ", 11);
}

static bool match_pacer(const char *p, const char *end)
{
	return gctrace_take_text(&p, end, "assist ratio=") ||
	       gctrace_take_text(&p, end, "sweep done at") ||
	       gctrace_take_text(&p, end, "H_m_prev=") ||
	       (skip_digits(&p, end) && gctrace_take_text(&p, end, "% CPU ("));
}

static bool match_sched(const char *p, const char *end)
{
	return skip_digits(&p, end) && gctrace_take_text(&p, end, "ms: gomaxprocs=");
}

static bool match_scan(const char *p, const char *end)
{
	return gctrace_take_text(&p, end, "total ") || gctrace_take_text(&p, end, "class ");
}

static bool match_scvg(const char *p, const char *end)
{
	skip_digits(&p, end);
	return gctrace_take_text(&p, end, ": ");
}

static const struct other_kind {
	enum gctrace_kind kind;
	const char *text;
	bool (*match)(const char *p, const char *end);
} other_kinds[] = {
	{GCTRACE_GC_FORCED, "GC forced", gctrace_at_end},
	{GCTRACE_SCAV, "scav ", match_scav},
	{GCTRACE_SCVG, "scvg", match_scvg},
	{GCTRACE_INIT, "init ", match_init},
	{GCTRACE_PACER, "pacer: ", match_pacer},
	{GCTRACE_SCHED, "SCHED ", match_sched},
	{GCTRACE_SCAN, "scan: ", match_scan},
};

const char *gctrace_find_other(const char *begin, const char *end, enum gctrace_kind *kind)
{
	for (size_t i = 0; i < sizeof(other_kinds) / sizeof(other_kinds[0]); i++) {
		size_t len = strlen(other_kinds[i].text);
		const char *p = memmem(begin, (size_t)(end - begin), other_kinds[i].text, len);

		if (!p || !other_kinds[i].match(p + len, end))
			continue;
		*kind = other_kinds[i].kind;
		return p;
	}
	return NULL;
}
