#include "common/pclntab.h"

#include "formats/bytes.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/*
 * Formats: runtime/symtab.go (pcHeader, funcline1, pcvalue, inline trees) and
 * cmd/link/internal/ld/pcln.go of 1.15, 1.17, 1.19, 1.20 and 1.27.
 */

#define MAGIC_1_2  0xfffffffbu
#define MAGIC_1_16 0xfffffffau
#define MAGIC_1_18 0xfffffff0u
#define MAGIC_1_20 0xfffffff1u

/* Longer than any name; else a broken table could make every look-up read all of it. */
#define MAX_STRING 32768

/* Small enough that the index of a large program stays in the cache. */
#define INDEX_STEP 16

#define PCDATA_INL_TREE 2 /* internal/abi/symtab.go */

/* More steps than the longest pc-value table of a real function. */
#define MAX_STEPS (1u << 20)
/* Deeper than any inlining: the compiler's budget allows some dozens. */
#define MAX_INLINED 1000

/* Where the fields of runtime._func lie (runtime/runtime2.go, type _func), by format. */
static const struct func_shape {
	uint8_t name_off, pcsp, pcfile, pcln, npcdata, cu_offset, start_line, nfuncdata, size;
	uint8_t inl_tree;      /* FUNCDATA_InlTree */
	uint8_t inl_node_size; /* of an entry of the inline tree */
	uint8_t inl_name, inl_parent_pc, inl_start_line;
	uint8_t functab_entry; /* size of an entry of functab */
} shapes[] = {
	/* 0: the format has no such field (no field that may be absent lies at 0). */
	[PCLNTAB_1_2] = {8, 20, 24, 28, 32, 0, 0, 39, 40, 4, 20, 12, 16, 0, 16},
	[PCLNTAB_1_16] = {8, 20, 24, 28, 32, 36, 0, 43, 44, 3, 20, 12, 16, 0, 16},
	[PCLNTAB_1_18] = {4, 16, 20, 24, 28, 32, 0, 39, 40, 3, 20, 12, 16, 0, 8},
	[PCLNTAB_1_20] = {4, 16, 20, 24, 28, 32, 36, 43, 44, 3, 16, 4, 8, 12, 8},
};

static uint32_t get_u32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static uint64_t get_u64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

/* len bytes at an offset of a part; NULL where it does not hold them. */
static const uint8_t *part_at(const struct pclntab_part *part, uint64_t offset, size_t len)
{
	return offset <= part->len && len <= part->len - offset ? part->data + offset : NULL;
}

/* A string at an offset of a part; "" where none ends in time. */
static const char *part_string(const struct pclntab_part *part, uint64_t offset)
{
	const uint8_t *at = part_at(part, offset, 1);
	size_t left = at ? part->len - offset : 0;

	return at && memchr(at, 0, left < MAX_STRING ? left : MAX_STRING) ? (const char *)at : "";
}

static bool set_part(struct pclntab_part *part, const uint8_t *data, size_t len, uint64_t offset)
{
	if (offset > len)
		return false;
	*part = (struct pclntab_part){data + offset, len - offset};
	return true;
}

static uint64_t functab_pc(const struct pclntab *table, size_t i)
{
	const uint8_t *at = table->functab.data + i * shapes[table->format].functab_entry;

	return table->format >= PCLNTAB_1_18 ? get_u32(at) : get_u64(at);
}

/* The _func of function i, of which the fixed part is readable; NULL where the table is broken. */
static const uint8_t *func_at(const struct pclntab *table, size_t i)
{
	const struct func_shape *shape = &shapes[table->format];
	const uint8_t *at = table->functab.data + i * shape->functab_entry;
	uint64_t offset;

	switch (table->format) {
	case PCLNTAB_1_2:
		return part_at(&table->names, get_u64(at + 8), shape->size);
	case PCLNTAB_1_16:
		offset = get_u64(at + 8);
		break;
	default:
		offset = get_u32(at + 4);
	}
	return part_at(&table->functab, offset, shape->size);
}

/* The header up to 1.15: the functab follows at once, all offsets count from the table's start. */
static bool read_1_2(struct pclntab *table, const uint8_t *data, size_t len)
{
	uint64_t end, filetab;

	table->count = get_u64(data + 8);
	if (table->count > len / 16)
		return false;
	end = 16 + (uint64_t)table->count * 16 + 8;
	if (end + 4 > len)
		return false;
	filetab = get_u32(data + end);
	set_part(&table->names, data, len, 0);
	set_part(&table->pctab, data, len, 0);
	set_part(&table->functab, data, len, 16);
	table->functab_address = table->address + 16;
	return set_part(&table->filetab, data, len, filetab);
}

static bool read_1_16(struct pclntab *table, const uint8_t *data, size_t len)
{
	/* Words: nfunc, nfiles, [1.18: textStart,] names, cutab, filetab, pctab, functab. */
	size_t first = table->format >= PCLNTAB_1_18 ? 32 : 24;
	uint64_t functab;

	if (len < first + 40)
		return false;
	table->count = get_u64(data + 8);
	functab = get_u64(data + first + 32);
	table->functab_address = table->address + functab;
	if (table->format >= PCLNTAB_1_18)
		table->text = get_u64(data + 24);
	if (!set_part(&table->names, data, len, get_u64(data + first)) ||
	    !set_part(&table->cutab, data, len, get_u64(data + first + 8)) ||
	    !set_part(&table->filetab, data, len, get_u64(data + first + 16)) ||
	    !set_part(&table->pctab, data, len, get_u64(data + first + 24)) ||
	    !set_part(&table->functab, data, len, functab))
		return false;
	/* Names end where the next table begins: a shorter search for a string's end. */
	if (table->cutab.data > table->names.data)
		table->names.len = (size_t)(table->cutab.data - table->names.data);
	return true;
}

/* Whether the table's first and last functions are what they should be. */
static bool plausible(const struct pclntab *table)
{
	const struct func_shape *shape = &shapes[table->format];
	size_t entry = shape->functab_entry;
	/* The end of the last function follows the entries. */
	size_t tail = table->format >= PCLNTAB_1_18 ? 4 : 8;
	const size_t picks[] = {0, table->count / 2, table->count - 1};

	if (table->count == 0 || table->functab.len < tail ||
	    table->count > (table->functab.len - tail) / entry)
		return false;
	for (size_t i = 0; i < sizeof(picks) / sizeof(picks[0]); i++) {
		const uint8_t *func = func_at(table, picks[i]);
		uint64_t pc = functab_pc(table, picks[i]);

		if (!func || functab_pc(table, picks[i] + 1) < pc)
			return false;
		/* _func begins with the entry that functab has. */
		if (pc != (table->format >= PCLNTAB_1_18 ? get_u32(func) : get_u64(func)))
			return false;
	}
	return pclntab_name(table, 0)[0] != 0;
}

bool pclntab_read(const struct elf_file *file, uint64_t address, struct pclntab *table)
{
	size_t len;
	const uint8_t *data = elf_file_rest(file, address, &len);

	*table = (struct pclntab){.file = file, .address = address};
	if (!data || len < 24 || data[4] || data[5] || data[7] != 8 ||
	    (data[6] != 1 && data[6] != 2 && data[6] != 4))
		return false;
	table->quantum = data[6];
	switch (get_u32(data)) {
	case MAGIC_1_2:
		table->format = PCLNTAB_1_2;
		return read_1_2(table, data, len) && plausible(table);
	case MAGIC_1_16:
		table->format = PCLNTAB_1_16;
		break;
	case MAGIC_1_18:
		table->format = PCLNTAB_1_18;
		break;
	case MAGIC_1_20:
		table->format = PCLNTAB_1_20;
		break;
	default:
		return false;
	}
	return read_1_16(table, data, len) && plausible(table);
}

/* Looks for the magic at every 8-aligned address of a segment. */
static bool scan_segment(const struct elf_file *file, const struct elf_segment *seg,
			 struct pclntab *table)
{
	const uint8_t *data = elf_file_segment_bytes(file, seg);

	for (uint64_t at = -seg->address & 7; at + 24 <= seg->file_size; at += 8) {
		/* fb, fa, f0 or f1; ff ff ff; 00 00; quantum; 08 */
		if (data[at] < 0xf0 || data[at + 1] != 0xff || data[at + 7] != 8)
			continue;
		if (pclntab_read(file, seg->address + at, table))
			return true;
	}
	return false;
}

bool pclntab_find(const struct elf_file *file, struct pclntab *table)
{
	static const char *const sections[] = {".gopclntab", ".data.rel.ro.gopclntab"};

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		const struct elf_section *section = elf_file_section(file, sections[i]);

		if (section && pclntab_read(file, section->address, table))
			return true;
	}
	for (size_t i = 0; i < file->n_segments; i++) {
		if (scan_segment(file, &file->segments[i], table))
			return true;
	}
	return false;
}

void pclntab_free(struct pclntab *table)
{
	free(table->texts);
	free(table->index);
	*table = (struct pclntab){0};
}

/* The address that an offset from the start of the text stands for (runtime.textAddr). */
static uint64_t text_address(const struct pclntab *table, uint64_t offset)
{
	for (size_t i = 0; i < table->n_texts; i++) {
		const struct pclntab_text *text = &table->texts[i];

		/* The end of the last function may be the end of the last stretch. */
		if (offset >= text->offset &&
		    (offset < text->end || (i + 1 == table->n_texts && offset == text->end)))
			return text->address + (offset - text->offset);
	}
	return table->text + offset;
}

uint64_t pclntab_entry(const struct pclntab *table, size_t i)
{
	uint64_t pc = functab_pc(table, i);

	return table->format >= PCLNTAB_1_18 ? text_address(table, pc) : pc;
}

const char *pclntab_name(const struct pclntab *table, size_t i)
{
	const uint8_t *func = func_at(table, i);

	return func ? part_string(&table->names, get_u32(func + shapes[table->format].name_off))
		    : "";
}

void pclntab_index(struct pclntab *table)
{
	uint64_t last = 0;

	if (table->index)
		return;
	table->index = xcalloc(table->count / INDEX_STEP + 1, sizeof(*table->index));
	for (size_t i = 0; i < table->count; i++) {
		uint64_t entry = pclntab_entry(table, i);

		if (entry < last) {
			free(table->index);
			table->index = NULL;
			return;
		}
		last = entry;
		if (i % INDEX_STEP == 0)
			table->index[i / INDEX_STEP] = entry;
	}
}

/* Narrows the functions from low up to high, which it is below, to those that the index leaves. */
static void search_index(const struct pclntab *table, uint64_t address, size_t *low, size_t *high)
{
	size_t first = 0, last = (table->count - 1) / INDEX_STEP + 1;

	while (last - first > 1) {
		size_t middle = first + (last - first) / 2;

		if (table->index[middle] <= address)
			first = middle;
		else
			last = middle;
	}
	*low = first * INDEX_STEP;
	if (last * INDEX_STEP < *high)
		*high = last * INDEX_STEP;
}

bool pclntab_lookup(const struct pclntab *table, uint64_t address, size_t *i)
{
	size_t low = 0, high = table->count;

	if (table->count == 0 || address < pclntab_entry(table, 0) ||
	    address >= pclntab_entry(table, table->count))
		return false;
	if (table->index)
		search_index(table, address, &low, &high);
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (pclntab_entry(table, middle) <= address)
			low = middle;
		else
			high = middle;
	}
	*i = low;
	return func_at(table, low) != NULL;
}

/* One varint of several bytes; *at is NULL from where there are too few bytes. */
static uint32_t long_varint(const uint8_t **at, const uint8_t *end)
{
	uint32_t v = 0;

	for (unsigned shift = 0; *at < end && shift < 35; shift += 7) {
		uint8_t byte = *(*at)++;

		v |= (uint32_t)(byte & 0x7f) << (shift & 31);
		if (byte < 0x80)
			return v;
	}
	*at = NULL;
	return 0;
}

/*
 * The value that a pc-value table has at `offset` bytes into the function. The table alternates
 * value differences (zigzag) and pc differences; values start at -1. This loop is most of a
 * look-up's work, and nearly all differences are single bytes.
 */
static int32_t pc_value(const struct pclntab *table, uint32_t start, uint64_t offset)
{
	const uint8_t *at = part_at(&table->pctab, start, 1);
	const uint8_t *end = table->pctab.data + table->pctab.len;
	uint32_t value = UINT32_MAX, quantum = table->quantum;
	uint64_t pc = 0;

	if (!start || !at)
		return -1;
	for (unsigned step = 0; step < MAX_STEPS && end - at >= 2; step++) {
		uint32_t delta = at[0], advance = at[1];

		if (delta < 0x80 && advance < 0x80) {
			at += 2;
		} else {
			delta = long_varint(&at, end);
			if (!at)
				break;
			advance = long_varint(&at, end);
			if (!at)
				break;
		}
		/* A difference of zero ends the table, but for the first. */
		if (delta == 0 && step > 0)
			break;
		value += (delta >> 1) ^ -(delta & 1);
		pc += (uint64_t)advance * quantum;
		if (offset < pc)
			return (int32_t)value;
	}
	return -1;
}

static const char *file_name(const struct pclntab *table, const uint8_t *func, int32_t number)
{
	const struct func_shape *shape = &shapes[table->format];
	const uint8_t *at;
	uint32_t offset;

	if (number < 0)
		return "";
	if (table->format == PCLNTAB_1_2) {
		at = part_at(&table->filetab, (uint64_t)number * 4, 4);
		return at && number > 0 ? part_string(&table->names, get_u32(at)) : "";
	}
	offset = get_u32(func + shape->cu_offset);
	at = part_at(&table->cutab, ((uint64_t)offset + (uint32_t)number) * 4, 4);
	offset = at ? get_u32(at) : UINT32_MAX;
	return offset == UINT32_MAX ? "" : part_string(&table->filetab, offset);
}

/* The address of the function's inline tree; 0 where it has none. */
static uint64_t inline_tree(const struct pclntab *table, const uint8_t *func)
{
	const struct func_shape *shape = &shapes[table->format];
	size_t into = (size_t)(func - table->functab.data) + shape->size;
	uint32_t npcdata = get_u32(func + shape->npcdata), offset;
	uint64_t data = into + (uint64_t)npcdata * 4;
	const uint8_t *at;

	if (func[shape->nfuncdata] <= shape->inl_tree || npcdata > UINT16_MAX)
		return 0;
	if (table->format >= PCLNTAB_1_18) {
		at = part_at(&table->functab, data + shape->inl_tree * 4u, 4);
		offset = at ? get_u32(at) : UINT32_MAX;
		return offset == UINT32_MAX || !table->gofunc ? 0 : table->gofunc + offset;
	}
	/* Pointers, aligned in memory. */
	data += -(table->functab_address + data) & 7;
	at = part_at(&table->functab, data + shape->inl_tree * 8u, 8);
	return at ? get_u64(at) : 0;
}

/* The function's index into its inline tree at an offset; negative where nothing is inlined. */
static int32_t inline_index(const struct pclntab *table, const uint8_t *func, uint64_t offset)
{
	const struct func_shape *shape = &shapes[table->format];
	size_t into = (size_t)(func - table->functab.data) + shape->size;
	const uint8_t *at;

	if (get_u32(func + shape->npcdata) <= PCDATA_INL_TREE)
		return -1;
	at = part_at(&table->functab, into + PCDATA_INL_TREE * 4, 4);
	return at ? pc_value(table, get_u32(at), offset) : -1;
}

size_t pclntab_frames(const struct pclntab *table, uint64_t address, struct symtab_frame *frames,
		      size_t max)
{
	const struct func_shape *shape = &shapes[table->format];
	uint64_t tree = 0, offset;
	const uint8_t *func;
	size_t i, n = 0;

	if (!pclntab_lookup(table, address, &i))
		return 0;
	func = func_at(table, i);
	offset = address - pclntab_entry(table, i);
	while (n < max && n < MAX_INLINED) {
		struct symtab_frame *frame = &frames[n++];
		int32_t file = pc_value(table, get_u32(func + shape->pcfile), offset);
		int32_t line = pc_value(table, get_u32(func + shape->pcln), offset);
		int32_t index = inline_index(table, func, offset);
		const uint8_t *node = NULL;
		uint32_t name;

		frame->file = file_name(table, func, file);
		frame->line = line > 0 ? (uint32_t)line : 0;
		if (index >= 0 && (tree || (tree = inline_tree(table, func))))
			node = elf_file_bytes(table->file,
					      tree + (uint64_t)index * shape->inl_node_size,
					      shape->inl_node_size);
		name = get_u32(node ? node + shape->inl_name : func + shape->name_off);
		frame->function = part_string(&table->names, name);
		frame->start_line = 0;
		if (shape->start_line)
			frame->start_line = get_u32(node ? node + shape->inl_start_line
							 : func + shape->start_line);
		if (!node)
			break;
		/* The call lies in the same function, perhaps within another inlined one. */
		offset = get_u32(node + shape->inl_parent_pc);
	}
	return n;
}
