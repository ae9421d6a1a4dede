#include "record/probes.h"

#include "formats/xalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <tracefs/tracefs.h>
#include <unistd.h>

#define REMOVE_TRIES 1500 /* of 10 ms each */

struct probes {
	char *prefix; /* of the groups: gmt_<pid>_<random> */
	char *extra_group;
	size_t n_groups;
	int lock_fd;
	struct tracefs_dynevent **dynevents;
	size_t n_dynevents, cap_dynevents;
	struct trace_event *events;
	size_t n_events, cap_events;
};

/* Removes every event of these kinds in a gmt_ group that nobody has open. */
static size_t remove_leftovers(unsigned kinds)
{
	struct tracefs_dynevent **all = tracefs_dynevent_get_all(kinds, NULL);
	size_t removed = 0;

	for (size_t i = 0; all && all[i]; i++) {
		char *system = NULL;

		tracefs_dynevent_info(all[i], &system, NULL, NULL, NULL, NULL);
		if (system &&
		    strncmp(system, PROBE_GROUP_PREFIX, strlen(PROBE_GROUP_PREFIX)) == 0 &&
		    tracefs_dynevent_destroy(all[i], false) == 0)
			removed++;
		free(system);
	}
	tracefs_dynevent_list_free(all);
	return removed;
}

struct error *probes_open(struct probes **probes, size_t *removed)
{
	const char *dir = tracefs_tracing_dir();
	struct timespec now;
	struct probes *p;
	char *path;
	int fd;

	if (!dir)
		return error_remedy(error_new("tracefs is not mounted and could not be mounted"),
				    "run record as root on the host (`mount -t tracefs nodev "
				    "/sys/kernel/tracing`); in a container, mount "
				    "/sys/kernel/tracing into it");
	path = xasprintf("%s/uprobe_events", dir);
	/* Read-only: opening this file for writing could wipe everybody's events. */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0) {
		close(fd);
		fd = -1;
		errno = EACCES;
	}
	if (fd < 0) {
		struct error *err = error_errno(errno, "%s", path);

		free(path);
		if (error_errnum(err) == ENOENT)
			return error_remedy(err,
					    "this kernel has no uprobes "
					    "(CONFIG_UPROBE_EVENTS), or %s is not tracefs; "
					    "`record --heap=counters` needs no breakpoint",
					    dir);
		return error_remedy(err, "run record as root, or with CAP_PERFMON and "
					 "CAP_DAC_OVERRIDE");
	}
	free(path);
	if (flock(fd, LOCK_EX) != 0) {
		struct error *err = error_errno(errno, "cannot lock tracefs");

		close(fd);
		return err;
	}
	p = xcalloc(1, sizeof(*p));
	clock_gettime(CLOCK_MONOTONIC, &now);
	p->lock_fd = fd;
	p->prefix = xasprintf(PROBE_GROUP_PREFIX "%d_%lx", getpid(), now.tv_nsec & 0xffffff);
	p->extra_group = xasprintf("%s" PROBE_GROUP_EXTRA, p->prefix);
	*removed = remove_leftovers(TRACEFS_DYNEVENT_UPROBE | TRACEFS_DYNEVENT_URETPROBE);
	if (tracefs_file_exists(NULL, "kprobe_events"))
		*removed += remove_leftovers(TRACEFS_DYNEVENT_KPROBE | TRACEFS_DYNEVENT_KRETPROBE);
	*probes = p;
	return NULL;
}

struct probes *probes_none(void)
{
	struct probes *p = xcalloc(1, sizeof(*p));

	p->lock_fd = -1;
	return p;
}

static char *fetch_args(const struct probe *probe)
{
	char *text = xstrdup("");

	for (size_t i = 0; i < probe->n_args; i++) {
		char *longer = xasprintf("%s%s%s=%s", text, i ? " " : "", probe->args[i].name,
					 probe->args[i].expr);

		free(text);
		text = longer;
	}
	return text;
}

bool probes_event_id(const char *system, const char *name, uint64_t *id)
{
	char *text = tracefs_event_file_read(NULL, system, name, "id", NULL);
	bool ok = text && sscanf(text, "%lu", id) == 1;

	free(text);
	return ok;
}

struct trace_event *probes_append(struct probes *probes, const char *system, const char *name,
				  uint32_t type, uint64_t id)
{
	struct trace_event *event;

	xgrow(probes->events, probes->cap_events, probes->n_events + 1);
	event = &probes->events[probes->n_events++];
	*event = (struct trace_event){
		.system = system ? xstrdup(system) : NULL,
		.name = xstrdup(name),
		.type = type,
		.id = id,
		.period = 1,
	};
	return event;
}

/* What the kernel said of the last definition it refused, on one line; to be freed. */
static char *kernel_complaint(void)
{
	char *log = tracefs_error_last(NULL), *end;

	if (!log)
		return xstrdup("");
	end = strchr(log, '\n');
	if (end)
		*end = '\0';
	/* Without the time at its front: "[  12.3] trace_uprobe: error: ...". */
	end = log[0] == '[' ? strchr(log, ']') : NULL;
	if (end)
		memmove(log, end + 1 + strspn(end + 1, " "), strlen(end + strspn(end + 1, " ")));
	return log;
}

struct error *probes_create(struct probes *probes, struct tracefs_dynevent *dynevent,
			    const char *group, const char *name, const char *what,
			    struct trace_event **event)
{
	uint64_t id;

	if (!dynevent || tracefs_dynevent_create(dynevent) != 0) {
		int errnum = errno;
		char *complaint = kernel_complaint();
		struct error *err =
			error_errno(errnum, "%s was refused%s%s%s", what, *complaint ? " (" : "",
				    complaint, *complaint ? ")" : "");

		free(complaint);
		tracefs_dynevent_free(dynevent);
		return err;
	}
	xgrow(probes->dynevents, probes->cap_dynevents, probes->n_dynevents + 1);
	probes->dynevents[probes->n_dynevents++] = dynevent;
	if (!probes_event_id(group, name, &id))
		return error_new("tracefs does not give the id of %s:%s", group, name);
	*event = probes_append(probes, group, name, PERF_TYPE_TRACEPOINT, id);
	return NULL;
}

static struct error *install_probe(struct probes *probes, const char *group,
				   const struct probe *probe, const char *exe_ref,
				   struct trace_event **event)
{
	char *args = fetch_args(probe);
	char *what = xasprintf("probe %s (%s at %s:0x%lx, %s)", probe->event, probe->symbol,
			       exe_ref, probe->file_offset, args);
	struct error *err = probes_create(
		probes,
		probe->is_return ? tracefs_uretprobe_alloc(group, probe->event, exe_ref,
							   probe->file_offset, args)
				 : tracefs_uprobe_alloc(group, probe->event, exe_ref,
							probe->file_offset, args),
		group, probe->event, what, event);

	free(what);
	free(args);
	if (err)
		return error_remedy(err, "run record as root; `record --list` shows the probes "
					 "without installing them");
	(*event)->filter = probe->filter;
	(*event)->callchain = probe->callchain;
	(*event)->user_stack = probe->user_stack;
	return NULL;
}

struct error *probes_install(struct probes *probes, const struct plan *plan, const char *exe_ref,
			     uint64_t alloc_period)
{
	char *group = probes->n_groups ? xasprintf("%s_%zu", probes->prefix, probes->n_groups)
				       : xstrdup(probes->prefix);
	struct error *err = NULL;

	probes->n_groups++;
	for (size_t i = 0; i < plan->n_probes && !err; i++) {
		struct trace_event *event = NULL;

		err = install_probe(probes, group, &plan->probes[i], exe_ref, &event);
		if (event && plan->probes[i].role == ROLE_ALLOC && alloc_period > 1)
			event->period = alloc_period;
	}
	free(group);
	return err;
}

bool probes_take_arrays(void)
{
	char *readme = tracefs_instance_file_read(NULL, "README", NULL);
	/* Where it cannot be read, a refusal will tell. */
	bool take = !readme || strstr(readme, "<array-size>");

	free(readme);
	return take;
}

void probes_places(const struct trace_event *event, const char *const *fields, size_t n,
		   struct probes_place *places)
{
	char *format = probes_format(event);
	struct tep_handle *tep = tep_alloc();
	struct tep_event *parsed = NULL;

	if (format && tep && tep_parse_event(tep, format, strlen(format), event->system) == 0)
		parsed = tep_find_event_by_name(tep, event->system, event->name);
	for (size_t i = 0; i < n; i++) {
		struct tep_format_field *found =
			parsed ? tep_find_any_field(parsed, fields[i]) : NULL;

		places[i] = (struct probes_place){0};
		if (found)
			places[i] = (struct probes_place){(unsigned)found->offset,
							  (unsigned)found->size};
	}
	tep_free(tep);
	free(format);
}

bool probes_array_field(const struct trace_event *event, const char *field, unsigned *offset,
			unsigned *count)
{
	struct probes_place place;

	probes_places(event, &field, 1, &place);
	*offset = place.offset;
	*count = place.size / sizeof(uint64_t);
	return place.size != 0;
}

void probes_add_tracepoint(struct probes *probes, const char *system, const char *name,
			   const char *filter, bool callchain, bool *found)
{
	struct trace_event *event;
	uint64_t id;

	*found = probes_event_id(system, name, &id);
	if (!*found)
		return;
	event = probes_append(probes, system, name, PERF_TYPE_TRACEPOINT, id);
	event->filter = filter;
	event->callchain = callchain;
}

void probes_want_user_stack(struct probes *probes)
{
	probes->events[probes->n_events - 1].user_stack = true;
}

const struct trace_event *probes_events(const struct probes *probes, size_t *n)
{
	*n = probes->n_events;
	return probes->events;
}

const char *probes_extra_group(const struct probes *probes)
{
	return probes->extra_group;
}

char *probes_event_name(const struct trace_event *event)
{
	return event->system ? xasprintf("%s:%s", event->system, event->name)
			     : xstrdup(event->name);
}

char *probes_format(const struct trace_event *event)
{
	return tracefs_event_file_read(NULL, event->system, event->name, "format", NULL);
}

void probes_unlock(struct probes *probes)
{
	if (probes->lock_fd >= 0)
		close(probes->lock_fd);
	probes->lock_fd = -1;
}

/*
 * The kernel lets go of a closed event a moment later, on a busy machine many: until then it
 * answers EBUSY. A recorder that starts in that moment may take it out for us (ENOENT). Takes out
 * what it can, and returns how many are left.
 */
static size_t remove_events(struct probes *probes)
{
	size_t left = 0;

	for (size_t i = 0; i < probes->n_dynevents; i++) {
		struct tracefs_dynevent *dynevent = probes->dynevents[i];

		if (tracefs_dynevent_destroy(dynevent, false) == 0 || errno == ENOENT)
			tracefs_dynevent_free(dynevent);
		else
			probes->dynevents[left++] = dynevent;
	}
	probes->n_dynevents = left;
	return left;
}

size_t probes_close(struct probes *probes)
{
	size_t left;

	if (!probes)
		return 0;
	left = remove_events(probes);
	for (int i = 0; i < REMOVE_TRIES && left; i++) {
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
		left = remove_events(probes);
	}
	for (size_t i = 0; i < left; i++)
		tracefs_dynevent_free(probes->dynevents[i]);
	probes_unlock(probes);
	for (size_t i = 0; i < probes->n_events; i++) {
		free(probes->events[i].system);
		free(probes->events[i].name);
		free(probes->events[i].path);
	}
	free(probes->events);
	free(probes->dynevents);
	free(probes->prefix);
	free(probes->extra_group);
	free(probes);
	return left;
}
