#include "record/residence.h"

#include "common/clock.h"
#include "formats/xalloc.h"
#include "record/ownership.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A reading may be made after so many times its own CPU time: 0.4 % of a core. */
#define PAUSE_FACTOR 250u
/* glibc's, where the limit on a stack is none (x86-64, ARCH_STACK_DEFAULT_SIZE). */
#define DEFAULT_STACK ((uint64_t)2 << 20)
#define CHUNK	      ((size_t)64 << 10)

struct residence {
	pid_t pid;
	const struct memory *memory;
	struct go_memory *go;
	uint64_t exe_inode, stack_size;
	enum go_arch arch;
	struct ownership ownership;
	char *text;
	size_t processes;
	uint64_t due, readings, cpu_time;
};

static FILE *open_proc(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return fopen(path, "re");
}

/* A thread's stack is as large as the main one may grow. */
static uint64_t default_stack(pid_t pid)
{
	FILE *f = open_proc(pid, "limits");
	uint64_t size = DEFAULT_STACK;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Max stack size %" SCNu64, &size);
	if (f)
		fclose(f);
	return size;
}

struct residence *residence_new(const struct target *target, const struct memory *memory,
				struct go_memory *go)
{
	struct residence *r = xcalloc(1, sizeof(*r));
	struct stat st;

	r->pid = target->pid;
	r->memory = memory;
	r->go = go;
	/* What is not Go has no arenas to look for. */
	r->arch = target->bin ? gobin_arch(target->bin) : GO_ARCH_UNKNOWN;
	r->stack_size = default_stack(target->pid);
	/* As in target_load_bias: the device of an overlay differs between stat and maps. */
	if (fstat(target->exe_fd, &st) == 0)
		r->exe_inode = st.st_ino;
	r->text = xmalloc(CHUNK);
	r->processes = 1;
	return r;
}

void residence_share(struct residence *residence, size_t processes)
{
	residence->processes = processes ? processes : 1;
}

bool residence_due(const struct residence *residence, uint64_t now)
{
	return now >= residence->due;
}

/* RSS as the kernel keeps count of it. */
static uint64_t read_statm(pid_t pid)
{
	FILE *f = open_proc(pid, "statm");
	uint64_t size, resident = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%" SCNu64 " %" SCNu64, &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool feed_smaps(struct residence *r)
{
	bool any = false;
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/smaps", r->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while ((n = read(fd, r->text, CHUNK)) > 0) {
		ownership_feed(&r->ownership, r->text, (size_t)n);
		any = true;
	}
	close(fd);
	return any;
}

bool residence_read(struct residence *residence, struct note_owners *note)
{
	struct ownership_process process = {
		.exe_inode = residence->exe_inode,
		.arch = residence->arch,
		.stack_size = residence->stack_size,
		.memory = residence->memory,
	};
	uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct presence presence;
	bool any;

	*note = (struct note_owners){
		.pid = (uint32_t)residence->pid,
		.begin = clock_ns(CLOCK_MONOTONIC),
	};
	if (residence->go)
		process.arenas = go_memory_arenas(residence->go, &process.n_arenas);
	presence_open(&presence, residence->pid);
	process.presence = &presence;
	ownership_begin(&residence->ownership, &process);
	any = feed_smaps(residence);
	ownership_finish(&residence->ownership, note);
	presence_close(&presence);
	if (residence->go)
		go_memory_read(residence->go, &note->go);
	note->statm = read_statm(residence->pid);
	note->end = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	residence->readings++;
	residence->cpu_time += cpu;
	residence->due = note->end + cpu * PAUSE_FACTOR * residence->processes;
	return any && note->rss;
}

void residence_stats(const struct residence *residence, uint64_t *readings, uint64_t *cpu_time)
{
	*readings = residence->readings;
	*cpu_time = residence->cpu_time;
}

void residence_free(struct residence *residence)
{
	if (!residence)
		return;
	ownership_free(&residence->ownership);
	free(residence->text);
	free(residence);
}
