#include "common/dwarf_lines.h"

#include "common/dwarf_walk.h"
#include "formats/xalloc.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>

/* More than any compiler nests. */
#define MAX_SCOPES 64
#define MAX_DEPTH  256

/* The code of one unit: a unit may have several stretches. */
struct stretch {
	uint64_t start, end;
	Dwarf_Off unit; /* of its first entry */
};

struct dwarf_lines {
	Dwarf *dwarf;
	struct stretch *stretches; /* by start */
	size_t n, cap;
};

static int stretch_order(const void *a, const void *b)
{
	const struct stretch *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* .debug_aranges would say this too, but not every compiler writes it. */
static void add_unit(struct dwarf_lines *lines, Dwarf_Die *unit)
{
	Dwarf_Addr base, start, end;

	for (ptrdiff_t at = 0; (at = dwarf_ranges(unit, at, &base, &start, &end)) > 0;) {
		if (start >= end)
			continue;
		xgrow(lines->stretches, lines->cap, lines->n + 1);
		lines->stretches[lines->n++] = (struct stretch){start, end, dwarf_dieoffset(unit)};
	}
}

struct dwarf_lines *dwarf_lines_open(const struct elf_file *file)
{
	struct dwarf_lines *lines;
	Dwarf_CU *cu = NULL;
	Dwarf_Die unit;
	uint8_t kind;
	Dwarf *dwarf = file->elf ? dwarf_begin_elf(file->elf, DWARF_C_READ, NULL) : NULL;

	if (!dwarf)
		return NULL;
	lines = xcalloc(1, sizeof(*lines));
	lines->dwarf = dwarf;
	while (dwarf_get_units(dwarf, cu, &cu, NULL, &kind, &unit, NULL) == 0) {
		if (kind == DW_UT_compile && dwarf_srclang(&unit) != DW_LANG_Go)
			add_unit(lines, &unit);
	}
	if (lines->n == 0) {
		dwarf_lines_close(lines);
		return NULL;
	}
	qsort(lines->stretches, lines->n, sizeof(*lines->stretches), stretch_order);
	return lines;
}

void dwarf_lines_close(struct dwarf_lines *lines)
{
	if (!lines)
		return;
	dwarf_end(lines->dwarf);
	free(lines->stretches);
	free(lines);
}

static bool find_unit(const struct dwarf_lines *lines, uint64_t address, Dwarf_Die *unit)
{
	size_t low = 0, high = lines->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (lines->stretches[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && address < lines->stretches[low - 1].end &&
	       dwarf_offdie(lines->dwarf, lines->stretches[low - 1].unit, unit);
}

static uint32_t number_of(Dwarf_Die *die, unsigned attribute)
{
	Dwarf_Attribute attr;
	Dwarf_Word word;

	if (!dwarf_attr_integrate(die, attribute, &attr) || dwarf_formudata(&attr, &word) != 0 ||
	    word > UINT32_MAX)
		return 0;
	return (uint32_t)word;
}

/* The place of the call that an inlined function stands for. */
static void call_place(Dwarf_Die *unit, Dwarf_Die *inlined, const char **file, uint32_t *line)
{
	uint32_t number = number_of(inlined, DW_AT_call_file);
	const char *name = NULL;
	Dwarf_Files *files;
	size_t n;

	if (dwarf_getsrcfiles(unit, &files, &n) == 0 && number < n)
		name = dwarf_filesrc(files, number, NULL, NULL);
	*file = name ? name : "";
	*line = number_of(inlined, DW_AT_call_line);
}

/* The scopes that hold an address, outermost first: those that are frames. */
struct scopes {
	Dwarf_Die dies[MAX_SCOPES];
	size_t n;
	uint64_t address;
};

static bool enter(struct scopes *scopes, Dwarf_Die *parent, unsigned depth)
{
	Dwarf_Die child;

	if (depth >= MAX_DEPTH || dwarf_child(parent, &child) != 0)
		return false;
	do {
		int tag = dwarf_tag(&child);
		bool is_frame = tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;

		/* C++ and Rust put functions into namespaces, which have no addresses. */
		if (tag == DW_TAG_namespace) {
			if (enter(scopes, &child, depth + 1))
				return true;
			continue;
		}
		if ((!is_frame && tag != DW_TAG_lexical_block) ||
		    dwarf_haspc(&child, scopes->address) != 1)
			continue;
		if (is_frame && scopes->n < MAX_SCOPES)
			scopes->dies[scopes->n++] = child;
		enter(scopes, &child, depth + 1);
		return true;
	} while (dwarf_walk_next(&child));
	return false;
}

/* One frame for each inlined function, and one for the function that holds them all. */
static size_t fill_frames(Dwarf_Die *unit, struct scopes *scopes, const char *name,
			  const char *file, uint32_t line, struct symtab_frame *frames, size_t max)
{
	size_t n = 0;

	for (size_t i = scopes->n; i-- > 0 && n < max;) {
		Dwarf_Die *die = &scopes->dies[i];
		bool outermost = dwarf_tag(die) == DW_TAG_subprogram;
		const char *own = outermost && name ? name : dwarf_diename(die);

		frames[n++] = (struct symtab_frame){
			.function = own ? own : "",
			.file = file,
			.line = line,
			.start_line = number_of(die, DW_AT_decl_line),
		};
		if (outermost)
			break;
		call_place(unit, die, &file, &line);
	}
	return n;
}

size_t dwarf_lines_frames(const struct dwarf_lines *lines, uint64_t address, const char *name,
			  struct symtab_frame *frames, size_t max)
{
	struct scopes scopes = {.address = address};
	const char *file = NULL;
	Dwarf_Line *row;
	Dwarf_Die unit;
	int line = 0;
	size_t n;

	if (!lines || !find_unit(lines, address, &unit))
		return 0;
	row = dwarf_getsrc_die(&unit, address);
	if (row) {
		file = dwarf_linesrc(row, NULL, NULL);
		dwarf_lineno(row, &line);
	}
	if (line < 0)
		line = 0;
	enter(&scopes, &unit, 0);
	n = fill_frames(&unit, &scopes, name, file ? file : "", (uint32_t)line, frames, max);
	/* Assembly has lines but no functions. */
	if (n == 0 && name && file && max > 0) {
		frames[0] = (struct symtab_frame){name, file, (uint32_t)line, 0};
		n = 1;
	}
	return n;
}
