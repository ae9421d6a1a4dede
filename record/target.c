#include "record/target.h"

#include "formats/xalloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAP_TRIES 600 /* half a second */

/* Characters that a path may have in a probe definition without confusing its parser. */
#define PLAIN_PATH "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+,"

char *target_kernel_path(const char *path, int fd)
{
	struct stat by_path, by_fd;

	if (path[0] == '/' && path[strspn(path, PLAIN_PATH)] == '\0' && stat(path, &by_path) == 0 &&
	    fstat(fd, &by_fd) == 0 && by_path.st_dev == by_fd.st_dev &&
	    by_path.st_ino == by_fd.st_ino)
		return xstrdup(path);
	return xasprintf("/proc/self/fd/%d", fd);
}

/* Tries one path; true where it is settled, well or with *errnum. */
static bool try_executable(const char *path, struct target *target, int *errnum)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		if (errno == EACCES)
			*errnum = EACCES;
		return false;
	}
	if (!S_ISREG(st.st_mode) || access(path, X_OK) != 0) {
		*errnum = S_ISDIR(st.st_mode) ? EISDIR : EACCES;
		return false;
	}
	target->exe_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (target->exe_fd < 0) {
		*errnum = errno;
		return false;
	}
	target->exe = realpath(path, NULL);
	if (!target->exe)
		target->exe = xstrdup(path);
	target->exe_ref = target_kernel_path(target->exe, target->exe_fd);
	return true;
}

static void target_init(struct target *target)
{
	*target = (struct target){.exe_fd = -1, .release_fd = -1, .exec_fd = -1};
}

struct error *target_find_command(char *const argv[], struct target *target, int *status)
{
	const char *name = argv[0];
	int errnum = ENOENT;
	bool found;

	target_init(target);
	if (strchr(name, '/')) {
		found = try_executable(name, target, &errnum);
	} else {
		const char *env = getenv("PATH");
		char *path = xstrdup(env ? env : "/usr/local/bin:/usr/bin:/bin");
		char *save = NULL;

		found = false;
		for (char *dir = strtok_r(path, ":", &save); dir && !found;
		     dir = strtok_r(NULL, ":", &save)) {
			char *candidate = xasprintf("%s/%s", dir, name);

			found = try_executable(candidate, target, &errnum);
			free(candidate);
		}
		free(path);
	}
	if (found)
		return NULL;
	*status = errnum == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
	if (errnum == ENOENT)
		return error_remedy(error_new("%s: no such command", name),
				    "check the name, or give its path; what follows `--` is the "
				    "command and its arguments");
	return error_remedy(error_errno(errnum, "%s: cannot execute", name),
			    "give the path of an executable file");
}

struct error *target_open_bin(struct target *target)
{
	struct error *err = gobin_open(target->exe_ref, &target->bin);

	if (err && strcmp(target->exe_ref, target->exe) != 0)
		err = error_context(err, "%s", target->exe);
	return error_remedy(err,
			    "give the Go program itself, not a script that starts it; or attach to "
			    "it with -p PID");
}

struct error *target_open_plain(struct target *target)
{
	return error_remedy(
		error_context(elf_file_open(target->exe_ref, &target->plain), "%s", target->exe),
		"give the program itself, not a script that starts it; or attach to it "
		"with -p PID");
}

/* The child: waits for the word, then becomes the command. Never returns. */
static void child_main(int release_fd, int exec_fd, const char *exe, char *const argv[],
		       const struct target_surroundings *surroundings)
{
	char word;
	int errnum;

	if ((surroundings->godebug && setenv("GODEBUG", surroundings->godebug, 1) != 0) ||
	    (surroundings->stdout_fd >= 0 && dup2(surroundings->stdout_fd, STDOUT_FILENO) < 0) ||
	    (surroundings->stderr_fd >= 0 && dup2(surroundings->stderr_fd, STDERR_FILENO) < 0))
		_exit(EXIT_RECORD_FAILED);
	/* The recorder died or gave up before it let go: there is nothing to run. */
	if (read(release_fd, &word, 1) != 1)
		_exit(EXIT_RECORD_FAILED);
	execv(exe, argv);
	errnum = errno;
	if (write(exec_fd, &errnum, sizeof(errnum)) < 0)
		_exit(EXIT_RECORD_FAILED);
	_exit(EXIT_CANNOT_EXECUTE);
}

struct error *target_fork(struct target *target, char *const argv[],
			  const struct target_surroundings *surroundings)
{
	int release[2], exec[2];

	if (pipe2(release, O_CLOEXEC) != 0)
		return error_errno(errno, "cannot make a pipe");
	if (pipe2(exec, O_CLOEXEC) != 0) {
		close(release[0]);
		close(release[1]);
		return error_errno(errno, "cannot make a pipe");
	}
	target->pid = fork();
	if (target->pid == 0) {
		close(release[1]);
		child_main(release[0], exec[1], target->exe, argv, surroundings);
	}
	close(release[0]);
	close(exec[1]);
	target->release_fd = release[1];
	target->exec_fd = exec[0];
	if (target->pid < 0)
		return error_errno(errno, "cannot start a process");
	return NULL;
}

/* Has the child ended? It stays to be waited for. */
static bool child_ended(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid;
}

struct error *target_release(struct target *target, int *status)
{
	uint64_t bias;
	int errnum;

	if (write(target->release_fd, "x", 1) != 1) {
		*status = EXIT_RECORD_FAILED;
		return error_errno(errno, "%s: the process to record is gone", target->exe);
	}
	close(target->release_fd);
	target->release_fd = -1;
	if (read(target->exec_fd, &errnum, sizeof(errnum)) == sizeof(errnum)) {
		*status = errnum == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
		return error_errno(errnum, "%s: cannot execute", target->exe);
	}
	/* exec closes the pipe a moment before it maps the file; on a busy machine, many. */
	for (int i = 0;
	     i < MAP_TRIES && !target_load_bias(target, &bias) && !child_ended(target->pid); i++)
		nanosleep(&(struct timespec){.tv_nsec = i < 100 ? 20000 : 1000000}, NULL);
	return NULL;
}

struct error *target_attach(pid_t pid, struct target *target)
{
	char link[64], exe[4096];
	int errnum;
	ssize_t n;

	target_init(target);
	target->pid = pid;
	target->attached = true;
	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	n = readlink(link, exe, sizeof(exe) - 1);
	errnum = errno;
	if (n < 0 && errnum == ENOENT && kill(pid, 0) == 0)
		return error_remedy(error_new("process %d: has no executable", pid),
				    "it is a kernel thread or has just ended; give the PID of a Go "
				    "program");
	if (n < 0 && errnum == ENOENT)
		return error_remedy(error_new("process %d: no such process", pid),
				    "check the PID with `pgrep -a NAME`; in a container, PIDs are "
				    "those that record itself sees");
	if (n < 0)
		return error_remedy(error_errno(errnum, "process %d: cannot look at it", pid),
				    "run record as root, or as its user with CAP_PERFMON and "
				    "CAP_SYS_PTRACE");
	exe[n] = '\0';
	target->exe_fd = open(link, O_RDONLY | O_CLOEXEC);
	if (target->exe_fd < 0)
		return error_remedy(error_errno(errno, "process %d: cannot open %s", pid, exe),
				    "run record as root");
	target->exe = xstrdup(exe);
	target->exe_ref = target_kernel_path(exe, target->exe_fd);
	return NULL;
}

static uint64_t load_bias(const struct target *target, uint64_t start, uint64_t offset)
{
	const struct elf_file *plain = target->plain;

	if (target->bin)
		return gobin_load_bias(target->bin, start, offset);
	for (size_t i = 0; plain && i < plain->n_segments; i++) {
		const struct elf_segment *segment = &plain->segments[i];

		if (segment->executable && offset + 4096 > segment->offset &&
		    offset < segment->offset + segment->file_size)
			return start - offset - (segment->address - segment->offset);
	}
	return start - offset;
}

bool target_load_bias(const struct target *target, uint64_t *bias)
{
	char path[64], *line = NULL;
	size_t cap = 0;
	struct stat st;
	bool found = false;
	FILE *maps;

	if (fstat(target->exe_fd, &st) != 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/maps", target->pid);
	maps = fopen(path, "re");
	if (!maps)
		return false;
	while (!found && getline(&line, &cap, maps) > 0) {
		uint64_t start, end, offset, inode;
		unsigned major, minor;
		char perms[5];

		/* Inode numbers alone: the device of an overlay differs between stat and maps. */
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64, &start,
			   &end, perms, &offset, &major, &minor, &inode) == 7 &&
		    perms[2] == 'x' && inode == st.st_ino) {
			*bias = load_bias(target, start, offset);
			found = true;
		}
	}
	free(line);
	fclose(maps);
	return found;
}

bool target_has_ended(pid_t pid)
{
	char path[64], text[512], *at;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return true;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	at = strrchr(text, ')');
	return !at || strncmp(at, ") Z", 3) == 0 || strncmp(at, ") X", 3) == 0;
}

uint64_t target_start_time(const struct target *target)
{
	return target_start_ticks(target->pid) * (1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK));
}

uint64_t target_start_ticks(pid_t pid)
{
	char path[64], text[1024], *at;
	uint64_t ticks = 0;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	/* Field 22, counted behind the command in parentheses, which may hold anything. */
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, "%" SCNu64, &ticks) != 1)
		return 0;
	return ticks;
}

pid_t *target_threads(pid_t pid, size_t *n)
{
	pid_t *tids = NULL;
	size_t cap = 0;
	struct dirent *entry;
	char path[64];
	DIR *dir;

	*n = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return NULL;
	while ((entry = readdir(dir))) {
		int tid = atoi(entry->d_name);

		if (tid <= 0)
			continue;
		xgrow(tids, cap, *n + 1);
		tids[(*n)++] = tid;
	}
	closedir(dir);
	return tids;
}

void target_close(struct target *target)
{
	if (target->release_fd >= 0)
		close(target->release_fd);
	if (target->exec_fd >= 0)
		close(target->exec_fd);
	if (target->exe_fd >= 0)
		close(target->exe_fd);
	if (target->bin)
		gobin_close(target->bin);
	elf_file_close(target->plain);
	free(target->exe);
	free(target->exe_ref);
	target_init(target);
}
