#include "record/output.h"

#include "common/arguments.h"
#include "formats/xalloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct error *refuse(int errnum, const char *path)
{
	return error_remedy(error_errno(errnum, "%s: cannot write the trace", path),
			    "give a place that can be written with -o FILE");
}

struct error *output_check(const char *path)
{
	struct error *err = NULL;
	struct stat st;
	char *copy;

	if (strcmp(path, "-") == 0)
		return !isatty(STDOUT_FILENO)
			       ? NULL
			       : error_remedy(
					 error_new("standard output is a terminal, and the trace "
						   "is no text"),
					 "pipe it on: `record -o - ... | analyze -`; or give a "
					 "file with -o FILE");
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return error_remedy(
			error_new("%s: cannot write the trace: not a regular file", path),
			"give the name of a file with -o FILE");
	copy = xstrdup(path);
	if (faccessat(AT_FDCWD, dirname(copy), W_OK | X_OK, AT_EACCESS) != 0)
		err = refuse(errno, path);
	free(copy);
	return err;
}

/* Gives the file to the user behind sudo. */
static void give_to_user(int fd)
{
	const char *uid = getenv("SUDO_UID"), *gid = getenv("SUDO_GID");

	/* Where it cannot be given away it stays root's, which is safe. */
	if (geteuid() == 0 && uid && gid && fchown(fd, (uid_t)atol(uid), (gid_t)atol(gid)) != 0)
		return;
}

struct error *output_create(const char *path, int *fd)
{
	struct stat st;

	TRY(output_check(path));
	if (lstat(path, &st) == 0) {
		char *old = xasprintf("%s.old", path);
		int errnum = rename(path, old) == 0 ? 0 : errno;

		free(old);
		if (errnum)
			return refuse(errnum, path);
	}
	*fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0)
		return refuse(errno, path);
	give_to_user(*fd);
	return NULL;
}

char *output_numbered(const char *path, uint32_t number)
{
	return xasprintf("%s.%06u", path, number);
}

uint32_t output_next_number(const char *path)
{
	char *for_folder = xstrdup(path), *for_name = xstrdup(path);
	const char *name = basename(for_name);
	size_t len = strlen(name);
	uint64_t greatest = 0, number;
	struct dirent *entry;
	DIR *folder = opendir(dirname(for_folder));

	while (folder && (entry = readdir(folder)))
		if (strncmp(entry->d_name, name, len) == 0 && entry->d_name[len] == '.' &&
		    strlen(entry->d_name + len + 1) >= 6 &&
		    argument_number(entry->d_name + len + 1, 1, 1000000000, &number) &&
		    number > greatest)
			greatest = number;
	if (folder)
		closedir(folder);
	free(for_folder);
	free(for_name);
	return (uint32_t)greatest + 1;
}

struct error *output_append(const char *path, int *fd)
{
	*fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (*fd >= 0) {
		give_to_user(*fd);
		return NULL;
	}
	if (errno == EEXIST)
		*fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
	return *fd < 0 ? error_errno(errno, "%s: cannot be written", path) : NULL;
}
