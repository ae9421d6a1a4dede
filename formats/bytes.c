#include "formats/bytes.h"

#include "formats/xalloc.h"

#include <byteswap.h>
#include <stdlib.h>
#include <string.h>

struct cursor cursor_make(const void *data, size_t len)
{
	const uint8_t *base = data;

	/* No bytes may be at no place at all. */
	return (struct cursor){.base = base, .pos = base, .end = len ? base + len : base};
}

size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->pos);
}

size_t cursor_offset(const struct cursor *c)
{
	return (size_t)(c->pos - c->base);
}

const uint8_t *cursor_take(struct cursor *c, size_t len)
{
	const uint8_t *at = c->pos;

	if (c->failed || cursor_left(c) < len) {
		c->failed = true;
		return NULL;
	}
	c->pos += len;
	return at;
}

void cursor_skip(struct cursor *c, size_t len)
{
	cursor_take(c, len);
}

uint8_t cursor_u8(struct cursor *c)
{
	const uint8_t *at = cursor_take(c, 1);

	return at ? *at : 0;
}

uint16_t cursor_u16(struct cursor *c)
{
	const uint8_t *at = cursor_take(c, 2);
	uint16_t v = 0;

	if (at)
		memcpy(&v, at, sizeof(v));
	return c->swap ? bswap_16(v) : v;
}

uint32_t cursor_u32(struct cursor *c)
{
	const uint8_t *at = cursor_take(c, 4);
	uint32_t v = 0;

	if (at)
		memcpy(&v, at, sizeof(v));
	return c->swap ? bswap_32(v) : v;
}

uint64_t cursor_u64(struct cursor *c)
{
	const uint8_t *at = cursor_take(c, 8);
	uint64_t v = 0;

	if (at)
		memcpy(&v, at, sizeof(v));
	return c->swap ? bswap_64(v) : v;
}

uint64_t cursor_uvarint(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t byte = cursor_u8(c);

		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
	c->failed = true;
	return 0;
}

const char *cursor_cstring(struct cursor *c)
{
	const uint8_t *nul = c->failed ? NULL : memchr(c->pos, 0, cursor_left(c));

	if (!nul) {
		c->failed = true;
		return NULL;
	}
	return (const char *)cursor_take(c, (size_t)(nul - c->pos) + 1);
}

uint8_t *buffer_extend(struct buffer *b, size_t len)
{
	xgrow(b->data, b->cap, b->len + len);
	b->len += len;
	return b->data + b->len - len;
}

void buffer_append(struct buffer *b, const void *data, size_t len)
{
	if (len)
		memcpy(buffer_extend(b, len), data, len);
}

void buffer_u8(struct buffer *b, uint8_t v)
{
	buffer_append(b, &v, sizeof(v));
}

void buffer_u16(struct buffer *b, uint16_t v)
{
	buffer_append(b, &v, sizeof(v));
}

void buffer_u32(struct buffer *b, uint32_t v)
{
	buffer_append(b, &v, sizeof(v));
}

void buffer_u64(struct buffer *b, uint64_t v)
{
	buffer_append(b, &v, sizeof(v));
}

void buffer_align(struct buffer *b, size_t align)
{
	while (b->len % align)
		buffer_u8(b, 0);
}

void buffer_free(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){0};
}
