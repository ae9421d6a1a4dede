#ifndef GMT_TESTS_GO_ELF_H
#define GMT_TESTS_GO_ELF_H

/*
 * An ELF file around an image (go_image.h): the text, the image with moduledata and build
 * information in a writable segment that continues as .bss, two notes, and if wanted a symbol
 * table. It has no other sections.
 */

#include "tests/unit/go_image.h"

#include <elf.h>

#define ELF_TEXT_OFFSET 0x1000
#define ELF_TEXT_SIZE	0x420
#define ELF_DATA_OFFSET 0x2000
#define ELF_BSS_SIZE	0x3000

struct go_elf {
	enum pclntab_format format;
	const char *version; /* NULL: no build information */
	bool symbols, pie;
	uint16_t machine;
	struct buffer file; /* the result; free with buffer_free */
	uint64_t counter;   /* the address of a data symbol "runtime.counter" of 4 bytes in .bss */
};

static inline void go_elf_pad(struct buffer *b, size_t len)
{
	if (b->len < len) {
		size_t n = len - b->len;

		memset(buffer_extend(b, n), 0, n);
	}
}

/* runtime.moduledata: the fields that matter, at the offsets of the first version of the format. */
static inline void go_elf_module(struct image *im)
{
	static const struct {
		uint16_t ftab, text, gofunc;
	} shapes[] = {{24, 96, 0}, {128, 176, 0}, {128, 176, 304}, {128, 176, 320}};
	static const uint16_t words[] = {24, 24, 32, 32};
	size_t table = im->pclntab - IMAGE_BASE, at;
	uint64_t functab = 16;

	if (im->format != PCLNTAB_1_2)
		memcpy(&functab, im->data.data + table + words[im->format] + 32, 8);
	buffer_align(&im->data, 32);
	at = im->data.len;
	im->module = IMAGE_BASE + at;
	go_elf_pad(&im->data, at + 600);
	image_patch_u64(&im->data, at, im->pclntab);
	image_patch_u64(&im->data, at + shapes[im->format].ftab, im->pclntab + functab);
	image_patch_u64(&im->data, at + shapes[im->format].ftab + 8, IMAGE_FUNCS + 1);
	image_patch_u64(&im->data, at + shapes[im->format].text, IMAGE_TEXT);
	if (shapes[im->format].gofunc)
		image_patch_u64(&im->data, at + shapes[im->format].gofunc, IMAGE_BASE);
}

static inline void go_elf_buildinfo(struct image *im, const char *version)
{
	static const char modinfo[] = "0123456789abcdef"
				      "path\tcommand-line-arguments\nbuild\tCGO_ENABLED=0\n"
				      "0123456789abcdef";

	buffer_align(&im->data, 16);
	buffer_append(&im->data, "\xff Go buildinf:\x08\x02", 16);
	go_elf_pad(&im->data, im->data.len + 16);
	image_put_uvarint(&im->data, strlen(version));
	buffer_append(&im->data, version, strlen(version));
	image_put_uvarint(&im->data, sizeof(modinfo) - 1);
	buffer_append(&im->data, modinfo, sizeof(modinfo) - 1);
	buffer_align(&im->data, 16);
}

static inline void go_elf_phdr(struct buffer *b, uint32_t type, uint32_t flags, uint64_t offset,
			       uint64_t address, uint64_t file_size, uint64_t memory_size)
{
	Elf64_Phdr ph = {
		.p_type = type,
		.p_flags = flags,
		.p_offset = offset,
		.p_vaddr = address,
		.p_paddr = address,
		.p_filesz = file_size,
		.p_memsz = memory_size,
		.p_align = 0x1000,
	};

	buffer_append(b, &ph, sizeof(ph));
}

/* Sections: null, .symtab, .strtab, .shstrtab. */
static inline void go_elf_symbols(struct go_elf *elf)
{
	static const char strings[] = "\0runtime.counter\0main.main";
	static const char names[] = "\0.symtab\0.strtab\0.shstrtab";
	const Elf64_Sym symbols[] = {
		{0},
		{17, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, IMAGE_TEXT, 0x40},
		{1, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0, 1, elf->counter, 4},
	};
	struct buffer *b = &elf->file;
	Elf64_Shdr sections[4] = {0};
	Elf64_Ehdr *header;

	sections[1] = (Elf64_Shdr){
		.sh_name = 1, .sh_type = SHT_SYMTAB, .sh_link = 2, .sh_entsize = sizeof(Elf64_Sym)};
	sections[1].sh_offset = b->len;
	sections[1].sh_size = sizeof(symbols);
	buffer_append(b, symbols, sizeof(symbols));
	sections[2] = (Elf64_Shdr){.sh_name = 9, .sh_type = SHT_STRTAB};
	sections[2].sh_offset = b->len;
	sections[2].sh_size = sizeof(strings);
	buffer_append(b, strings, sizeof(strings));
	sections[3] = (Elf64_Shdr){.sh_name = 17, .sh_type = SHT_STRTAB};
	sections[3].sh_offset = b->len;
	sections[3].sh_size = sizeof(names);
	buffer_append(b, names, sizeof(names));
	buffer_align(b, 8);
	header = (Elf64_Ehdr *)(void *)b->data;
	header->e_shoff = b->len;
	header->e_shnum = 4;
	header->e_shentsize = sizeof(Elf64_Shdr);
	header->e_shstrndx = 3;
	buffer_append(b, sections, sizeof(sections));
}

static inline size_t go_elf_notes(struct buffer *b)
{
	size_t start = b->len;

	/* As Go's linker writes the name's size: with its padding. */
	buffer_u32(b, 4);
	buffer_u32(b, 11);
	buffer_u32(b, 4);
	buffer_append(b, "Go\0\0ab/cd/ef/gh\0", 16);
	buffer_u32(b, 4);
	buffer_u32(b, 20);
	buffer_u32(b, NT_GNU_BUILD_ID);
	buffer_append(b, "GNU\0abcdefghijklmnopqrst", 24);
	return b->len - start;
}

static inline void go_elf_make(struct go_elf *elf)
{
	Elf64_Ehdr header = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = elf->pie ? ET_DYN : ET_EXEC,
		.e_machine = elf->machine ? elf->machine : EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
	};
	struct buffer *b = &elf->file, notes = {0};
	size_t notes_len = go_elf_notes(&notes);
	struct image im;

	image_make(elf->format, true, &im);
	go_elf_module(&im);
	if (elf->version)
		go_elf_buildinfo(&im, elf->version);
	elf->counter = IMAGE_BASE + im.data.len + 0x800;
	buffer_append(b, &header, sizeof(header));
	go_elf_phdr(b, PT_NOTE, PF_R, 0x200, IMAGE_TEXT - 0xe00, notes_len, notes_len);
	go_elf_phdr(b, PT_LOAD, PF_R | PF_X, ELF_TEXT_OFFSET, IMAGE_TEXT, ELF_TEXT_SIZE,
		    ELF_TEXT_SIZE);
	go_elf_phdr(b, PT_LOAD, PF_R | PF_W, ELF_DATA_OFFSET, IMAGE_BASE, im.data.len,
		    im.data.len + ELF_BSS_SIZE);
	go_elf_pad(b, 0x200);
	buffer_append(b, notes.data, notes.len);
	go_elf_pad(b, ELF_TEXT_OFFSET);
	memset(buffer_extend(b, ELF_TEXT_SIZE), 0xcc, ELF_TEXT_SIZE);
	go_elf_pad(b, ELF_DATA_OFFSET);
	buffer_append(b, im.data.data, im.data.len);
	buffer_align(b, 8);
	if (elf->symbols)
		go_elf_symbols(elf);
	buffer_free(&notes);
	buffer_free(&im.data);
}

#endif
