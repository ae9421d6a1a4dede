#include "record/rate.h"

#include "formats/xalloc.h"
#include "record/target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One change, as held and as journalled: text lines of decimal numbers. */
struct entry {
	pid_t pid, recorder;
	uint64_t start, recorder_start; /* clock ticks: with the PID they name a process for ever */
	uint64_t address, old_rate, new_rate;
};

struct rate_change {
	struct entry entry;
	char *path; /* of the journal entry */
};

char *rate_journal_path(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		return xstrdup("/run/gmt");
	return runtime ? xasprintf("%s/gmt", runtime) : xasprintf("/tmp/gmt-%d", geteuid());
}

static bool access_rate(pid_t pid, uint64_t address, uint64_t *value, bool write)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = write ? pwrite(fd, value, sizeof(*value), (off_t)address)
		  : pread(fd, value, sizeof(*value), (off_t)address);
	close(fd);
	return n == sizeof(*value);
}

static struct error *write_entry(const char *journal, const struct entry *e, char **path)
{
	char *name = xasprintf("%s/rate-%d-%" PRIu64, journal, e->pid, e->start);
	int fd;

	if (mkdir(journal, 0700) != 0 && errno != EEXIST) {
		free(name);
		return error_errno(errno, "%s: cannot make the journal folder", journal);
	}
	/* Exclusive: another recorder that changes the same process's rate is in our way. */
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		int errnum = errno;

		free(name);
		if (errnum == EEXIST)
			return error_remedy(
				error_new("process %d: another recorder has changed its "
					  "sampling rate",
					  e->pid),
				"wait for it to end, or record without --set-rate");
		return error_errno(errnum, "%s: cannot write the journal", journal);
	}
	dprintf(fd, "%d %" PRIu64 " %d %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", e->pid,
		e->start, e->recorder, e->recorder_start, e->address, e->old_rate, e->new_rate);
	close(fd);
	*path = name;
	return NULL;
}

static bool read_entry(const char *path, struct entry *e)
{
	FILE *f = fopen(path, "re");
	bool ok;

	if (!f)
		return false;
	ok = fscanf(f, "%d %" SCNu64 " %d %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &e->pid,
		    &e->start, &e->recorder, &e->recorder_start, &e->address, &e->old_rate,
		    &e->new_rate) == 7;
	fclose(f);
	return ok;
}

/* Writes the old rate where the process is the same one and the rate still ours. */
static bool put_back(const struct entry *e)
{
	uint64_t now, old = e->old_rate;

	return target_start_ticks(e->pid) == e->start &&
	       access_rate(e->pid, e->address, &now, false) && now == e->new_rate &&
	       access_rate(e->pid, e->address, &old, true);
}

struct error *rate_set(const char *journal, pid_t pid, uint64_t address, uint64_t rate,
		       struct rate_change **change)
{
	struct entry e = {
		.pid = pid,
		.start = target_start_ticks(pid),
		.recorder = getpid(),
		.recorder_start = target_start_ticks(getpid()),
		.address = address,
		.new_rate = rate,
	};
	char *path = NULL;

	if (!access_rate(pid, address, &e.old_rate, false))
		return error_errno(errno, "process %d: cannot read its sampling rate", pid);
	TRY(write_entry(journal, &e, &path));
	if (!access_rate(pid, address, &rate, true)) {
		struct error *err =
			error_errno(errno, "process %d: cannot set its sampling rate", pid);

		unlink(path);
		free(path);
		return error_remedy(err, "run record as root, or with CAP_SYS_PTRACE");
	}
	*change = xcalloc(1, sizeof(**change));
	(*change)->entry = e;
	(*change)->path = path;
	return NULL;
}

void rate_restore(struct rate_change *change)
{
	if (!change)
		return;
	put_back(&change->entry);
	unlink(change->path);
	free(change->path);
	free(change);
}

size_t rate_recover(const char *journal)
{
	struct dirent *entry;
	size_t restored = 0;
	DIR *dir = opendir(journal);

	while (dir && (entry = readdir(dir))) {
		char *path;
		struct entry e;

		if (strncmp(entry->d_name, "rate-", 5) != 0)
			continue;
		path = xasprintf("%s/%s", journal, entry->d_name);
		if (read_entry(path, &e) && target_start_ticks(e.recorder) != e.recorder_start) {
			restored += put_back(&e);
			unlink(path);
		}
		free(path);
	}
	if (dir)
		closedir(dir);
	return restored;
}
