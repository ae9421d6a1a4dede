#include "common/elf_file.h"

#include "formats/bytes.h"
#include "formats/xalloc.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif
#ifndef R_LARCH_RELATIVE
#define R_LARCH_RELATIVE 3
#endif

/* Longer than any name; else a broken table could make every look-up read all of it. */
#define MAX_STRING 32768

/* What of [offset, offset + size) lies within the file. */
static uint64_t clip(const struct elf_file *file, uint64_t offset, uint64_t size)
{
	if (offset >= file->size)
		return 0;
	return size < file->size - offset ? size : file->size - offset;
}

static void read_segments(struct elf_file *file)
{
	size_t n;

	if (elf_getphdrnum(file->elf, &n) != 0)
		return;
	file->segments = xcalloc(n ? n : 1, sizeof(*file->segments));
	for (size_t i = 0; i < n; i++) {
		struct elf_segment *seg = &file->segments[file->n_segments];
		GElf_Phdr ph;

		if (!gelf_getphdr(file->elf, (int)i, &ph))
			break;
		/* A segment that wraps around the address space is no segment. */
		if (ph.p_type != PT_LOAD || ph.p_vaddr + ph.p_memsz < ph.p_vaddr)
			continue;
		*seg = (struct elf_segment){
			.address = ph.p_vaddr,
			.memory_size = ph.p_memsz,
			.offset = ph.p_offset,
			.file_size = clip(file, ph.p_offset, ph.p_filesz),
			.writable = ph.p_flags & PF_W,
			.executable = ph.p_flags & PF_X,
		};
		if (seg->file_size > seg->memory_size)
			seg->file_size = seg->memory_size;
		file->n_segments++;
	}
}

static void read_sections(struct elf_file *file)
{
	size_t n, names;

	if (elf_getshdrnum(file->elf, &n) != 0 || elf_getshdrstrndx(file->elf, &names) != 0)
		return;
	file->sections = xcalloc(n ? n : 1, sizeof(*file->sections));
	for (size_t i = 0; i < n; i++) {
		Elf_Scn *scn = elf_getscn(file->elf, i);
		const char *name;
		GElf_Shdr sh;

		if (!scn || !gelf_getshdr(scn, &sh))
			break;
		name = elf_strptr(file->elf, names, sh.sh_name);
		file->sections[file->n_sections++] = (struct elf_section){
			.name = name ? name : "",
			.address = sh.sh_addr,
			.offset = sh.sh_offset,
			.size = sh.sh_type == SHT_NOBITS ? 0 : clip(file, sh.sh_offset, sh.sh_size),
			.memory_size = sh.sh_size,
			.flags = sh.sh_flags,
			.type = sh.sh_type,
			.link = sh.sh_link,
			.index = i,
		};
	}
}

static void read_symbols(struct elf_file *file, uint32_t type, struct elf_symbols *symbols)
{
	for (size_t i = 0; i < file->n_sections; i++) {
		const struct elf_section *section = &file->sections[i], *strings;

		if (section->type != type || section->link >= file->n_sections)
			continue;
		strings = &file->sections[section->link];
		if (strings->type != SHT_STRTAB || !strings->size)
			continue;
		*symbols = (struct elf_symbols){
			.entries = file->data + section->offset,
			.count = section->size / sizeof(Elf64_Sym),
			.strings = (const char *)file->data + strings->offset,
			.strings_size = strings->size,
		};
		return;
	}
}

static bool is_relative(uint16_t machine, uint64_t info)
{
	uint32_t type = ELF64_R_TYPE(info);

	switch (machine) {
	case EM_X86_64:
		return type == R_X86_64_RELATIVE;
	case EM_AARCH64:
		return type == R_AARCH64_RELATIVE;
	case EM_LOONGARCH:
		return type == R_LARCH_RELATIVE;
	case EM_RISCV:
		return type == R_RISCV_RELATIVE;
	case EM_PPC64:
		return type == R_PPC64_RELATIVE;
	default:
		return false;
	}
}

static void apply_relocation(struct elf_file *file, const Elf64_Rela *rela,
			     const struct elf_segment **seg)
{
	uint64_t old, into;

	if (!*seg || rela->r_offset - (*seg)->address >= (*seg)->memory_size)
		*seg = elf_file_segment(file, rela->r_offset);
	if (!*seg || !(*seg)->writable)
		return;
	into = rela->r_offset - (*seg)->address;
	if ((*seg)->file_size < sizeof(old) || into > (*seg)->file_size - sizeof(old))
		return;
	memcpy(&old, file->data + (*seg)->offset + into, sizeof(old));
	if (old == 0 && rela->r_addend != 0)
		memcpy(file->data + (*seg)->offset + into, &rela->r_addend, sizeof(old));
}

/* The values of two tags of the dynamic section. */
static bool find_dynamic(const struct elf_file *file, int64_t tag1, uint64_t *value1, int64_t tag2,
			 uint64_t *value2)
{
	unsigned found = 0;
	GElf_Phdr ph;
	size_t n;

	if (elf_getphdrnum(file->elf, &n) != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint64_t size;

		if (!gelf_getphdr(file->elf, (int)i, &ph) || ph.p_type != PT_DYNAMIC)
			continue;
		size = clip(file, ph.p_offset, ph.p_filesz);
		for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= size; at += sizeof(Elf64_Dyn)) {
			Elf64_Dyn dyn;

			memcpy(&dyn, file->data + ph.p_offset + at, sizeof(dyn));
			if (dyn.d_tag == DT_NULL)
				break;
			if (dyn.d_tag == tag1) {
				*value1 = dyn.d_un.d_val;
				found |= 1;
			} else if (dyn.d_tag == tag2) {
				*value2 = dyn.d_un.d_val;
				found |= 2;
			}
		}
	}
	return found == 3;
}

/*
 * Some linkers leave zero where a position-independent file has a pointer, and keep the value in
 * the relocation alone. Only words that read zero are filled, so that pages which are right
 * already stay shared with the file.
 */
static void apply_relocations(struct elf_file *file)
{
	const struct elf_segment *seg = NULL;
	uint64_t address, size;
	const uint8_t *at;
	size_t left;

	if (!find_dynamic(file, DT_RELA, &address, DT_RELASZ, &size))
		return;
	at = elf_file_rest(file, address, &left);
	if (size > left)
		size = left;
	for (; size >= sizeof(Elf64_Rela); size -= sizeof(Elf64_Rela)) {
		Elf64_Rela rela;

		memcpy(&rela, at, sizeof(rela));
		at += sizeof(rela);
		if (is_relative(file->machine, rela.r_info))
			apply_relocation(file, &rela, &seg);
	}
}

static struct error *read_header(struct elf_file *file)
{
	GElf_Ehdr header;

	if (file->size < EI_NIDENT || memcmp(file->data, ELFMAG, SELFMAG) != 0)
		return error_new("not an ELF file");
	if (file->data[EI_CLASS] != ELFCLASS64 || file->data[EI_DATA] != ELFDATA2LSB)
		return error_remedy(error_new("not a 64-bit little-endian ELF file"),
				    "amd64, arm64 and loong64 programs are supported");
	if (elf_version(EV_CURRENT) == EV_NONE)
		return error_new("libelf: %s", elf_errmsg(-1));
	file->elf = elf_memory((char *)file->data, file->size);
	if (!file->elf || elf_kind(file->elf) != ELF_K_ELF || !gelf_getehdr(file->elf, &header))
		return error_new("broken ELF header");
	file->machine = header.e_machine;
	file->type = header.e_type;
	return NULL;
}

static struct error *read_file(struct elf_file *file)
{
	TRY(read_header(file));
	read_segments(file);
	read_sections(file);
	read_symbols(file, SHT_SYMTAB, &file->symtab);
	read_symbols(file, SHT_DYNSYM, &file->dynsym);
	if (file->type == ET_DYN)
		apply_relocations(file);
	return NULL;
}

static struct error *finish(struct elf_file *made, struct elf_file **file)
{
	struct error *err = read_file(made);

	if (err) {
		err = error_context(err, "%s", made->path);
		elf_file_close(made);
		return err;
	}
	*file = made;
	return NULL;
}

static struct error *map_file(struct elf_file *file, int fd)
{
	struct stat st;
	void *data;

	if (fstat(fd, &st) != 0)
		return error_errno(errno, "%s", file->path);
	if (!S_ISREG(st.st_mode))
		return error_new("%s: not a regular file", file->path);
	if (st.st_size == 0)
		return error_new("%s: empty file", file->path);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return error_errno(errno, "%s: cannot map", file->path);
	file->data = data;
	file->size = (size_t)st.st_size;
	file->mapped = true;
	return NULL;
}

struct error *elf_file_open(const char *path, struct elf_file **file)
{
	struct elf_file *made;
	struct error *err;
	/* O_NONBLOCK: a FIFO in the file's place must not hold us up. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	*file = NULL;
	if (fd < 0)
		return error_errno(errno, "%s", path);
	made = xcalloc(1, sizeof(*made));
	made->path = xstrdup(path);
	err = map_file(made, fd);
	close(fd);
	if (err) {
		elf_file_close(made);
		return err;
	}
	return finish(made, file);
}

static struct elf_file *copy_memory(const char *path, const void *data, size_t size)
{
	struct elf_file *file = xcalloc(1, sizeof(*file));

	file->path = xstrdup(path);
	file->data = xmalloc(size ? size : 1);
	file->size = size;
	if (size)
		memcpy(file->data, data, size);
	return file;
}

struct error *elf_file_from_memory(const char *path, const void *data, size_t size,
				   struct elf_file **file)
{
	*file = NULL;
	return finish(copy_memory(path, data, size), file);
}

struct elf_file *elf_file_flat(const void *data, size_t size, uint64_t address)
{
	struct elf_file *file = copy_memory("memory", data, size);

	file->segments = xcalloc(1, sizeof(*file->segments));
	file->segments[0] = (struct elf_segment){
		.address = address,
		.memory_size = size,
		.file_size = size,
		.writable = true,
	};
	file->n_segments = 1;
	return file;
}

void elf_file_close(struct elf_file *file)
{
	if (!file)
		return;
	if (file->elf)
		elf_end(file->elf);
	if (file->mapped)
		munmap(file->data, file->size);
	else
		free(file->data);
	free(file->segments);
	free(file->sections);
	free(file->path);
	free(file);
}

const struct elf_segment *elf_file_segment(const struct elf_file *file, uint64_t address)
{
	for (size_t i = 0; i < file->n_segments; i++) {
		const struct elf_segment *seg = &file->segments[i];

		if (address >= seg->address && address - seg->address < seg->memory_size)
			return seg;
	}
	return NULL;
}

const uint8_t *elf_file_segment_bytes(const struct elf_file *file,
				      const struct elf_segment *segment)
{
	return segment->file_size ? file->data + segment->offset : NULL;
}

const uint8_t *elf_file_rest(const struct elf_file *file, uint64_t address, size_t *len)
{
	const struct elf_segment *seg = elf_file_segment(file, address);
	uint64_t into = seg ? address - seg->address : 0;

	*len = 0;
	if (!seg || into >= seg->file_size)
		return NULL;
	*len = seg->file_size - into;
	return file->data + seg->offset + into;
}

const uint8_t *elf_file_bytes(const struct elf_file *file, uint64_t address, size_t len)
{
	size_t left;
	const uint8_t *at = elf_file_rest(file, address, &left);

	return at && len <= left ? at : NULL;
}

bool elf_file_u64(const struct elf_file *file, uint64_t address, uint64_t *value)
{
	const uint8_t *at = elf_file_bytes(file, address, sizeof(*value));

	*value = 0;
	if (at)
		memcpy(value, at, sizeof(*value));
	return at != NULL;
}

bool elf_file_u32(const struct elf_file *file, uint64_t address, uint32_t *value)
{
	const uint8_t *at = elf_file_bytes(file, address, sizeof(*value));

	*value = 0;
	if (at)
		memcpy(value, at, sizeof(*value));
	return at != NULL;
}

const struct elf_section *elf_file_section(const struct elf_file *file, const char *name)
{
	for (size_t i = 0; i < file->n_sections; i++) {
		if (strcmp(file->sections[i].name, name) == 0)
			return &file->sections[i];
	}
	return NULL;
}

const uint8_t *elf_file_section_bytes(const struct elf_file *file,
				      const struct elf_section *section)
{
	return section && section->size ? file->data + section->offset : NULL;
}

struct elf_symbol elf_symbols_nth(const struct elf_symbols *symbols, size_t i)
{
	Elf64_Sym sym;
	const char *name = "";
	size_t left;

	memcpy(&sym, symbols->entries + i * sizeof(sym), sizeof(sym));
	left = sym.st_name < symbols->strings_size ? symbols->strings_size - sym.st_name : 0;
	if (memchr(symbols->strings + sym.st_name, 0, left < MAX_STRING ? left : MAX_STRING))
		name = symbols->strings + sym.st_name;
	return (struct elf_symbol){
		.name = name,
		.address = sym.st_value,
		.size = sym.st_size,
		.type = ELF64_ST_TYPE(sym.st_info),
		.binding = ELF64_ST_BIND(sym.st_info),
		.defined = sym.st_shndx != SHN_UNDEF,
	};
}

/* Looks for a note in a run of notes. Names and descriptors are padded to 4 bytes. */
static const uint8_t *find_note(const uint8_t *data, size_t size, const char *owner, uint32_t type,
				size_t *len)
{
	struct cursor c = cursor_make(data, size);
	size_t owner_size = strlen(owner);

	while (cursor_left(&c) >= 12 && !c.failed) {
		uint32_t name_size = cursor_u32(&c), desc_size = cursor_u32(&c);
		uint32_t note_type = cursor_u32(&c);
		const uint8_t *name = cursor_take(&c, name_size);
		const uint8_t *desc;

		cursor_skip(&c, -name_size & 3);
		desc = cursor_take(&c, desc_size);
		if (!name || !desc)
			return NULL;
		/* Go counts the padding into the size of the name, others just its NUL. */
		if (note_type == type && name_size > owner_size &&
		    memcmp(name, owner, owner_size + 1) == 0) {
			*len = desc_size;
			return desc;
		}
		/* The last one may lack its padding. */
		cursor_skip(&c, -desc_size & 3);
	}
	return NULL;
}

const uint8_t *elf_file_note(const struct elf_file *file, const char *owner, uint32_t type,
			     size_t *len)
{
	const uint8_t *found = NULL;
	size_t n = 0;

	*len = 0;
	for (size_t i = 0; i < file->n_sections && !found; i++) {
		const struct elf_section *section = &file->sections[i];

		if (section->type == SHT_NOTE && section->size)
			found = find_note(file->data + section->offset, section->size, owner, type,
					  len);
	}
	if (found || !file->elf || elf_getphdrnum(file->elf, &n) != 0)
		return found;
	for (size_t i = 0; i < n && !found; i++) {
		GElf_Phdr ph;
		uint64_t size;

		if (!gelf_getphdr(file->elf, (int)i, &ph) || ph.p_type != PT_NOTE)
			continue;
		size = clip(file, ph.p_offset, ph.p_filesz);
		if (size)
			found = find_note(file->data + ph.p_offset, size, owner, type, len);
	}
	return found;
}
