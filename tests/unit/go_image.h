#ifndef GMT_TESTS_GO_IMAGE_H
#define GMT_TESTS_GO_IMAGE_H

/*
 * A tiny program as Go's linker lays it out, in each format of the pclntab: five functions, one of
 * which has two others inlined into each other, and the moduledata that describes them. Written
 * from the runtime's sources and not by the code under test.
 *
 *   main.main   +0x000 main.go:10; at +0x10 main.callee inlined (b.go:20, called at main.go:11),
 *               in which at +0x18 main.deep is inlined (c.go:30, called at b.go:21); at +0x20
 *               main.go:12
 *   pkg.twice   +0x040, 0x20 bytes: a wrapper   pkg.twice  +0x060, 0x40 bytes: the function
 *   pkg.long    +0x0a0: d.go:1000, and :900 from +0x100; its varints take several bytes
 *   (nothing)   +0x400: without lines           end +0x420
 */

#include "common/pclntab.h"
#include "formats/bytes.h"

#include <string.h>

#define IMAGE_BASE  UINT64_C(0x500000) /* of the data; the text is below it */
#define IMAGE_TEXT  UINT64_C(0x401000)
#define IMAGE_FUNCS 5

struct image {
	enum pclntab_format format;
	struct buffer data;
	uint64_t pclntab, inline_tree, module; /* addresses */
	bool text_in_header;
};

struct image_function {
	const char *name;
	uint32_t offset, start_line;
	uint32_t pcfile, pcln, inl; /* offsets into pctab; 0 none */
	bool has_tree;
};

static inline void image_put_uvarint(struct buffer *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buffer_u8(b, (uint8_t)(v | 0x80));
	buffer_u8(b, (uint8_t)v);
}

/* A pc-value table: pairs of the bytes that a value holds for, and the value. */
static inline uint32_t image_pcvalues(struct buffer *pctab, const int (*rows)[2], size_t n)
{
	uint32_t at = (uint32_t)pctab->len;
	int value = -1;

	for (size_t i = 0; i < n; i++) {
		int delta = rows[i][1] - value;

		image_put_uvarint(pctab,
				  delta < 0 ? (uint64_t)(-delta) * 2 - 1 : (uint64_t)delta * 2);
		image_put_uvarint(pctab, (uint64_t)rows[i][0]);
		value = rows[i][1];
	}
	buffer_u8(pctab, 0);
	return at;
}

static inline uint32_t image_string(struct buffer *b, const char *text)
{
	uint32_t at = (uint32_t)b->len;

	buffer_append(b, text, strlen(text) + 1);
	return at;
}

static inline void image_patch_u32(struct buffer *b, size_t at, uint64_t v)
{
	memcpy(b->data + at, &v, 4);
}

static inline void image_patch_u64(struct buffer *b, size_t at, uint64_t v)
{
	memcpy(b->data + at, &v, 8);
}

/* One _func. Offsets of names, files and pctab are from the starts of their tables. */
static inline void image_func(struct image *im, struct buffer *out, const struct image_function *f,
			      uint32_t name, uint32_t pctab)
{
	bool new = im->format >= PCLNTAB_1_18;
	uint32_t n_funcdata = f->has_tree ? (im->format == PCLNTAB_1_2 ? 5 : 4) : 0;

	if (new)
		buffer_u32(out, f->offset);
	else
		buffer_u64(out, IMAGE_TEXT + f->offset);
	buffer_u32(out, name);
	buffer_u32(out, 0); /* args */
	buffer_u32(out, 0); /* deferreturn */
	buffer_u32(out, 0); /* pcsp */
	buffer_u32(out, f->pcfile ? f->pcfile + pctab : 0);
	buffer_u32(out, f->pcln ? f->pcln + pctab : 0);
	buffer_u32(out, 3); /* npcdata */
	if (im->format >= PCLNTAB_1_16)
		buffer_u32(out, 1); /* cuOffset: entry 0 is another unit's */
	if (im->format >= PCLNTAB_1_20)
		buffer_u32(out, f->start_line);
	buffer_u32(out, n_funcdata << 24); /* funcID, flag, pad, nfuncdata */
	buffer_u32(out, 0);
	buffer_u32(out, 0);
	buffer_u32(out, f->inl ? f->inl + pctab : 0);
	if (!new &&n_funcdata)
		buffer_align(out, 8);
	for (uint32_t i = 0; i < n_funcdata; i++) {
		bool tree = i == (im->format == PCLNTAB_1_2 ? 4u : 3u);

		/* The inline tree stands at the beginning of the image. */
		if (new)
			buffer_u32(out, tree ? 8 : UINT32_MAX);
		else
			buffer_u64(out, tree ? im->inline_tree : 0);
	}
	buffer_align(out, 8);
}

static inline void image_inline_tree(struct image *im, uint32_t callee, uint32_t deep)
{
	const struct {
		uint32_t name, parent_pc, line, start;
		int16_t parent;
	} nodes[] = {{callee, 0x08, 11, 19, -1}, {deep, 0x14, 21, 29, 0}};

	for (size_t i = 0; i < 2; i++) {
		if (im->format >= PCLNTAB_1_20) {
			buffer_u32(&im->data, 0); /* funcID */
			buffer_u32(&im->data, nodes[i].name);
			buffer_u32(&im->data, nodes[i].parent_pc);
			buffer_u32(&im->data, nodes[i].start);
		} else {
			buffer_u16(&im->data, (uint16_t)nodes[i].parent);
			buffer_u16(&im->data, 0); /* funcID */
			buffer_u32(&im->data, 0); /* file */
			buffer_u32(&im->data, nodes[i].line);
			buffer_u32(&im->data, nodes[i].name);
			buffer_u32(&im->data, nodes[i].parent_pc);
		}
	}
	buffer_align(&im->data, 8);
}

/* The parts of a table, as they are before they are put together. */
struct image_parts {
	struct buffer names, files, pctab;
	uint32_t file_at[4];
	struct image_function functions[IMAGE_FUNCS];
	uint32_t name_at[IMAGE_FUNCS];
	uint32_t callee, deep;
};

static inline void image_parts_make(enum pclntab_format format, struct image_parts *p)
{
	/* Up to 1.15 file 0 is none, and the numbers are the table's; later they are the unit's. */
	int f = format == PCLNTAB_1_2 ? 1 : 0;
	const int main_files[][2] = {{0x10, f}, {0x08, f + 1}, {0x08, f + 2}, {0x20, f}};
	/* The instruction at +0x08 stands for the call of callee, the one at +0x14 for deep's. */
	const int main_lines[][2] = {{0x08, 10}, {0x08, 11}, {0x04, 20},
				     {0x04, 21}, {0x08, 30}, {0x20, 12}};
	const int main_inlined[][2] = {{0x10, -1}, {0x08, 0}, {0x08, 1}, {0x20, -1}};
	const int long_files[][2] = {{0x360, f + 3}};
	const int long_lines[][2] = {{0x60, 1000}, {0x300, 900}};
	const char *files[] = {"/src/main.go", "/src/b.go", "/src/c.go", "/src/d.go"};

	*p = (struct image_parts){0};
	buffer_u8(&p->pctab, 0); /* offset 0 means none */
	for (int i = 0; i < 4; i++)
		p->file_at[i] = image_string(&p->files, files[i]);
	p->functions[0] = (struct image_function){"main.main", 0, 9, 0, 0, 0, true};
	p->functions[0].pcfile = image_pcvalues(&p->pctab, main_files, 4);
	p->functions[0].pcln = image_pcvalues(&p->pctab, main_lines, 6);
	p->functions[0].inl = image_pcvalues(&p->pctab, main_inlined, 4);
	p->functions[1] = (struct image_function){"pkg.twice", 0x40, 1, 0, 0, 0, false};
	p->functions[2] = (struct image_function){"pkg.twice", 0x60, 1, 0, 0, 0, false};
	p->functions[3] = (struct image_function){"pkg.long", 0xa0, 999, 0, 0, 0, false};
	p->functions[3].pcfile = image_pcvalues(&p->pctab, long_files, 1);
	p->functions[3].pcln = image_pcvalues(&p->pctab, long_lines, 2);
	p->functions[4] = (struct image_function){"runtime.etext.pad", 0x400, 0, 0, 0, 0, false};
	for (int i = 0; i < IMAGE_FUNCS; i++)
		p->name_at[i] = image_string(&p->names, p->functions[i].name);
	p->callee = image_string(&p->names, "main.callee");
	p->deep = image_string(&p->names, "main.deep");
}

static inline void image_parts_free(struct image_parts *p)
{
	buffer_free(&p->names);
	buffer_free(&p->files);
	buffer_free(&p->pctab);
}

/* The functab, then the _funcs; `base` is where offsets to them count from, in out. */
static inline void image_functab(struct image *im, struct image_parts *p, struct buffer *out,
				 size_t base, uint32_t names, uint32_t pctab)
{
	bool new = im->format >= PCLNTAB_1_18;
	size_t table = out->len, entry = new ? 8 : 16;

	memset(buffer_extend(out, IMAGE_FUNCS * entry + (new ? 4 : 8)), 0,
	       IMAGE_FUNCS * entry + (new ? 4 : 8));
	if (im->format == PCLNTAB_1_2)
		buffer_u32(out, 0); /* where the file table is */
	buffer_align(out, 8);
	for (size_t i = 0; i <= IMAGE_FUNCS; i++) {
		uint32_t offset = i < IMAGE_FUNCS ? p->functions[i].offset : 0x420;
		size_t at = table + i * entry;

		if (new)
			image_patch_u32(out, at, offset);
		else
			image_patch_u64(out, at, IMAGE_TEXT + offset);
		if (i == IMAGE_FUNCS)
			break;
		if (new)
			image_patch_u32(out, at + 4, out->len - base);
		else
			image_patch_u64(out, at + 8, out->len - base);
		image_func(im, out, &p->functions[i], p->name_at[i] + names, pctab);
	}
}

/* Up to 1.15 everything is addressed from the table's start. */
static inline void image_table_1_2(struct image *im, struct image_parts *p)
{
	struct buffer *out = &im->data;
	size_t start = out->len, functab, end;
	uint32_t names, files, pctab;

	buffer_u32(out, 0xfffffffb);
	buffer_u32(out, 0x08010000);
	buffer_u64(out, IMAGE_FUNCS);
	/* Strings and pctab come after the functab, whose length is known when it is written. */
	functab = out->len;
	end = functab + IMAGE_FUNCS * 16 + 8;
	image_functab(im, p, out, start, 0, 0);
	names = (uint32_t)(out->len - start);
	buffer_append(out, p->names.data, p->names.len);
	files = (uint32_t)(out->len - start);
	buffer_append(out, p->files.data, p->files.len);
	pctab = (uint32_t)(out->len - start);
	buffer_append(out, p->pctab.data, p->pctab.len);
	buffer_align(out, 8);
	/* Once more, now that the offsets are known. */
	{
		struct buffer again = {0};

		buffer_append(&again, out->data, functab);
		image_functab(im, p, &again, start, names, pctab);
		memcpy(out->data, again.data, again.len);
		buffer_free(&again);
	}
	image_patch_u32(out, end, out->len - start);
	buffer_u32(out, 5); /* the count of files, itself included */
	for (int i = 0; i < 4; i++)
		buffer_u32(out, p->file_at[i] + files);
	im->inline_tree = IMAGE_BASE + 8;
	/* The names of the inline tree count from the table's start as well. */
	image_patch_u32(out, 8 + 12, p->callee + names);
	image_patch_u32(out, 8 + 20 + 12, p->deep + names);
}

static inline void image_table(struct image *im, struct image_parts *p)
{
	static const uint32_t magics[] = {0, 0xfffffffa, 0xfffffff0, 0xfffffff1};
	struct buffer *out = &im->data;
	size_t start = out->len, words;

	buffer_u32(out, magics[im->format]);
	buffer_u32(out, 0x08010000);
	buffer_u64(out, IMAGE_FUNCS);
	buffer_u64(out, 4); /* nfiles */
	if (im->format >= PCLNTAB_1_18)
		buffer_u64(out, im->text_in_header ? IMAGE_TEXT : 0);
	words = out->len;
	memset(buffer_extend(out, 40), 0, 40);
	image_patch_u64(out, words, out->len - start);
	buffer_append(out, p->names.data, p->names.len);
	buffer_align(out, 8);
	image_patch_u64(out, words + 8, out->len - start);
	buffer_u32(out, UINT32_MAX);
	for (int i = 0; i < 4; i++)
		buffer_u32(out, p->file_at[i]);
	buffer_align(out, 8);
	image_patch_u64(out, words + 16, out->len - start);
	buffer_append(out, p->files.data, p->files.len);
	buffer_align(out, 8);
	image_patch_u64(out, words + 24, out->len - start);
	buffer_append(out, p->pctab.data, p->pctab.len);
	buffer_align(out, 8);
	image_patch_u64(out, words + 32, out->len - start);
	image_functab(im, p, out, out->len, 0, 0);
}

/* The whole image; free with buffer_free(&im->data). */
static inline void image_make(enum pclntab_format format, bool text_in_header, struct image *im)
{
	struct image_parts parts;

	*im = (struct image){.format = format, .text_in_header = text_in_header};
	image_parts_make(format, &parts);
	im->inline_tree = IMAGE_BASE + 8;
	buffer_u64(&im->data, 0);
	image_inline_tree(im, parts.callee, parts.deep);
	buffer_align(&im->data, 32);
	im->pclntab = IMAGE_BASE + im->data.len;
	if (format == PCLNTAB_1_2)
		image_table_1_2(im, &parts);
	else
		image_table(im, &parts);
	image_parts_free(&parts);
}

#endif
