#include "formats/smaps.h"

#include <string.h>

void smaps_begin(struct smaps *smaps, smaps_sink *sink, void *context)
{
	smaps->sink = sink;
	smaps->context = context;
	smaps->begun = false;
	smaps->len = 0;
	smaps->bad_lines = 0;
}

void smaps_end(struct smaps *smaps)
{
	if (smaps->begun)
		smaps->sink(smaps->context, &smaps->mapping);
	smaps->begun = false;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return 16;
}

/* A number, with digits below base; false where there is none, or it is too large. */
static bool take_number(const char **at, unsigned base, uint64_t *value)
{
	const char *from = *at;
	bool overflow = false;

	*value = 0;
	for (unsigned digit; (digit = (unsigned)digit_of(**at)) < base; (*at)++) {
		overflow |= __builtin_mul_overflow(*value, (uint64_t)base, value);
		overflow |= __builtin_add_overflow(*value, (uint64_t)digit, value);
	}
	return *at > from && !overflow;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static bool take_permissions(const char **at, struct smaps_mapping *m)
{
	if (strnlen(*at, 4) < 4)
		return false;
	m->readable = (*at)[0] == 'r';
	m->writable = (*at)[1] == 'w';
	m->executable = (*at)[2] == 'x';
	m->shared = (*at)[3] == 's';
	*at += 4;
	return true;
}

/* "00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus-daemon" */
static bool parse_mapping(const char *at, struct smaps_mapping *m)
{
	uint64_t major, minor;

	if (!take_number(&at, 16, &m->start) || !take_char(&at, '-') ||
	    !take_number(&at, 16, &m->end) || !take_char(&at, ' ') || !take_permissions(&at, m) ||
	    !take_char(&at, ' ') || !take_number(&at, 16, &m->offset) || !take_char(&at, ' ') ||
	    !take_number(&at, 16, &major) || !take_char(&at, ':') ||
	    !take_number(&at, 16, &minor) || !take_char(&at, ' ') ||
	    !take_number(&at, 10, &m->inode) || m->end <= m->start)
		return false;
	m->major = (uint32_t)major;
	m->minor = (uint32_t)minor;
	m->path = at + strspn(at, " ");
	return true;
}

/* "Rss:                 892 kB"; false where the line is another. */
static bool parse_figure(const char *line, const char *name, size_t len, uint64_t *bytes)
{
	uint64_t kib;

	if (strncmp(line, name, len) != 0)
		return false;
	line += len;
	line += strspn(line, " ");
	/* No machine has more than 2^54 KiB. */
	if (take_number(&line, 10, &kib) && kib < UINT64_MAX >> 10)
		*bytes = kib << 10;
	return true;
}

static void parse_line(struct smaps *smaps)
{
	struct smaps_mapping *m = &smaps->mapping, next = {0};

	/* Addresses begin with a digit or a small letter, names with a capital one. */
	if (digit_of(smaps->line[0]) < 16) {
		smaps_end(smaps);
		if (!parse_mapping(smaps->line, &next)) {
			smaps->bad_lines++;
			return;
		}
		strcpy(smaps->path, next.path);
		next.path = smaps->path;
		*m = next;
		smaps->begun = true;
	} else if (smaps->begun && !parse_figure(smaps->line, "Rss:", 4, &m->rss) &&
		   !parse_figure(smaps->line, "Anonymous:", 10, &m->anonymous)) {
		parse_figure(smaps->line, "Swap:", 5, &m->swap);
	}
}

void smaps_feed(struct smaps *smaps, const char *text, size_t len)
{
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;
		size_t room = SMAPS_MAX_LINE - 1 - smaps->len, kept = n < room ? n : room;

		memcpy(smaps->line + smaps->len, text, kept);
		smaps->len += kept;
		if (!end)
			return;
		smaps->line[smaps->len] = '\0';
		parse_line(smaps);
		smaps->len = 0;
		text += n + 1;
		len -= n + 1;
	}
}
