#include "record/children.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* At the same time, and in a whole recording: a build tool starts thousands that live for moments.
 */
#define MOST_AT_ONCE 32u
#define MOST_EVER    1024u
/* Binaries that are opened, which takes time in which the rings fill: one in a look. */
#define MOST_PROGRAMS 16u
#define MOST_EXECS    256u

/* A binary that is not a target's. */
struct program {
	dev_t device;
	ino_t inode;
	struct gobin *bin; /* NULL: not Go */
};

struct child {
	struct target target; /* its binary is a target's, or a program's */
	uint64_t load_bias;
	struct watch *watch; /* NULL: it has ended */
};

struct children {
	struct recording *recording;
	struct child **items; /* stay where they are: a watch leads to its target */
	size_t n, cap, n_watched;
	struct program programs[MOST_PROGRAMS];
	size_t n_programs;
	uint32_t waiting[MOST_EXECS]; /* processes that were not looked at yet */
	size_t n_waiting;
};

struct children *children_new(struct recording *recording)
{
	struct children *children = xcalloc(1, sizeof(*children));

	children->recording = recording;
	return children;
}

static bool is_target(const struct recording *r, uint32_t pid)
{
	for (size_t i = 0; i < r->n_targets; i++) {
		if ((uint32_t)r->targets[i].pid == pid)
			return true;
	}
	return false;
}

/* The plan of a target that runs the same file, and its binary; NULL where none does. */
static const struct plan *same_as_target(const struct recording *r, const struct stat *st,
					 struct gobin **bin)
{
	for (size_t i = 0; i < r->n_targets; i++) {
		struct stat other;

		if (r->targets[i].bin && fstat(r->targets[i].exe_fd, &other) == 0 &&
		    other.st_dev == st->st_dev && other.st_ino == st->st_ino) {
			*bin = r->targets[i].bin;
			return &r->plans[i];
		}
	}
	return NULL;
}

/* The binary of another program, opened where it is met first; NULL where it is not Go, or there
 * are too many. *opened: this look has opened one. */
static struct gobin *program_of(struct children *c, const struct target *target,
				const struct stat *st, bool *opened)
{
	struct program *program;

	for (size_t i = 0; i < c->n_programs; i++) {
		program = &c->programs[i];
		if (program->device == st->st_dev && program->inode == st->st_ino)
			return program->bin;
	}
	if (c->n_programs == MOST_PROGRAMS)
		return NULL;
	*opened = true;
	program = &c->programs[c->n_programs++];
	*program = (struct program){.device = st->st_dev, .inode = st->st_ino};
	error_free(gobin_open(target->exe_ref, &program->bin));
	return program->bin;
}

static void end(struct children *c, struct child *child, bool final)
{
	if (!child->watch)
		return;
	if (final)
		watch_table(child->watch, true);
	watch_free(child->watch);
	child->watch = NULL;
	c->n_watched--;
}

/* Begins to watch a process, where it is one to watch. */
static void adopt(struct children *c, uint32_t pid, bool *opened)
{
	struct recording *r = c->recording;
	struct child *child = xcalloc(1, sizeof(*child));
	struct error *err = target_attach((pid_t)pid, &child->target);
	const struct plan *same = NULL;
	struct stat st;

	if (!err && fstat(child->target.exe_fd, &st) == 0) {
		same = same_as_target(r, &st, &child->target.bin);
		if (!same)
			child->target.bin = program_of(c, &child->target, &st, opened);
	}
	/* One that has ended, or is executing another program just now, is none. */
	if (err || !child->target.bin || !target_load_bias(&child->target, &child->load_bias)) {
		error_free(err);
		child->target.bin = NULL;
		target_close(&child->target);
		free(child);
		return;
	}
	child->target.attached = false;
	child->watch = watch_new(&child->target, r->log, emit_note, r);
	/* A table has nothing to be compared with where there are no breakpoints. */
	watch_for_heap(child->watch, same ? same->heap : HEAP_OFF);
	if (same && r->lists_goroutines)
		watch_goroutines(child->watch);
	log_debug(r->log, "process %u: %s, started by a target", pid, child->target.exe);
	xgrow(c->items, c->cap, c->n + 1);
	c->items[c->n++] = child;
	c->n_watched++;
	for (size_t i = 0; i < c->n; i++) {
		if (c->items[i]->watch)
			watch_share(c->items[i]->watch, r->n_targets + c->n_watched);
	}
	watch_tick(child->watch, false);
	watch_table(child->watch, false);
}

/* Whether a process executes yet another program further on. */
static bool comes_again(const struct children *c, size_t i)
{
	for (size_t k = i + 1; k < c->n_waiting; k++) {
		if (c->waiting[k] == c->waiting[i])
			return true;
	}
	return false;
}

/* A process that executes a program is another from then on. */
static void forget(struct children *c, uint32_t pid)
{
	for (size_t i = 0; i < c->n; i++) {
		if ((uint32_t)c->items[i]->target.pid == pid)
			end(c, c->items[i], true);
	}
}

static void take_waiting(struct children *c)
{
	bool opened = false;
	size_t kept = 0;

	c->n_waiting += session_take_execs(c->recording->session, c->waiting + c->n_waiting,
					   MOST_EXECS - c->n_waiting);
	for (size_t i = 0; i < c->n_waiting; i++) {
		uint32_t pid = c->waiting[i];

		if (is_target(c->recording, pid) || comes_again(c, i))
			continue;
		forget(c, pid);
		if (target_has_ended((pid_t)pid))
			continue;
		if (opened)
			c->waiting[kept++] = pid;
		else if (c->n_watched < MOST_AT_ONCE && c->n < MOST_EVER)
			adopt(c, pid, &opened);
	}
	c->n_waiting = kept;
}

static bool is_watched(const void *context, uint32_t pid)
{
	const struct children *c = context;

	for (size_t i = 0; i < c->n; i++) {
		if (c->items[i]->watch && (uint32_t)c->items[i]->target.pid == pid)
			return true;
	}
	return is_target(c->recording, pid);
}

void children_look(struct children *children, bool tables, bool final)
{
	if (!children)
		return;
	take_waiting(children);
	for (size_t i = 0; i < children->n; i++) {
		struct child *child = children->items[i];

		if (!child->watch)
			continue;
		if (target_has_ended(child->target.pid)) {
			emit_spans(children->recording, child->watch, child->target.pid, true);
			end(children, child, true);
			continue;
		}
		watch_tick(child->watch, final);
		if (tables)
			watch_table(child->watch, final);
		emit_spans(children->recording, child->watch, child->target.pid, final);
	}
	span_events_tidy(children->recording->spans, children, is_watched);
}

void children_restart(struct children *children)
{
	for (size_t i = 0; children && i < children->n; i++) {
		if (children->items[i]->watch)
			watch_restart(children->items[i]->watch);
	}
}

size_t children_append(const struct children *children, const struct target *targets,
		       const uint64_t *load_biases, size_t n, struct target **all,
		       uint64_t **all_biases)
{
	size_t n_children = children ? children->n : 0;

	*all = xcalloc(n + n_children + 1, sizeof(**all));
	*all_biases = xcalloc(n + n_children + 1, sizeof(**all_biases));
	memcpy(*all, targets, n * sizeof(**all));
	memcpy(*all_biases, load_biases, n * sizeof(**all_biases));
	for (size_t i = 0; i < n_children; i++) {
		(*all)[n + i] = children->items[i]->target;
		(*all_biases)[n + i] = children->items[i]->load_bias;
	}
	return n + n_children;
}

void children_free(struct children *children)
{
	if (!children)
		return;
	for (size_t i = 0; i < children->n; i++) {
		struct child *child = children->items[i];

		end(children, child, false);
		/* Not its own. */
		child->target.bin = NULL;
		target_close(&child->target);
		free(child);
	}
	for (size_t i = 0; i < children->n_programs; i++) {
		if (children->programs[i].bin)
			gobin_close(children->programs[i].bin);
	}
	free(children->items);
	free(children);
}
