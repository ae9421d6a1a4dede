#include "record/mappings.h"

#include "common/native_symbols.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

struct library {
	char *path, *label; /* label: "[libc.so.6]" */
	struct native_symbols *symbols;
};

struct mapping {
	uint32_t pid;
	uint64_t start, end, offset;
	size_t library;
};

struct mappings {
	struct mapping *list; /* in order of appearance; later ones lie over earlier ones */
	size_t n, cap;
	struct library *libraries;
	size_t n_libraries, cap_libraries;
};

struct mappings *mappings_new(void)
{
	return xcalloc(1, sizeof(struct mappings));
}

/*
 * What is not a file ([vdso], //anon) or cannot be read has no symbols: the label tells. A path is
 * as the process sees it, which may live in a container.
 */
static struct native_symbols *open_symbols(uint32_t pid, const char *path)
{
	struct native_symbols *symbols = NULL;
	char *inside;

	if (path[0] != '/' || path[1] == '/')
		return NULL;
	inside = xasprintf("/proc/%u/root%s", pid, path);
	error_free(native_symbols_open(inside, &symbols));
	free(inside);
	if (!symbols)
		error_free(native_symbols_open(path, &symbols));
	return symbols;
}

static size_t library_index(struct mappings *m, uint32_t pid, const char *path)
{
	const char *base = strrchr(path, '/');
	struct library *library;

	for (size_t i = 0; i < m->n_libraries; i++) {
		if (strcmp(m->libraries[i].path, path) == 0)
			return i;
	}
	xgrow(m->libraries, m->cap_libraries, m->n_libraries + 1);
	library = &m->libraries[m->n_libraries];
	*library = (struct library){
		.path = xstrdup(path),
		.label = xasprintf("[%s]", base ? base + 1 : path),
	};
	library->symbols = open_symbols(pid, path);
	return m->n_libraries++;
}

void mappings_add(struct mappings *mappings, const struct perf_event_header *header)
{
	struct {
		uint32_t pid, tid;
		uint64_t start, len, offset;
	} fixed;
	size_t name_at = sizeof(*header) + sizeof(fixed);
	const char *bytes = (const char *)header;

	if (header->type == PERF_RECORD_MMAP2)
		name_at += 32; /* device, inode, generation, protection, flags */
	else if (header->type != PERF_RECORD_MMAP || header->misc & PERF_RECORD_MISC_MMAP_DATA)
		return;
	if (header->size <= name_at || !memchr(bytes + name_at, 0, header->size - name_at))
		return;
	memcpy(&fixed, bytes + sizeof(*header), sizeof(fixed));
	xgrow(mappings->list, mappings->cap, mappings->n + 1);
	mappings->list[mappings->n++] = (struct mapping){
		.pid = fixed.pid,
		.start = fixed.start,
		.end = fixed.start + fixed.len,
		.offset = fixed.offset,
		.library = library_index(mappings, fixed.pid, bytes + name_at),
	};
}

/* The mapping that holds an address, the newest first; NULL: none. */
static const struct mapping *find_mapping(const struct mappings *mappings, uint32_t pid,
					  uint64_t address)
{
	for (size_t i = mappings->n; i-- > 0;) {
		const struct mapping *m = &mappings->list[i];

		if (m->pid == pid && address >= m->start && address < m->end)
			return m;
	}
	return NULL;
}

bool mappings_hold(const struct mappings *mappings, uint32_t pid, uint64_t address)
{
	return find_mapping(mappings, pid, address) != NULL;
}

size_t mappings_frames(struct mappings *mappings, uint32_t pid, uint64_t address,
		       struct symtab_frame *frames, size_t max)
{
	const struct mapping *m = find_mapping(mappings, pid, address);
	const struct library *library = m ? &mappings->libraries[m->library] : NULL;
	size_t n = 0;

	if (!library || !max)
		return 0;
	if (library->symbols)
		n = native_symbols_frames(library->symbols, address - m->start + m->offset, frames,
					  max);
	if (!n) {
		frames[0] = (struct symtab_frame){.function = library->label, .file = ""};
		n = 1;
	}
	for (size_t i = 0; i < n; i++) {
		if (!frames[i].file[0])
			frames[i].file = library->path;
	}
	return n;
}

struct unwind_rule mappings_rule(struct mappings *mappings, uint32_t pid, uint64_t address)
{
	const struct mapping *m = find_mapping(mappings, pid, address);

	if (!m || !mappings->libraries[m->library].symbols)
		return (struct unwind_rule){.kind = UNWIND_NONE};
	return native_symbols_rule(mappings->libraries[m->library].symbols,
				   address - m->start + m->offset);
}

bool mappings_same_program(const struct mappings *mappings, const struct gobin *bin, uint32_t pid,
			   uint64_t load_bias, uint32_t other, uint64_t *other_bias)
{
	const struct mapping *program = NULL;

	/* No other file can lie where this one does; what is no file has an offset of any kind. */
	for (size_t i = 0; i < mappings->n && !program; i++) {
		const struct mapping *m = &mappings->list[i];
		const char *path = mappings->libraries[m->library].path;

		if (m->pid == pid && path[0] == '/' && path[1] != '/' &&
		    gobin_load_bias(bin, m->start, m->offset) == load_bias)
			program = m;
	}
	for (size_t i = mappings->n; program && i-- > 0;) {
		const struct mapping *m = &mappings->list[i];

		if (m->pid == other && m->library == program->library &&
		    m->offset == program->offset) {
			*other_bias = gobin_load_bias(bin, m->start, m->offset);
			return true;
		}
	}
	return false;
}

void mappings_free(struct mappings *mappings)
{
	for (size_t i = 0; i < mappings->n_libraries; i++) {
		native_symbols_close(mappings->libraries[i].symbols);
		free(mappings->libraries[i].path);
		free(mappings->libraries[i].label);
	}
	free(mappings->libraries);
	free(mappings->list);
	free(mappings);
}
