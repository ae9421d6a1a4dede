#include "analyze/track_state.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Go's default (runtime/mprof.go, MemProfileRate), where the trace does not tell. */
#define DEFAULT_RATE (512 * 1024)

/* The minor version in "go1.27.4" or "devel go1.28-3f2c"; -1 where there is none. */
static int parse_go_minor(const char *version)
{
	const char *at = strstr(version, "go1.");
	int minor = 0;

	if (!at || at[4] < '0' || at[4] > '9')
		return -1;
	for (at += 4; *at >= '0' && *at <= '9' && minor < 1000; at++)
		minor = minor * 10 + (*at - '0');
	return minor;
}

/*
 * The one place that knows how a cycle stands in the target's memory. From 1.19 on the word is
 * mProfCycle: the cycle shifted left by one, with the "flushed" bit below it; before that mProf
 * began with the plain cycle (runtime/mprof.go).
 */
uint32_t track_cycle(const struct life *life, const struct event *event)
{
	uint32_t raw = (uint32_t)event->v[FIELD_CYCLE], cycle;

	if (!(event->has & EVENT_HAS(FIELD_CYCLE)))
		return life->cycle;
	cycle = life->go_minor >= 0 && life->go_minor <= 18 ? raw : raw >> 1;
	/* What leaps ahead or lies before all that was seen was not read from where it should be.
	 */
	if (life->has_cycle && (cycle < life->base || cycle > life->cycle + (1u << 20)))
		return life->cycle;
	return cycle;
}

static struct pid_entry *pid_entry(struct track *track, uint32_t pid)
{
	bool fresh;
	uint64_t *at = map_put(&track->pid_of, pid, &fresh);

	if (!fresh)
		return &track->pids[*at];
	if (track->n_free_pids) {
		*at = track->free_pids[--track->n_free_pids];
	} else {
		xgrow(track->pids, track->cap_pids, track->n_pids + 1);
		*at = track->n_pids++;
	}
	track->pids[*at] = (struct pid_entry){.pid = pid, .life = NONE};
	return &track->pids[*at];
}

static void forget_pid(struct track *track, uint32_t pid)
{
	uint64_t at;

	if (!map_take(&track->pid_of, pid, &at))
		return;
	free(track->pids[at].exe);
	track->pids[at].exe = NULL;
	xgrow(track->free_pids, track->cap_free_pids, track->n_free_pids + 1);
	track->free_pids[track->n_free_pids++] = (uint32_t)at;
}

static struct life *begin_life(struct track *track, struct pid_entry *entry, uint64_t time)
{
	struct model *model = track->model;
	struct process *process;
	struct life *life;

	xgrow(model->processes, model->cap_processes, model->n_processes + 1);
	process = &model->processes[model->n_processes];
	*process = (struct process){
		.pid = entry->pid,
		.start = entry->start ? entry->start : time,
		/* Whose beginning was not seen was there before, unless a note says otherwise. */
		.attached = !entry->start || entry->start < track->options.from,
		.exe = entry->exe ? xstrdup(entry->exe) : NULL,
	};
	memcpy(process->comm, entry->comm, sizeof(process->comm));

	xgrow(track->lives, track->cap_lives, track->n_lives + 1);
	life = &track->lives[track->n_lives];
	*life = (struct life){
		.process = (uint32_t)model->n_processes,
		.pid = entry->pid,
		.gctrace_text = NONE,
		.faults = NONE,
		.go_minor = -1,
		.special_kind = -1,
		.width = 1,
		.rate = DEFAULT_RATE,
	};
	entry->life = (uint32_t)track->n_lives++;
	model->n_processes++;
	return life;
}

struct life *track_life_of_note(struct track *track, uint32_t pid, uint64_t time)
{
	struct pid_entry *entry;

	if (pid == track->last_pid && track->last_life != NONE)
		return &track->lives[track->last_life];
	entry = pid_entry(track, pid);
	return entry->life == NONE ? begin_life(track, entry, time) : &track->lives[entry->life];
}

struct life *track_life(struct track *track, uint32_t pid, uint64_t time)
{
	struct pid_entry *entry;

	if (pid == track->last_pid && track->last_life != NONE)
		return &track->lives[track->last_life];
	track_life_of_note(track, pid, time);
	entry = pid_entry(track, pid);
	/* An exit that only the main thread took part in was not the end. */
	if (entry->exited) {
		entry->exited = false;
		track->model->processes[track->lives[entry->life].process].end = 0;
	}
	track->last_pid = pid;
	track->last_life = entry->life;
	return &track->lives[entry->life];
}

static void end_life(struct track *track, struct pid_entry *entry, uint64_t time)
{
	track->last_life = NONE;
	if (entry->life == NONE)
		return;
	if (!life_process(track, &track->lives[entry->life])->end)
		life_process(track, &track->lives[entry->life])->end = time;
	track_finish_life(track, &track->lives[entry->life]);
	entry->life = NONE;
}

static void set_comm(struct track *track, struct pid_entry *entry, const char *comm)
{
	memset(entry->comm, 0, sizeof(entry->comm));
	strncpy(entry->comm, comm, sizeof(entry->comm) - 1);
	if (entry->life != NONE)
		memcpy(life_process(track, &track->lives[entry->life])->comm, entry->comm,
		       sizeof(entry->comm));
}

void track_comm(struct track *track, const struct event *event)
{
	/* Threads have names of their own: the process goes by that of its first. */
	if (event->pid == event->tid)
		set_comm(track, pid_entry(track, event->pid), event->comm.comm);
}

void track_exec(struct track *track, const struct event *event)
{
	struct pid_entry *entry = pid_entry(track, event->pid);

	/* perf also says so of what was there when it began, with no time: that is no exec. */
	if (event->time) {
		end_life(track, entry, event->time);
		free(entry->exe);
		entry->exe = NULL;
		entry->start = event->time;
		entry->exited = false;
	}
	set_comm(track, entry, event->comm.comm);
}

void track_fork(struct track *track, const struct event *event)
{
	struct pid_entry *entry, *parent;
	uint64_t at;

	if (event->pid == event->fork.parent_pid && event->time)
		track_thread_started(track, event);
	if (event->pid == event->fork.parent_pid || !event->time)
		return;
	/* A pid that is given out again: the one before has ended, even if that was not seen. */
	entry = pid_entry(track, event->pid);
	end_life(track, entry, event->time);
	free(entry->exe);
	entry->exe = NULL;
	entry->start = event->time;
	entry->exited = false;
	if (map_find(&track->pid_of, event->fork.parent_pid)) {
		at = *map_find(&track->pid_of, event->fork.parent_pid);
		parent = &track->pids[at];
		memcpy(entry->comm, parent->comm, sizeof(entry->comm));
		entry->exe = parent->exe ? xstrdup(parent->exe) : NULL;
	}
}

void track_exit(struct track *track, const struct event *event)
{
	struct pid_entry *entry;
	uint64_t *at = map_find(&track->pid_of, event->pid);

	track_forget_thread(track, event->tid);
	if (!at)
		return;
	entry = &track->pids[*at];
	if (event->pid != event->tid && entry->life != NONE)
		track_thread_ended(track, &track->lives[entry->life], event);
	if (event->pid != event->tid && !entry->exited)
		return;
	if (entry->life == NONE) {
		forget_pid(track, event->pid);
		return;
	}
	entry->exited = true;
	track->last_life = NONE;
	life_process(track, &track->lives[entry->life])->end = event->time;
}

void track_mmap_record(struct track *track, const struct event *event)
{
	struct pid_entry *entry;

	if (event->mmap.path[0] != '/' || !(event->mmap.prot & PROT_EXEC))
		return;
	entry = pid_entry(track, event->pid);
	if (entry->exe)
		return;
	entry->exe = xstrdup(event->mmap.path);
	if (entry->life != NONE && !life_process(track, &track->lives[entry->life])->exe)
		life_process(track, &track->lives[entry->life])->exe = xstrdup(entry->exe);
}

static void set_text(char **text, const char *value)
{
	if (!*value)
		return;
	free(*text);
	*text = xstrdup(value);
}

void track_process_note(struct track *track, uint64_t time, const struct note_process *note)
{
	struct life *life = track_life_of_note(track, note->pid, time);
	struct process *process = life_process(track, life);

	set_text(&process->exe, note->exe);
	set_text(&process->go_version, note->go_version);
	life->go_minor = parse_go_minor(note->go_version);
	life->special_kind = -1;
	/* A file that follows another one says so of all that was there when it began. */
	if (!life->noted)
		process->attached = note->attached || process->start < track->options.from;
	life->noted = true;
	process->load_bias = note->load_bias;
	if (note->runtime_init)
		process->runtime_init = note->runtime_init;
	track_set_rate(track, life, note->mem_profile_rate);
	if (!process->attached)
		tablecheck_from_birth(track->check, life->process, process->start);
}

void track_set_rate(struct track *track, struct life *life, uint64_t rate)
{
	struct process *process = life_process(track, life);

	/* Up to 1.19 it is 0 until the runtime's init has run: no sample is taken before that. */
	if (!rate)
		return;
	process->mem_profile_rate = rate;
	if (rate == life->rate)
		return;
	life->rate = rate;
	life->rate_generation++;
}
