#include "record/output.h"

#include "formats/xalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
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
