#ifndef GMT_TESTS_GOTRACEBYTES_H
#define GMT_TESTS_GOTRACEBYTES_H

#include "formats/bytes.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Execution traces by hand: a header, then batches, each with its events. */

static inline void gotrace_header(struct buffer *out, int minor)
{
	char text[17] = {0};

	snprintf(text, sizeof(text), "go 1.%02d trace", minor);
	buffer_append(out, text, 16);
}

static inline void gotrace_uvarint(struct buffer *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		buffer_u8(out, (uint8_t)(value | 0x80));
	buffer_u8(out, (uint8_t)value);
}

/* Adds a batch with that body, which is freed. */
static inline void gotrace_batch(struct buffer *out, uint64_t generation, uint64_t thread,
				 uint64_t ticks, struct buffer *body)
{
	buffer_u8(out, 1);
	gotrace_uvarint(out, generation);
	gotrace_uvarint(out, thread);
	gotrace_uvarint(out, ticks);
	gotrace_uvarint(out, body->len);
	buffer_append(out, body->data, body->len);
	buffer_free(body);
}

/* Adds an event: its number, the ticks since the one before, and its n arguments. */
static inline void gotrace_event(struct buffer *body, uint8_t event, uint64_t ticks, int n,
				 uint64_t a, uint64_t b, uint64_t c)
{
	const uint64_t args[] = {a, b, c};

	buffer_u8(body, event);
	gotrace_uvarint(body, ticks);
	for (int i = 0; i < n; i++)
		gotrace_uvarint(body, i < 3 ? args[i] : 0);
}

static inline void gotrace_string(struct buffer *body, uint64_t id, const char *text)
{
	if (!body->len)
		buffer_u8(body, 4);
	buffer_u8(body, 5);
	gotrace_uvarint(body, id);
	gotrace_uvarint(body, strlen(text));
	buffer_append(body, text, strlen(text));
}

#endif
