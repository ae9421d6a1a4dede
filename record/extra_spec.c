#include "record/extra_spec.h"

#include "common/arguments.h"
#include "formats/xalloc.h"

#include <ctype.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LENGTH 48
/* A prime, so that it does not beat with what the program does at round intervals. */
#define DEFAULT_FREQUENCY 997

/* perf's own events that need no more than a name (perf list; include/uapi/linux/perf_event.h). */
static const struct perf_own {
	const char *name, *alias;
	uint32_t type;
	uint64_t config;
	bool is_clock; /* sampled so many times a second, and not each time */
} perf_owns[] = {
	{"page-faults", "faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, false},
	{"minor-faults", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN, false},
	{"major-faults", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MAJ, false},
	{"context-switches", "cs", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES, false},
	{"cpu-migrations", "migrations", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS, false},
	{"alignment-faults", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_ALIGNMENT_FAULTS, false},
	{"emulation-faults", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_EMULATION_FAULTS, false},
	{"cpu-clock", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, true},
	{"task-clock", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, true},
	{"cycles", "cpu-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, true},
	{"instructions", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, true},
	{"cache-references", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES, true},
	{"cache-misses", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, true},
	{"branches", "branch-instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
	 true},
	{"branch-misses", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES, true},
};

static const struct perf_own *find_own(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(perf_owns) / sizeof(*perf_owns); i++) {
		const struct perf_own *own = &perf_owns[i];

		if ((strlen(own->name) == len && !strncmp(own->name, name, len)) ||
		    (own->alias && strlen(own->alias) == len && !strncmp(own->alias, name, len)))
			return own;
	}
	return NULL;
}

static struct error *wrong(const struct extra_spec *spec, const char *what)
{
	return error_remedy(error_new("event '%s': %s", spec->text, what),
			    "an event is page-faults or another of perf's own, SYSTEM:NAME, "
			    "kprobe:SYMBOL, uprobe:PATH:SYMBOL, or a definition as in "
			    "kprobe_events; see EVENTS in the manual page");
}

/* ---- perf's own ------------------------------------------------------------------------- */

/* "/period=N/" or "/freq=N/", up to the end; then ":u" or ":k" may follow. */
static struct error *parse_term(struct extra_spec *spec, const char **at)
{
	const char *end = strchr(*at + 1, '/'), *value = strchr(*at, '=');
	char *text;
	bool ok;

	if (!end || !value || value > end)
		return wrong(spec, "between the slashes stands period=N or freq=N");
	spec->is_freq = !strncmp(*at + 1, "freq=", 5);
	text = xstrndup(value + 1, (size_t)(end - value - 1));
	ok = (spec->is_freq || !strncmp(*at + 1, "period=", 7)) &&
	     argument_number(text, 1, spec->is_freq ? 100000 : 1ull << 40, &spec->period);
	free(text);
	*at = end + 1;
	return ok ? NULL : wrong(spec, "between the slashes stands period=N or freq=N");
}

static struct error *parse_own(struct extra_spec *spec, const struct perf_own *own,
			       const char *rest)
{
	spec->kind = EXTRA_PERF;
	spec->name = xasprintf("%s%s", own->name, rest);
	spec->type = own->type;
	spec->config = own->config;
	spec->is_freq = own->is_clock;
	spec->period = own->is_clock ? DEFAULT_FREQUENCY : 1;
	spec->has_address =
		own->type == PERF_TYPE_SOFTWARE && (own->config == PERF_COUNT_SW_PAGE_FAULTS ||
						    own->config == PERF_COUNT_SW_PAGE_FAULTS_MIN ||
						    own->config == PERF_COUNT_SW_PAGE_FAULTS_MAJ);
	if (*rest == '/')
		TRY(parse_term(spec, &rest));
	if (!strcmp(rest, ":u"))
		spec->exclude_kernel = true;
	else if (!strcmp(rest, ":k"))
		spec->exclude_user = true;
	else if (*rest)
		return wrong(spec, "behind the name stands :u, :k, /period=N/ or /freq=N/");
	return NULL;
}

/* ---- Tracepoints ------------------------------------------------------------------------ */

static struct error *parse_tracepoint(struct extra_spec *spec)
{
	const char *colon = strchr(spec->text, ':'), *end;

	if (!colon || colon == spec->text)
		return wrong(spec, "no event is called so");
	end = colon + 1 + strcspn(colon + 1, "/ ");
	if (end == colon + 1)
		return wrong(spec, "the name behind the colon is missing");
	spec->kind = EXTRA_TRACEPOINT;
	spec->system = xstrndup(spec->text, (size_t)(colon - spec->text));
	spec->name = xstrndup(colon + 1, (size_t)(end - colon - 1));
	if (strpbrk(spec->system, "/ ") || strchr(spec->name, ':'))
		return wrong(spec, "not SYSTEM:NAME");
	end += strspn(end, " ");
	if (*end == '/') {
		size_t len = strlen(end);

		while (len > 1 && end[len - 1] == ' ')
			len--;
		if (len < 3 || end[len - 1] != '/')
			return wrong(spec, "the filter does not end with a slash");
		spec->filter = xstrndup(end + 1, len - 2);
	} else if (*end) {
		return wrong(spec, "behind the name stands nothing but a /FILTER/");
	}
	return NULL;
}

/* ---- Probes ----------------------------------------------------------------------------- */

char *extra_event_name(const char *symbol)
{
	char *name = xstrndup(symbol, NAME_MAX_LENGTH), *to = name;

	for (const char *from = name; *from; from++) {
		if (isalnum((unsigned char)*from))
			*to++ = *from;
		else if (to > name && to[-1] != '_')
			*to++ = '_';
	}
	while (to > name && to[-1] == '_')
		to--;
	*to = '\0';
	if (isdigit((unsigned char)*name) || !*name) {
		to = xasprintf("at_%s", name);
		free(name);
		return to;
	}
	return name;
}

/* The place, and behind it the fetch args. Of a file it is PATH:SYMBOL. */
static struct error *parse_place(struct extra_spec *spec, const char *text)
{
	static const char suffix[] = "%return";
	size_t len;
	char *colon;

	text += strspn(text, " ");
	len = strcspn(text, " ");
	spec->place = xstrndup(text, len);
	text += len;
	spec->args = xstrdup(text + strspn(text, " "));
	if (len >= strlen(suffix) && !strcmp(spec->place + len - strlen(suffix), suffix)) {
		spec->place[len - strlen(suffix)] = '\0';
		spec->is_return = true;
	}
	if (spec->kind == EXTRA_UPROBE) {
		colon = strrchr(spec->place, ':');
		if (!colon || colon == spec->place || !colon[1])
			return wrong(spec, "a place in a file is PATH:SYMBOL or PATH:0xOFFSET");
		spec->path = xstrndup(spec->place, (size_t)(colon - spec->place));
		memmove(spec->place, colon + 1, strlen(colon));
	}
	if (!*spec->place)
		return wrong(spec, "the place is missing");
	if (!spec->name) {
		char *symbol = xstrndup(spec->place, strcspn(spec->place, "+"));

		spec->name = extra_event_name(symbol);
		free(symbol);
	}
	return NULL;
}

/*
 * "p:NAME PLACE ARG...", "r5:GROUP/NAME PLACE", "p PLACE": as tracefs has it. The group is always
 * our own, so that nothing is left behind; at most so many returns at a time is left to the kernel.
 */
static struct error *parse_definition(struct extra_spec *spec)
{
	const char *at = spec->text + 1 + strspn(spec->text + 1, "0123456789"), *end;

	spec->is_return = spec->text[0] == 'r';
	if (*at == ':') {
		const char *slash;

		at++;
		end = at + strcspn(at, " ");
		slash = memchr(at, '/', (size_t)(end - at));
		if (slash)
			at = slash + 1;
		spec->name = xstrndup(at, (size_t)(end - at));
		for (const char *c = spec->name; *c; c++)
			if (!isalnum((unsigned char)*c) && *c != '_')
				return wrong(spec,
					     "an event's name has letters, digits and _ only");
		if (!*spec->name || isdigit((unsigned char)*spec->name))
			return wrong(spec, "an event's name begins with a letter or _");
		at = end;
	}
	at += strspn(at, " ");
	spec->kind = *at == '/' || *at == '.' ? EXTRA_UPROBE : EXTRA_KPROBE;
	return parse_place(spec, at);
}

/* Whether it is "p", "r", "p:..." or "r16:...", as in kprobe_events. */
static bool is_definition(const char *text)
{
	const char *at = text + 1;

	if (*text != 'p' && *text != 'r')
		return false;
	if (*text == 'r')
		at += strspn(at, "0123456789");
	return *at == ' ' || (*at == ':' && strchr(at, ' '));
}

static struct error *parse(struct extra_spec *spec, bool is_kprobe)
{
	static const struct {
		const char *prefix;
		enum extra_kind kind;
		bool is_return;
	} prefixes[] = {
		{"kprobe:", EXTRA_KPROBE, false},
		{"kretprobe:", EXTRA_KPROBE, true},
		{"uprobe:", EXTRA_UPROBE, false},
		{"uretprobe:", EXTRA_UPROBE, true},
	};
	const struct perf_own *own;
	size_t len;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		len = strlen(prefixes[i].prefix);
		if (strncmp(spec->text, prefixes[i].prefix, len) != 0)
			continue;
		spec->kind = prefixes[i].kind;
		spec->is_return = prefixes[i].is_return;
		return parse_place(spec, spec->text + len);
	}
	if (is_definition(spec->text))
		return parse_definition(spec);
	if (is_kprobe) {
		spec->kind = EXTRA_KPROBE;
		return parse_place(spec, spec->text);
	}
	len = strcspn(spec->text, ":/");
	own = find_own(spec->text, len);
	return own ? parse_own(spec, own, spec->text + len) : parse_tracepoint(spec);
}

struct error *extra_spec_parse(const char *text, bool is_kprobe, struct extra_spec *spec)
{
	struct error *err;

	*spec = (struct extra_spec){.text = xstrdup(text + strspn(text, " "))};
	err = *spec->text ? parse(spec, is_kprobe) : wrong(spec, "it is empty");
	if (!err && is_kprobe && spec->kind != EXTRA_KPROBE)
		err = wrong(spec, "--kprobe takes a function of the kernel; -e takes all others");
	if (err)
		extra_spec_free(spec);
	return err;
}

void extra_spec_free(struct extra_spec *spec)
{
	free(spec->text);
	free(spec->system);
	free(spec->name);
	free(spec->filter);
	free(spec->path);
	free(spec->place);
	free(spec->args);
	*spec = (struct extra_spec){0};
}

/* ---- Lists ------------------------------------------------------------------------------ */

static struct error *add_one(struct extra_specs *specs, const char *text, bool is_kprobe)
{
	struct extra_spec spec;

	TRY(extra_spec_parse(text, is_kprobe, &spec));
	xgrow(specs->items, specs->cap, specs->n + 1);
	specs->items[specs->n++] = spec;
	return NULL;
}

struct error *extra_specs_add(struct extra_specs *specs, const char *text, bool is_kprobe)
{
	struct error *err = NULL;
	char *copy, *save = NULL;

	/* In filters, paths and arguments a comma is a comma. */
	if (is_kprobe || strpbrk(text, "/ ") || !strchr(text, ','))
		return add_one(specs, text, is_kprobe);
	copy = xstrdup(text);
	for (char *word = strtok_r(copy, ",", &save); word && !err;
	     word = strtok_r(NULL, ",", &save))
		err = add_one(specs, word, false);
	free(copy);
	return err;
}

bool extra_specs_need_tracefs(const struct extra_specs *specs)
{
	for (size_t i = 0; i < specs->n; i++)
		if (specs->items[i].kind != EXTRA_PERF)
			return true;
	return false;
}

void extra_specs_free(struct extra_specs *specs)
{
	for (size_t i = 0; i < specs->n; i++)
		extra_spec_free(&specs->items[i]);
	free(specs->items);
	*specs = (struct extra_specs){0};
}
