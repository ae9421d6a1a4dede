#include "record/limits.h"

#include "formats/xalloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where version 1 has no limit it says the greatest number of whole pages. */
#define NO_LIMIT ((uint64_t)1 << 62)

/* A hierarchy of control groups that can limit memory, where it is mounted here. */
struct hierarchy {
	char *root, *mount; /* the part of it that the mount shows */
	bool is_v2;
};

static FILE *open_in(const char *folder, const char *name)
{
	char *path = xasprintf("%s/%s", folder, name);
	FILE *f = fopen(path, "re");

	free(path);
	return f;
}

static FILE *open_of(const char *proc, pid_t pid, const char *name)
{
	char *path = xasprintf("%s/%d", proc, (int)pid);
	FILE *f = open_in(path, name);

	free(path);
	return f;
}

/* Word n of a line, from 0; NULL where there are fewer. Owned by the caller. */
static char *word_of(const char *line, size_t n)
{
	line += strspn(line, " ");
	for (; n; n--) {
		line += strcspn(line, " \n");
		line += strspn(line, " ");
	}
	return line[0] && line[0] != '\n' ? xstrndup(line, strcspn(line, " \n")) : NULL;
}

/* Whether a list with commas between has the word. */
static bool lists(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, word, len) && (at[len] == ',' || !at[len]))
			return true;
	}
	return false;
}

/*
 * "30 23 0:26 /root /mount options optional - type source options": the optional fields end with
 * the hyphen.
 */
static bool parse_mount(const char *line, bool v2, struct hierarchy *h)
{
	const char *tail = strstr(line, " - ");
	char *type = tail ? word_of(tail + 3, 0) : NULL, *options = NULL;
	bool fits;

	if (tail)
		options = word_of(tail + 3, 2);
	fits = type && options &&
	       (v2 ? !strcmp(type, "cgroup2")
		   : !strcmp(type, "cgroup") && lists(options, "memory"));
	free(type);
	free(options);
	if (!fits)
		return false;
	*h = (struct hierarchy){word_of(line, 3), word_of(line, 4), v2};
	if (h->root && h->mount)
		return true;
	free(h->root);
	free(h->mount);
	return false;
}

static bool find_hierarchy(const char *proc, bool v2, struct hierarchy *h)
{
	char *self = xasprintf("%s/self", proc), *line = NULL;
	FILE *f = open_in(self, "mountinfo");
	bool found = false;
	size_t cap = 0;

	while (f && !found && getline(&line, &cap, f) > 0)
		found = parse_mount(line, v2, h);
	if (f)
		fclose(f);
	free(line);
	free(self);
	return found;
}

/* "0::/path", or "4:memory:/path" of version 1. Owned by the caller; NULL: in no group. */
static char *group_of(const char *proc, pid_t pid, bool v2)
{
	FILE *f = open_of(proc, pid, "cgroup");
	char *line = NULL, *path = NULL;
	size_t cap = 0;

	while (f && !path && getline(&line, &cap, f) > 0) {
		char *first = strchr(line, ':');
		char *second = first ? strchr(first + 1, ':') : NULL;

		if (!second)
			continue;
		*second = '\0';
		second[1 + strcspn(second + 1, "\n")] = '\0';
		if (v2 ? !first[1] && !strncmp(line, "0:", 2) : lists(first + 1, "memory"))
			path = xstrdup(second + 1);
	}
	if (f)
		fclose(f);
	free(line);
	return path;
}

static uint64_t read_limit(const char *folder, bool v2)
{
	FILE *f = open_in(folder, v2 ? "memory.max" : "memory.limit_in_bytes");
	uint64_t limit = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%" SCNu64, &limit) != 1 || limit >= NO_LIMIT)
		limit = 0;
	fclose(f);
	return limit;
}

/* The path below the mount; "" for a group that the mount does not show, as within a container. */
static const char *below(const struct hierarchy *h, const char *group)
{
	size_t len = strlen(h->root);

	if (!strcmp(h->root, "/"))
		return group;
	return !strncmp(group, h->root, len) && (group[len] == '/' || !group[len]) ? group + len
										   : "";
}

/* The least limit of a group and of all that it is in. */
static void look_up(const struct hierarchy *h, const char *group, struct limits *limits)
{
	char *path = xstrdup(below(h, group)), *slash;

	for (bool more = true; more;) {
		char *folder = xasprintf("%s%s", h->mount, path);
		uint64_t limit = read_limit(folder, h->is_v2);

		if (limit && (!limits->cgroup || limit < limits->cgroup)) {
			limits->cgroup = limit;
			free(limits->control);
			limits->control = xstrdup(path[0] ? path : "/");
		}
		free(folder);
		slash = strrchr(path, '/');
		more = slash != NULL;
		if (slash)
			*slash = '\0';
	}
	free(path);
}

static uint64_t read_machine(const char *proc)
{
	FILE *f = open_in(proc, "meminfo");
	uint64_t kib = 0;
	char line[256];

	while (f && !kib && fgets(line, sizeof(line), f))
		sscanf(line, "MemTotal: %" SCNu64, &kib);
	if (f)
		fclose(f);
	return kib * 1024;
}

bool limits_parse_go(const char *text, uint64_t *bytes)
{
	static const struct {
		const char *suffix;
		unsigned shift;
	} units[] = {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
	uint64_t number;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	number = strtoull(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].suffix) || number > (UINT64_MAX >> 1) >> units[i].shift)
			continue;
		*bytes = number << units[i].shift;
		return true;
	}
	return false;
}

static uint64_t read_environment(const char *proc, pid_t pid)
{
	static const char name[] = "GOMEMLIMIT=";
	FILE *f = open_of(proc, pid, "environ");
	uint64_t bytes = 0;
	char *entry = NULL;
	size_t cap = 0;

	while (f && getdelim(&entry, &cap, '\0', f) > 0) {
		if (!strncmp(entry, name, sizeof(name) - 1) &&
		    !limits_parse_go(entry + sizeof(name) - 1, &bytes))
			bytes = 0;
	}
	if (f)
		fclose(f);
	free(entry);
	return bytes;
}

void limits_read(const char *proc, pid_t pid, struct limits *limits)
{
	*limits = (struct limits){
		.machine = read_machine(proc),
		.go_memory = read_environment(proc, pid),
	};
	for (int v2 = 0; v2 < 2; v2++) {
		struct hierarchy h;
		char *group = group_of(proc, pid, v2);

		if (group && find_hierarchy(proc, v2, &h)) {
			look_up(&h, group, limits);
			free(h.root);
			free(h.mount);
		}
		free(group);
	}
}

void limits_free(struct limits *limits)
{
	free(limits->control);
	*limits = (struct limits){0};
}
