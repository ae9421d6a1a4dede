#include "formats/perfdata_internal.h"

#include "formats/xalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW_SIZE (1u << 20)

/* No section of a sane file is larger; tracing data and symbol tables are a few MB. */
#define SECTION_MAX (256u << 20)

struct error *perfdata_source_open(struct perfdata_source *source, const char *path)
{
	struct stat st;

	*source = (struct perfdata_source){.fd = STDIN_FILENO, .limit = UINT64_MAX};
	if (strcmp(path, "-") != 0) {
		source->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (source->fd < 0)
			return error_errno(errno, "%s", path);
		source->close_fd = true;
	}
	if (fstat(source->fd, &st))
		return error_errno(errno, "%s", path);
	if (S_ISDIR(st.st_mode))
		return error_remedy(error_new("%s: is a directory", path),
				    "a recording of perf record --threads is not supported; "
				    "record without --threads");
	source->regular = S_ISREG(st.st_mode);
	if (source->regular)
		source->file_size = (uint64_t)st.st_size;
	source->window = xmalloc(WINDOW_SIZE);
	return NULL;
}

void perfdata_source_close(struct perfdata_source *source)
{
	if (source->close_fd)
		close(source->fd);
	free(source->window);
	*source = (struct perfdata_source){.fd = -1};
}

static ssize_t read_some(struct perfdata_source *source, void *to, size_t len, uint64_t offset)
{
	ssize_t n;

	do {
		if (source->regular)
			n = pread(source->fd, to, len, (off_t)offset);
		else
			n = read(source->fd, to, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		source->errnum = errno;
	return n;
}

/* Moves what is left to the front, keeping its alignment, and reads behind it. */
static void fill(struct perfdata_source *source, size_t need)
{
	size_t left = source->end - source->start, front = source->start % 8;

	memmove(source->window + front, source->window + source->start, left);
	source->start = front;
	source->end = front + left;
	while (source->end - source->start < need && !source->errnum) {
		uint64_t at = source->offset + (source->end - source->start);
		size_t want = WINDOW_SIZE - source->end;
		ssize_t n;

		if (at >= source->limit)
			return;
		if (want > source->limit - at)
			want = (size_t)(source->limit - at);
		n = read_some(source, source->window + source->end, want, at);
		if (n <= 0)
			return;
		source->end += (size_t)n;
	}
}

const uint8_t *perfdata_source_peek(struct perfdata_source *source, size_t need, size_t *available)
{
	if (source->end - source->start < need)
		fill(source, need);
	*available = source->end - source->start;
	return source->window + source->start;
}

void perfdata_source_consume(struct perfdata_source *source, size_t len)
{
	source->start += len;
	source->offset += len;
}

bool perfdata_source_skip(struct perfdata_source *source, uint64_t len)
{
	size_t available = source->end - source->start;

	if (source->regular && len > available) {
		if (source->limit < source->offset || len > source->limit - source->offset)
			return false;
		perfdata_source_seek(source, source->offset + len, source->limit);
		return true;
	}
	while (len) {
		perfdata_source_peek(source, 1, &available);
		if (!available)
			return false;
		if (available > len)
			available = (size_t)len;
		perfdata_source_consume(source, available);
		len -= available;
	}
	return true;
}

void perfdata_source_seek(struct perfdata_source *source, uint64_t offset, uint64_t limit)
{
	source->start = source->end = 0;
	source->offset = offset;
	source->limit = limit;
}

uint8_t *perfdata_source_section(struct perfdata_source *source, struct perfdata_section section)
{
	uint8_t *bytes;
	size_t have = 0;

	if (section.offset > source->file_size ||
	    section.size > source->file_size - section.offset || section.size > SECTION_MAX)
		return NULL;
	/* Never of size 0, so that an empty section is not mistaken for a missing one. */
	bytes = xmalloc(section.size + 1);
	while (have < section.size) {
		ssize_t n =
			read_some(source, bytes + have, section.size - have, section.offset + have);

		if (n <= 0) {
			free(bytes);
			return NULL;
		}
		have += (size_t)n;
	}
	return bytes;
}
