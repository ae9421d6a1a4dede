#include "record/memory.h"

#include "formats/xalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_PIECES 512 /* below IOV_MAX, which bounds one call */

struct memory {
	pid_t pid;
	int fd; /* /proc/PID/mem */
	/* The hold: a page whose first touch is suspended, and the thread that touches it. */
	int uffd;
	void *page;
	size_t page_size;
	uint64_t readable;
	pthread_t holder;
	bool holding;
};

static int open_file(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

struct error *memory_open(pid_t pid, struct memory **memory)
{
	struct memory *m;
	int fd = open_file(pid);

	if (fd < 0)
		return error_remedy(error_errno(errno, "process %d: cannot read its memory", pid),
				    "run record as root, or with CAP_SYS_PTRACE");
	m = xcalloc(1, sizeof(*m));
	m->pid = pid;
	m->fd = fd;
	m->uffd = -1;
	*memory = m;
	return NULL;
}

bool memory_read(const struct memory *memory, uint64_t address, void *buf, size_t len)
{
	return pread(memory->fd, buf, len, (off_t)address) == (ssize_t)len;
}

bool memory_u64(const struct memory *memory, uint64_t address, uint64_t *value)
{
	return memory_read(memory, address, value, sizeof(*value));
}

bool memory_u32(const struct memory *memory, uint64_t address, uint32_t *value)
{
	return memory_read(memory, address, value, sizeof(*value));
}

/* One process_vm_readv; false where it fell short. */
static bool read_batch(pid_t pid, const struct memory_piece *pieces, size_t n)
{
	struct iovec local[MAX_PIECES], remote[MAX_PIECES];
	size_t total = 0;

	for (size_t i = 0; i < n; i++) {
		local[i] = (struct iovec){pieces[i].buf, pieces[i].len};
		remote[i] = (struct iovec){(void *)(uintptr_t)pieces[i].address, pieces[i].len};
		total += pieces[i].len;
	}
	return process_vm_readv(pid, local, n, remote, n, 0) == (ssize_t)total;
}

bool memory_read_pieces(const struct memory *memory, const struct memory_piece *pieces, size_t n)
{
	while (n) {
		size_t batch = n < MAX_PIECES ? n : MAX_PIECES;

		/* A process that has ended answers to its memory file only. */
		if (!read_batch(memory->pid, pieces, batch)) {
			for (size_t i = 0; i < batch; i++) {
				if (!memory_read(memory, pieces[i].address, pieces[i].buf,
						 pieces[i].len))
					return false;
			}
		}
		pieces += batch;
		n -= batch;
	}
	return true;
}

void memory_read_each(const struct memory *memory, const struct memory_piece *pieces, size_t n,
		      bool *ok)
{
	bool all = memory_read_pieces(memory, pieces, n);

	for (size_t i = 0; i < n; i++)
		ok[i] = all || memory_read_pieces(memory, &pieces[i], 1);
}

/* Reads one byte of the target into the suspended page: it returns when the page is let go. */
static void *holder_main(void *arg)
{
	struct memory *m = arg;
	struct iovec local = {m->page, 1};
	struct iovec remote = {(void *)(uintptr_t)m->readable, 1};

	process_vm_readv(m->pid, &local, 1, &remote, 1, 0);
	return NULL;
}

struct error *memory_hold(struct memory *memory, uint64_t readable)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	sigset_t all, old;
	int err;

	memory->page_size = (size_t)sysconf(_SC_PAGESIZE);
	memory->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (memory->uffd < 0)
		return error_errno(errno, "userfaultfd");
	memory->page = mmap(NULL, memory->page_size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory->page == MAP_FAILED) {
		memory->page = NULL;
		return error_errno(errno, "mmap");
	}
	range.range.start = (uintptr_t)memory->page;
	range.range.len = memory->page_size;
	if (ioctl(memory->uffd, UFFDIO_API, &api) != 0 ||
	    ioctl(memory->uffd, UFFDIO_REGISTER, &range) != 0)
		return error_errno(errno, "userfaultfd");
	memory->readable = readable;
	/* No signal may be delivered to the holder: it would end its read. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&memory->holder, NULL, holder_main, memory);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return error_errno(err, "cannot start a thread");
	memory->holding = true;
	return NULL;
}

void memory_release(struct memory *memory)
{
	if (memory->holding) {
		struct uffdio_range range = {(uintptr_t)memory->page, memory->page_size};

		/* Unregistering wakes the suspended read. */
		ioctl(memory->uffd, UFFDIO_UNREGISTER, &range);
		pthread_join(memory->holder, NULL);
		memory->holding = false;
	}
	if (memory->page)
		munmap(memory->page, memory->page_size);
	if (memory->uffd >= 0)
		close(memory->uffd);
	memory->page = NULL;
	memory->uffd = -1;
}

void memory_reopen(struct memory *memory)
{
	int fd = open_file(memory->pid);
	bool held = memory->holding;

	if (fd < 0)
		return;
	memory_release(memory);
	close(memory->fd);
	memory->fd = fd;
	if (held)
		error_free(memory_hold(memory, memory->readable));
}

void memory_close(struct memory *memory)
{
	if (!memory)
		return;
	memory_release(memory);
	close(memory->fd);
	free(memory);
}
