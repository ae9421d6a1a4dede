#include "formats/perfdata.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Enough for any input of a fuzzer; compressed records can hold endless numbers of them. */
#define MAX_RECORDS 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every byte, so that a sanitizer sees what lies outside. */
static void touch(const void *bytes, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum ^= ((const uint8_t *)bytes)[i];
	__asm__ volatile("" : : "r"(sum));
}

static void touch_text(const char *text)
{
	if (text)
		touch(text, strlen(text));
}

static void touch_info(const struct perfdata_info *info)
{
	for (size_t i = 0; i < info->n_events; i++) {
		touch_text(info->events[i].name);
		touch(info->events[i].ids, info->events[i].n_ids * sizeof(uint64_t));
	}
	touch_text(info->hostname);
	touch_text(info->osrelease);
	touch_text(info->version);
	touch_text(info->arch);
	for (size_t i = 0; i < info->n_cmdline; i++)
		touch_text(info->cmdline[i]);
	for (size_t i = 0; i < info->n_build_ids; i++)
		touch_text(info->build_ids[i].path);
	touch(info->tracing_data, info->tracing_data_len);
	touch(info->symtab, info->symtab_len);
}

static void read_all(const char *path)
{
	struct perfdata_reader *reader;
	struct perfdata_record record;
	struct perfdata_sample sample;
	struct error *err = perfdata_open(path, &reader);

	if (err) {
		error_free(err);
		return;
	}
	touch_info(perfdata_info(reader));
	for (int n = 0; n < MAX_RECORDS; n++) {
		perfdata_next(reader, &record);
		if (!record.header)
			break;
		touch(record.header, record.header->size);
		perfdata_sample_id(reader, record.header, &sample);
		if (!perfdata_sample(reader, record.header, &sample))
			continue;
		touch(sample.callchain, sample.n_callchain * sizeof(uint64_t));
		touch(sample.raw, sample.raw_len);
		if (sample.event && sample.user_regs)
			touch(sample.user_regs,
			      (size_t)__builtin_popcountll(sample.event->attr.sample_regs_user) *
				      sizeof(uint64_t));
		if (sample.event)
			touch_text(sample.event->name);
	}
	touch_info(perfdata_info(reader));
	touch_text(perfdata_damage(reader));
	perfdata_close(reader);
}

/* As a file, and what fits the kernel's buffer also through a pipe, where nothing can be sought. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC), ends[2];
	char path[64];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_all(path);
	close(fd);
	if (size > 4096 || pipe2(ends, O_CLOEXEC))
		return 0;
	if (write(ends[1], data, size) != (ssize_t)size)
		abort();
	close(ends[1]);
	if (dup2(ends[0], STDIN_FILENO) < 0)
		abort();
	close(ends[0]);
	read_all("-");
	return 0;
}
