#ifndef GMT_RECORD_TARGET_H
#define GMT_RECORD_TARGET_H

#include "common/elf_file.h"
#include "common/gobin.h"
#include "formats/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A process to record: one that runs, or one that is forked and waits for its exec. */
struct target {
	pid_t pid;
	bool attached; /* it ran before the recording began */
	char *exe;     /* the executable's path as the user would name it */
	int exe_fd;    /* open on the executable itself, whatever its path leads to */
	char *exe_ref; /* a path by which the kernel finds the same file: exe, or /proc/self/fd/N */
	struct gobin *bin;	/* NULL: not a Go program */
	struct elf_file *plain; /* such a program's file; else NULL */
	int release_fd;		/* command mode: a byte written here lets the child exec; else -1 */
	int exec_fd;		/* command mode: closed by exec, or carries its errno; else -1 */
};

/* Exit statuses as a shell has them. */
enum { EXIT_RECORD_FAILED = 125, EXIT_CANNOT_EXECUTE = 126, EXIT_NOT_FOUND = 127 };

/*
 * Finds and opens the executable of a command (through PATH as a shell does). *status becomes the
 * exit status that a failure stands for.
 */
struct error *target_find_command(char *const argv[], struct target *target, int *status);

/* What a command gets instead of what we have ourselves. */
struct target_surroundings {
	int stdout_fd;	     /* its standard output; -1: ours */
	int stderr_fd;	     /* its standard error; -1: ours */
	const char *godebug; /* its GODEBUG; NULL: ours */
};

/* Forks the child that will exec argv once target_release is called. */
struct error *target_fork(struct target *target, char *const argv[],
			  const struct target_surroundings *surroundings);

/*
 * Lets the child exec and waits until it has, and until its executable is mapped. *status becomes
 * the exit status that a failure stands for.
 */
struct error *target_release(struct target *target, int *status);

/* Opens a running process. Errors: no such process, not permitted, not Go. */
struct error *target_attach(pid_t pid, struct target *target);

/* Opens the executable as a Go binary, with errors that name the remedy. */
struct error *target_open_bin(struct target *target);

/* Opens the executable as a program of any language. Error: it is no ELF file. */
struct error *target_open_plain(struct target *target);

/*
 * A path by which the kernel finds an open file, to be freed: the readable one where it is plain
 * and leads to the same file, else one through the descriptor.
 */
char *target_kernel_path(const char *path, int fd);

/* The load bias of the executable in the running process; false where it is not mapped. */
bool target_load_bias(const struct target *target, uint64_t *bias);

/* Has a process ended? A zombie has. */
bool target_has_ended(pid_t pid);

/* Start time of the process, CLOCK_BOOTTIME ns in steps of a clock tick; 0 where unknown. */
uint64_t target_start_time(const struct target *target);

/* The same in clock ticks, of any process: with the PID it names a process for ever. */
uint64_t target_start_ticks(pid_t pid);

/* The threads of a process now: an array to be freed, NULL and 0 where it is gone. */
pid_t *target_threads(pid_t pid, size_t *n);

void target_close(struct target *target);

#endif
