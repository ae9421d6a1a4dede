#include "formats/tracing_data.h"

#include "formats/bytes.h"
#include "formats/xalloc.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/*
 * libtraceevent has a parser of formats, but it was written for those of the running kernel: a
 * damaged one makes it read where it should not. A trace may come from anywhere, and of a format
 * only the fields are needed here.
 */

/* A format is a few kilobytes of text at most, and no event has more than 64 KiB of data. */
#define MAX_FORMAT 65536u
#define MAX_DATA   65536u
#define MAX_FIELDS 1024u

struct named_field {
	const char *name;
	struct tracing_field field;
};

struct event {
	uint64_t id;
	char *text; /* what the names point into */
	const char *system, *name;
	struct named_field *fields;
	size_t n_fields, cap_fields;
};

struct tracing_data {
	struct event *events;
	size_t n_events, cap_events;
	char **systems;
	size_t n_systems, cap_systems;
	uint32_t page_size;
};

/* ---- One format ------------------------------------------------------------------------- */

/* The number behind `key` in a line; false where there is none up to MAX_DATA. */
static bool find_number(const char *line, const char *key, uint32_t *number)
{
	const char *at = strstr(line, key);
	unsigned long value;
	char *end;

	if (!at)
		return false;
	at += strlen(key);
	if (!isdigit((unsigned char)*at))
		return false;
	value = strtoul(at, &end, 10);
	*number = (uint32_t)value;
	return value <= MAX_DATA && (*end == ';' || !*end);
}

/*
 * "field:TYPE NAME;\toffset:N;\tsize:N;\tsigned:N;", where NAME may be an array's: "stk[48]", or
 * "stk[]" in newer kernels, which leave the length to the size. Old kernels do not have the sign.
 */
static void parse_field(struct event *event, char *line)
{
	struct tracing_field field = {0};
	char *end = strchr(line, ';'), *name;
	uint32_t sign = 0;

	if (!end || !find_number(end, "offset:", &field.offset) ||
	    !find_number(end, "size:", &field.size) || field.size > MAX_DATA - field.offset)
		return;
	find_number(end, "signed:", &sign);
	field.is_signed = sign;
	*end = '\0';
	field.is_dynamic = strstr(line, "__data_loc") || strstr(line, "__rel_loc");
	name = strchr(line, '[');
	/* A dynamic field has its brackets in the type. */
	if (name && !strchr(name, ' '))
		*name = '\0';
	name = strrchr(line, ' ');
	if (!name || !name[1] || event->n_fields >= MAX_FIELDS)
		return;
	xgrow(event->fields, event->cap_fields, event->n_fields + 1);
	event->fields[event->n_fields++] = (struct named_field){name + 1, field};
}

static void parse_format(struct event *event)
{
	static const char name[] = "name: ", id[] = "ID: ", field[] = "field:",
			  end[] = "print fmt:";
	char *save = NULL;

	for (char *line = strtok_r(event->text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		line += strspn(line, "\t ");
		if (!strncmp(line, end, strlen(end)))
			break;
		if (!strncmp(line, name, strlen(name)))
			event->name = line + strlen(name);
		else if (!strncmp(line, id, strlen(id)))
			event->id = strtoull(line + strlen(id), NULL, 10);
		else if (!strncmp(line, field, strlen(field)))
			parse_field(event, line + strlen(field));
	}
}

static void free_event(struct event *event)
{
	free(event->text);
	free(event->fields);
}

static void add_format(struct tracing_data *tracing, const char *system, const uint8_t *text,
		       size_t len)
{
	struct event event = {.system = system};

	if (len > MAX_FORMAT)
		return;
	event.text = xstrndup((const char *)text, len);
	parse_format(&event);
	if (!event.name || !event.id) {
		free_event(&event);
		return;
	}
	xgrow(tracing->events, tracing->cap_events, tracing->n_events + 1);
	tracing->events[tracing->n_events++] = event;
}

/* ---- The section ------------------------------------------------------------------------ */

static bool take_literal(struct cursor *c, const char *literal, size_t len)
{
	const uint8_t *at = cursor_take(c, len);

	return at && !memcmp(at, literal, len);
}

/* "header_page\0", a size, and that many bytes. */
static void skip_header_file(struct cursor *c, const char *tag)
{
	if (!take_literal(c, tag, strlen(tag) + 1))
		c->failed = true;
	else
		cursor_skip(c, cursor_u64(c));
}

static void parse_systems(struct tracing_data *tracing, struct cursor *c)
{
	uint32_t n_systems = cursor_u32(c);

	for (uint32_t i = 0; i < n_systems && !c->failed; i++) {
		const char *name = cursor_cstring(c);
		uint32_t n_events = cursor_u32(c);
		char *system;

		if (c->failed)
			return;
		system = xstrdup(name);
		xgrow(tracing->systems, tracing->cap_systems, tracing->n_systems + 1);
		tracing->systems[tracing->n_systems++] = system;
		for (uint32_t j = 0; j < n_events && !c->failed; j++) {
			uint64_t len = cursor_u64(c);
			const uint8_t *text = cursor_take(c, len);

			if (text)
				add_format(tracing, system, text, len);
		}
	}
}

static int by_id(const void *a, const void *b)
{
	const struct event *left = a, *right = b;

	return (left->id > right->id) - (left->id < right->id);
}

struct error *tracing_data_parse(const void *data, size_t len, struct tracing_data **tracing)
{
	struct cursor c = cursor_make(data, len);
	struct tracing_data *parsed;
	uint32_t n_ftrace, page_size;
	bool big_endian;

	*tracing = NULL;
	if (!take_literal(&c, "\x17\x08\x44tracing", 10))
		return error_new("tracing data: no tracing data at all");
	cursor_cstring(&c); /* version */
	big_endian = cursor_u8(&c);
	c.swap = big_endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
	cursor_u8(&c); /* size of a long */
	page_size = cursor_u32(&c);
	skip_header_file(&c, "header_page");
	skip_header_file(&c, "header_event");
	n_ftrace = cursor_u32(&c);
	for (uint32_t i = 0; i < n_ftrace && !c.failed; i++)
		cursor_skip(&c, cursor_u64(&c));
	parsed = xcalloc(1, sizeof(*parsed));
	parsed->page_size = page_size;
	parse_systems(parsed, &c);
	if (c.failed) {
		tracing_data_free(parsed);
		return error_new("tracing data: cut or damaged at byte %zu of %zu",
				 cursor_offset(&c), len);
	}
	if (parsed->n_events)
		qsort(parsed->events, parsed->n_events, sizeof(*parsed->events), by_id);
	*tracing = parsed;
	return NULL;
}

static const struct event *find_event(const struct tracing_data *tracing, uint64_t id)
{
	struct event key = {.id = id};

	if (!tracing->n_events)
		return NULL;
	return bsearch(&key, tracing->events, tracing->n_events, sizeof(key), by_id);
}

bool tracing_data_event(const struct tracing_data *tracing, uint64_t id, const char **system,
			const char **name)
{
	const struct event *event = find_event(tracing, id);

	if (!event)
		return false;
	*system = event->system;
	*name = event->name;
	return true;
}

bool tracing_data_field(const struct tracing_data *tracing, uint64_t id, const char *name,
			struct tracing_field *field)
{
	const struct event *event = find_event(tracing, id);

	for (size_t i = 0; event && i < event->n_fields; i++) {
		if (strcmp(event->fields[i].name, name))
			continue;
		*field = event->fields[i].field;
		return true;
	}
	return false;
}

const char *tracing_data_field_name(const struct tracing_data *tracing, uint64_t id, size_t n)
{
	const struct event *event = find_event(tracing, id);

	return event && n < event->n_fields ? event->fields[n].name : NULL;
}

uint32_t tracing_data_page_size(const struct tracing_data *tracing)
{
	return tracing->page_size;
}

void tracing_data_free(struct tracing_data *tracing)
{
	if (!tracing)
		return;
	for (size_t i = 0; i < tracing->n_events; i++)
		free_event(&tracing->events[i]);
	for (size_t i = 0; i < tracing->n_systems; i++)
		free(tracing->systems[i]);
	free(tracing->events);
	free(tracing->systems);
	free(tracing);
}
