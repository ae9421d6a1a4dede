#include "formats/dumps.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define DUMPS_MAGIC   0x504d5544u /* "DUMP" */
#define DUMPS_VERSION 1
#define ENTRY_SIZE    24 /* of a dump, without URL and content */

void dumps_encode(struct buffer *out, const struct dump *dumps, size_t n)
{
	buffer_u32(out, DUMPS_MAGIC);
	buffer_u32(out, DUMPS_VERSION);
	buffer_u32(out, (uint32_t)n);
	buffer_u32(out, 0);
	for (size_t i = 0; i < n; i++) {
		size_t url_len = strlen(dumps[i].url) + 1;

		buffer_u32(out, dumps[i].pid);
		buffer_u32(out, (uint32_t)url_len);
		buffer_u64(out, dumps[i].time);
		buffer_u64(out, dumps[i].len);
		buffer_append(out, dumps[i].url, url_len);
		buffer_align(out, 8);
		buffer_append(out, dumps[i].data, dumps[i].len);
		buffer_align(out, 8);
	}
}

static const uint8_t *take_padded(struct cursor *c, uint64_t len)
{
	const uint8_t *bytes;

	if (len > cursor_left(c)) {
		c->failed = true;
		return NULL;
	}
	bytes = cursor_take(c, (size_t)len);
	cursor_skip(c, (8 - len % 8) % 8);
	return bytes;
}

static bool get_dump(struct cursor *c, struct dump *dump)
{
	uint32_t url_len;
	uint64_t len;

	dump->pid = cursor_u32(c);
	url_len = cursor_u32(c);
	dump->time = cursor_u64(c);
	len = cursor_u64(c);
	dump->url = (const char *)take_padded(c, url_len);
	dump->data = take_padded(c, len);
	dump->len = (size_t)len;
	return !c->failed && url_len && !dump->url[url_len - 1];
}

struct error *dumps_decode(const void *data, size_t len, bool swap, struct dump **dumps, size_t *n)
{
	struct cursor c = cursor_make(data, len);
	uint32_t magic, version, count;

	c.swap = swap;
	*dumps = NULL;
	*n = 0;
	magic = cursor_u32(&c);
	version = cursor_u32(&c);
	count = cursor_u32(&c);
	cursor_u32(&c);
	if (c.failed || magic != DUMPS_MAGIC || !version)
		return error_new("its heap dumps are not in a form known here");
	if (count > cursor_left(&c) / ENTRY_SIZE)
		return error_new("its heap dumps are cut");
	*dumps = xcalloc(count, sizeof(**dumps));
	for (uint32_t i = 0; i < count; i++) {
		if (!get_dump(&c, &(*dumps)[i])) {
			free(*dumps);
			*dumps = NULL;
			return error_new("its heap dumps are damaged at dump %u of %u", i + 1,
					 count);
		}
	}
	*n = count;
	return NULL;
}
