#include "record/synth.h"

#include "record/target.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define KALLSYMS_LINES 20000 /* on some machines the per-CPU variables come first */
#define BUILD_ID_MAX   20

/* Sets the size of the record that began at `start`, once it is complete. */
static void finish_record(struct buffer *out, size_t start)
{
	uint16_t size = (uint16_t)(out->len - start);

	memcpy(out->data + start + offsetof(struct perf_event_header, size), &size, sizeof(size));
}

static size_t begin_record(struct buffer *out, uint32_t type, uint16_t misc)
{
	struct perf_event_header header = {.type = type, .misc = misc};
	size_t start = out->len;

	buffer_append(out, &header, sizeof(header));
	return start;
}

static void synth_comm(const struct session *session, pid_t pid, pid_t tid, uint64_t time,
		       struct buffer *out)
{
	char path[64], comm[32] = "";
	size_t start;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", pid, tid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (!fgets(comm, sizeof(comm), f))
		comm[0] = '\0';
	fclose(f);
	comm[strcspn(comm, "\n")] = '\0';
	start = begin_record(out, PERF_RECORD_COMM, 0);
	buffer_u32(out, (uint32_t)pid);
	buffer_u32(out, (uint32_t)tid);
	buffer_append(out, comm, strlen(comm) + 1);
	buffer_align(out, 8);
	session_sample_id(session, (uint32_t)pid, (uint32_t)tid, time, out);
	finish_record(out, start);
}

static void synth_mapping(const struct session *session, pid_t pid, uint64_t time, const char *line,
			  struct buffer *out)
{
	uint64_t start_addr, end, offset, inode;
	unsigned major, minor;
	char perms[5];
	const char *path;
	size_t start;
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n",
		   &start_addr, &end, perms, &offset, &major, &minor, &inode, &at) != 7 ||
	    perms[2] != 'x')
		return;
	path = at && line[at] ? line + at : "//anon";
	start = begin_record(out, PERF_RECORD_MMAP2, PERF_RECORD_MISC_USER);
	buffer_u32(out, (uint32_t)pid);
	buffer_u32(out, (uint32_t)pid);
	buffer_u64(out, start_addr);
	buffer_u64(out, end - start_addr);
	buffer_u64(out, offset);
	buffer_u32(out, major);
	buffer_u32(out, minor);
	buffer_u64(out, inode);
	buffer_u64(out, 0); /* inode generation */
	buffer_u32(out, PROT_READ | PROT_EXEC);
	buffer_u32(out, MAP_PRIVATE);
	buffer_append(out, path, strlen(path) + 1);
	buffer_align(out, 8);
	session_sample_id(session, (uint32_t)pid, (uint32_t)pid, time, out);
	finish_record(out, start);
}

/* The address of _text. It is among the first symbols; the rest of the list is not even made. */
static uint64_t kernel_text(void)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	uint64_t address = 0;
	char line[512];

	if (!f)
		return 0;
	for (int i = 0; i < KALLSYMS_LINES && fgets(line, sizeof(line), f); i++) {
		if (strstr(line, " T _text\n")) {
			address = strtoull(line, NULL, 16);
			break;
		}
	}
	fclose(f);
	return address;
}

/* From _text to _etext, which the kernel claims as a piece of the physical memory. */
static uint64_t kernel_text_len(void)
{
	FILE *f = fopen("/proc/iomem", "re");
	uint64_t start, end, len = 0;
	char line[512];

	if (!f)
		return 0;
	while (!len && fgets(line, sizeof(line), f))
		if (strstr(line, " : Kernel code\n") &&
		    sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) == 2 && end > start)
			len = end + 1 - start;
	fclose(f);
	return len;
}

void synth_kernel(const struct session *session, uint64_t time, struct buffer *out)
{
	static const char name[] = "[kernel.kallsyms]_text";
	uint64_t text = kernel_text(), len = kernel_text_len();
	size_t start;

	if (!text || !len)
		return;
	start = begin_record(out, PERF_RECORD_MMAP, PERF_RECORD_MISC_KERNEL);
	buffer_u32(out, UINT32_MAX);
	buffer_u32(out, 0);
	buffer_u64(out, text);
	buffer_u64(out, len);
	buffer_u64(out, text);
	buffer_append(out, name, sizeof(name));
	buffer_align(out, 8);
	session_sample_id(session, UINT32_MAX, 0, time, out);
	finish_record(out, start);
}

size_t synth_kernel_build_id(uint8_t *id)
{
	FILE *f = fopen("/sys/kernel/notes", "re");
	uint8_t bytes[4096];
	struct cursor c;
	size_t n;

	if (!f)
		return 0;
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	c = cursor_make(bytes, n);
	while (cursor_left(&c)) {
		uint32_t name_len = cursor_u32(&c), len = cursor_u32(&c), type = cursor_u32(&c);
		const uint8_t *name = cursor_take(&c, (name_len + 3u) & ~3u);
		const uint8_t *body = cursor_take(&c, (len + 3u) & ~3u);

		if (c.failed)
			return 0;
		if (type == NT_GNU_BUILD_ID && name_len == 4 && memcmp(name, "GNU", 4) == 0 &&
		    len <= BUILD_ID_MAX) {
			memcpy(id, body, len);
			return len;
		}
	}
	return 0;
}

void synth_process(const struct session *session, pid_t pid, uint64_t time, struct buffer *out)
{
	char path[64], *line = NULL;
	size_t n, cap = 0;
	pid_t *tids = target_threads(pid, &n);
	FILE *maps;

	for (size_t i = 0; i < n; i++)
		synth_comm(session, pid, tids[i], time, out);
	free(tids);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return;
	while (getline(&line, &cap, maps) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (strlen(line) < 4096)
			synth_mapping(session, pid, time, line, out);
	}
	free(line);
	fclose(maps);
}

/* One thread's children, where the kernel lists them (CONFIG_PROC_CHILDREN). */
static void synth_children_of(const struct session *session, pid_t pid, pid_t tid, uint64_t time,
			      unsigned depth, struct buffer *out)
{
	size_t n;
	char path[64];
	int child;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, tid);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &child) == 1) {
		pid_t *tids = depth ? target_threads(child, &n) : NULL;

		synth_process(session, child, time, out);
		for (size_t i = 0; tids && i < n; i++)
			synth_children_of(session, child, tids[i], time, depth - 1, out);
		free(tids);
	}
	if (f)
		fclose(f);
}

#define DEPTH 16 /* of a family that is followed */

void synth_children(const struct session *session, pid_t pid, uint64_t time, struct buffer *out)
{
	size_t n;
	pid_t *tids = target_threads(pid, &n);

	for (size_t i = 0; i < n; i++)
		synth_children_of(session, pid, tids[i], time, DEPTH, out);
	free(tids);
}
