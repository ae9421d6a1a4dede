#ifndef GMT_FORMATS_BYTES_H
#define GMT_FORMATS_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A bounded reader over bytes that are not trusted. A read past the end yields zero (or NULL) and
 * sets `failed`, which stays set: check it once after a group of reads.
 */
struct cursor {
	const uint8_t *base, *pos, *end;
	bool swap; /* the bytes have the other byte order than this machine */
	bool failed;
};

struct cursor cursor_make(const void *data, size_t len);
size_t cursor_left(const struct cursor *c);
size_t cursor_offset(const struct cursor *c);
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
/* Base-128 varint, least significant group first, at most 10 bytes. */
uint64_t cursor_uvarint(struct cursor *c);
/* The next len bytes, in place; NULL where fewer are left. */
const uint8_t *cursor_take(struct cursor *c, size_t len);
void cursor_skip(struct cursor *c, size_t len);
/* The bytes up to a NUL, which is consumed; NULL where there is none. */
const char *cursor_cstring(struct cursor *c);

/* A growing run of bytes. Zero-initialise; free with buffer_free. */
struct buffer {
	uint8_t *data;
	size_t len, cap;
};

void buffer_append(struct buffer *b, const void *data, size_t len);
/* Room for len more bytes at the end, uninitialised and counted in. */
uint8_t *buffer_extend(struct buffer *b, size_t len);
void buffer_u8(struct buffer *b, uint8_t v);
void buffer_u16(struct buffer *b, uint16_t v);
void buffer_u32(struct buffer *b, uint32_t v);
void buffer_u64(struct buffer *b, uint64_t v);
/* Zero bytes until the length is a multiple of align. */
void buffer_align(struct buffer *b, size_t align);
void buffer_free(struct buffer *b);

#endif
