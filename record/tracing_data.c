#include "record/tracing_data.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tracefs/tracefs.h>
#include <unistd.h>

static const char version[] = "0.6";

static void put_string(struct buffer *out, const char *text)
{
	buffer_append(out, text, strlen(text) + 1);
}

/* A file of tracefs, preceded by its size in 4 or 8 bytes; size 0 where there is none. */
static void put_file(struct buffer *out, char *content, int len, size_t width)
{
	size_t size = content && len > 0 ? (size_t)len : 0;

	if (width == 8)
		buffer_u64(out, size);
	else
		buffer_u32(out, (uint32_t)size);
	buffer_append(out, content, size);
	free(content);
}

static struct error *put_header_file(struct buffer *out, const char *name)
{
	char path[64], *content;
	int len = 0;

	snprintf(path, sizeof(path), "events/%s", name);
	content = tracefs_instance_file_read(NULL, path, &len);
	if (!content)
		return error_errno(errno, "tracefs: cannot read %s", path);
	put_string(out, name);
	put_file(out, content, len, 8);
	return NULL;
}

static bool first_of_system(const struct trace_event *events, size_t i)
{
	if (!events[i].system)
		return false;
	for (size_t j = 0; j < i; j++) {
		if (events[j].system && strcmp(events[j].system, events[i].system) == 0)
			return false;
	}
	return true;
}

/* The width of the type that ends at `end` ("u64 stk"): of the words of an array; 8 if in doubt. */
static int element_size(const char *from, const char *end)
{
	while (end > from && end[-1] != ' ')
		end--;
	while (end > from && end[-1] == ' ')
		end--;
	while (end > from && end[-1] >= '0' && end[-1] <= '9')
		end--;
	switch (atoi(end)) {
	case 8:
		return 1;
	case 16:
		return 2;
	case 32:
		return 4;
	default:
		return 8;
	}
}

/*
 * The kernel writes an array field of a dynamic event without its length ("u64 stk[]"), and
 * libtraceevent, so perf, then prints zeros for every element. The length follows from the size:
 * says it. Returns the text to use instead, to be freed.
 */
static char *with_array_lengths(char *format)
{
	struct buffer out = {0};
	char *at = format, *open;
	int size;

	while ((open = strstr(at, "[];"))) {
		buffer_append(&out, at, (size_t)(open + 1 - at));
		at = open + 1;
		if (sscanf(at, "]; offset:%*d; size:%d;", &size) == 1) {
			char length[16];
			int n = snprintf(length, sizeof(length), "%d",
					 size / element_size(format, open));

			buffer_append(&out, length, (size_t)n);
		}
	}
	buffer_append(&out, at, strlen(at) + 1);
	free(format);
	return (char *)out.data;
}

/* One system: its name, the number of its events, and the format of each. */
static void put_system(struct buffer *out, const struct trace_event *events, size_t n,
		       const char *system)
{
	uint32_t count = 0;
	size_t count_at;

	put_string(out, system);
	count_at = out->len;
	buffer_u32(out, 0);
	for (size_t i = 0; i < n; i++) {
		char *format;

		if (!events[i].system || strcmp(events[i].system, system) != 0)
			continue;
		format = probes_format(&events[i]);
		if (!format)
			continue;
		if (strncmp(system, PROBE_GROUP_PREFIX, strlen(PROBE_GROUP_PREFIX)) == 0)
			format = with_array_lengths(format);
		count++;
		put_file(out, format, (int)strlen(format), 8);
	}
	memcpy(out->data + count_at, &count, sizeof(count));
}

struct error *tracing_data_collect(const struct trace_event *events, size_t n, struct buffer *out)
{
	static const uint8_t magic[] = {23, 8, 68, 't', 'r', 'a', 'c', 'i', 'n', 'g'};
	uint32_t systems = 0;
	char *printk;
	int len = 0;

	buffer_append(out, magic, sizeof(magic));
	put_string(out, version);
	buffer_u8(out, BYTE_ORDER == BIG_ENDIAN);
	buffer_u8(out, sizeof(long));
	buffer_u32(out, (uint32_t)sysconf(_SC_PAGESIZE));
	TRY(put_header_file(out, "header_page"));
	TRY(put_header_file(out, "header_event"));
	buffer_u32(out, 0); /* events of system "ftrace" */
	for (size_t i = 0; i < n; i++)
		systems += first_of_system(events, i);
	buffer_u32(out, systems);
	for (size_t i = 0; i < n; i++) {
		if (first_of_system(events, i))
			put_system(out, events, n, events[i].system);
	}
	buffer_u32(out, 0); /* kallsyms: perf writes none either */
	printk = tracefs_instance_file_read(NULL, "printk_formats", &len);
	put_file(out, printk, len, 4);
	buffer_u64(out, 0); /* saved_cmdlines: COMM records say it better */
	return NULL;
}
