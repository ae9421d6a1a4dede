#include "formats/xalloc.h"
#include "record/native.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Symbols ------------------------------------------------------------------------------- */

static bool find_symbol(const struct elf_symbols *symbols, const char *name, uint64_t *address,
			uint64_t *size)
{
	for (size_t i = 0; i < symbols->count; i++) {
		struct elf_symbol symbol = elf_symbols_nth(symbols, i);

		if (symbol.defined && symbol.type == STT_FUNC && strcmp(symbol.name, name) == 0) {
			*address = symbol.address;
			*size = symbol.size;
			return true;
		}
	}
	return false;
}

bool native_function(const struct elf_file *elf, const char *name, bool in_symtab,
		     uint64_t *address, uint64_t *size)
{
	return find_symbol(&elf->dynsym, name, address, size) ||
	       (in_symtab && find_symbol(&elf->symtab, name, address, size));
}

static bool defines(const struct elf_file *elf, const char *name, bool in_symtab)
{
	uint64_t address, size;

	return native_function(elf, name, in_symtab, &address, &size);
}

/* ---- The files ----------------------------------------------------------------------------- */

/* Takes the descriptor. */
static void add_file(struct native_files *files, const char *path, int fd)
{
	struct native_file file = {.fd = fd};
	struct error *err;
	char link[64];

	if (fd < 0)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	err = elf_file_open(link, &file.elf);
	if (err) {
		/* What is no ELF file of 64 bits brings no functions. */
		error_free(err);
		close(fd);
		return;
	}
	file.path = xstrdup(path);
	xgrow(files->list, files->cap, files->n + 1);
	files->list[files->n++] = file;
}

static bool has_file(const struct native_files *files, const char *path)
{
	for (size_t i = 0; i < files->n; i++) {
		if (strcmp(files->list[i].path, path) == 0)
			return true;
	}
	return false;
}

/* One line of /proc/PID/maps. */
static void add_mapping(struct native_files *files, pid_t pid, char *line)
{
	static const char deleted[] = " (deleted)";
	uint64_t start, end, offset, inode;
	unsigned major, minor;
	char perms[5], *path, *at;
	int name = 0, fd;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &start,
		   &end, perms, &offset, &major, &minor, &inode, &name) != 7 ||
	    perms[2] != 'x' || line[name] != '/')
		return;
	path = line + name;
	at = strstr(path, deleted);
	if (at && at[sizeof(deleted) - 1] == '\0')
		*at = '\0';
	if (has_file(files, path))
		return;
	/* The file that is mapped, whatever its path leads to by now, and from here. */
	at = xasprintf("/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, start, end);
	fd = open(at, O_RDONLY | O_CLOEXEC);
	free(at);
	if (fd < 0) {
		at = xasprintf("/proc/%d/root%s", pid, path);
		fd = open(at, O_RDONLY | O_CLOEXEC);
		free(at);
	}
	add_file(files, path, fd);
}

static void add_mapped(struct native_files *files, pid_t pid)
{
	char *path = xasprintf("/proc/%d/maps", pid), *line = NULL;
	FILE *maps = fopen(path, "re");
	size_t cap = 0;

	free(path);
	while (maps && getline(&line, &cap, maps) > 0)
		add_mapping(files, pid, line);
	free(line);
	if (maps)
		fclose(maps);
}

/* A line of what the loader lists: "\tlibc.so.6 => /lib/libc.so.6 (0x7f...)", or without the "=>".
 */
static void add_listed(struct native_files *files, char *line)
{
	char *arrow = strstr(line, "=> "), *path = arrow ? arrow + 3 : line + strspn(line, " \t");
	char *end = strstr(path, " (0x");

	if (!end || path[0] != '/')
		return;
	*end = '\0';
	if (!has_file(files, path))
		add_file(files, path, open(path, O_RDONLY | O_CLOEXEC));
}

static void run_loader(const char *loader, const char *exe, int out)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0)
		_exit(127);
	execl(loader, loader, "--list", exe, (char *)NULL);
	_exit(127);
}

/*
 * What the program's own loader would map for it. It alone knows: search paths, the cache, what is
 * preloaded. Both glibc's and musl's list it without running the program.
 */
static void add_needed(struct native_files *files, const char *loader, const char *exe)
{
	char *line = NULL;
	size_t cap = 0;
	FILE *listed;
	int out[2];
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) != 0)
		return;
	pid = fork();
	if (pid == 0)
		run_loader(loader, exe, out[1]);
	close(out[1]);
	listed = fdopen(out[0], "re");
	while (listed && getline(&line, &cap, listed) > 0)
		add_listed(files, line);
	free(line);
	if (listed)
		fclose(listed);
	else
		close(out[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* The loader that the file names; "" for one that is linked statically. */
static void interpreter(const struct elf_file *elf, char *path, size_t size)
{
	const struct elf_section *section = elf_file_section(elf, ".interp");
	const uint8_t *bytes = section ? elf_file_section_bytes(elf, section) : NULL;

	path[0] = '\0';
	if (bytes && section->size < size && bytes[section->size - 1] == '\0')
		memcpy(path, bytes, section->size);
}

void native_files_find(const struct target *target, struct native_files *files)
{
	char loader[PATH_MAX];

	add_file(files, target->exe, fcntl(target->exe_fd, F_DUPFD_CLOEXEC, 0));
	if (target->attached) {
		add_mapped(files, target->pid);
		return;
	}
	if (!files->n)
		return;
	interpreter(files->list[0].elf, loader, sizeof(loader));
	if (loader[0])
		add_needed(files, loader, target->exe);
}

void native_files_free(struct native_files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		elf_file_close(files->list[i].elf);
		free(files->list[i].path);
		if (files->list[i].fd >= 0)
			close(files->list[i].fd);
	}
	free(files->list);
	*files = (struct native_files){0};
}

/* glibc's loader had a malloc of its own, for itself, up to 2.30. musl's is the library as well. */
static bool is_plain_loader(const struct native_file *file)
{
	const char *base = strrchr(file->path, '/');

	return strncmp(base ? base + 1 : file->path, "ld", 2) == 0 &&
	       !defines(file->elf, "__libc_start_main", false);
}

struct native_file *native_files_allocator(const struct native_files *files)
{
	struct native_file *libc = NULL;

	/* Whoever brings a malloc beside the C library's does so to be called instead. */
	for (size_t i = 0; i < files->n; i++) {
		struct native_file *file = &files->list[i];

		if (!defines(file->elf, "malloc", i == 0) || is_plain_loader(file))
			continue;
		if (i == 0 || !defines(file->elf, "__libc_start_main", false))
			return file;
		if (!libc)
			libc = file;
	}
	return libc;
}
