#ifndef GMT_COMMON_ELF_FILE_H
#define GMT_COMMON_ELF_FILE_H

/*
 * A 64-bit little-endian ELF file in memory, addressed by ELF virtual address. The file is mapped
 * privately, and relative relocations of Go's own tables are applied to that private copy, so that
 * pointers in the data read as they do in a process loaded at bias 0. Nothing in the file is
 * trusted: what lies outside it is absent.
 */

#include "formats/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Elf Elf;

struct elf_segment {
	uint64_t address, memory_size, offset, file_size; /* file_size lies within the file */
	bool writable, executable;
};

struct elf_section {
	const char *name;
	uint64_t address, offset, size; /* of the bytes in the file; size 0 where there are none */
	uint64_t memory_size;
	uint64_t flags; /* SHF_* */
	uint32_t type;	/* SHT_* */
	uint32_t link;	/* a section's number */
	size_t index;	/* its own */
};

struct elf_symbol {
	const char *name;
	uint64_t address, size;
	uint8_t type;	 /* STT_* */
	uint8_t binding; /* STB_* */
	bool defined;
};

/* The symbols of .symtab or .dynsym, read in place. */
struct elf_symbols {
	const uint8_t *entries;
	size_t count;
	const char *strings;
	size_t strings_size;
};

struct elf_file {
	char *path;
	uint8_t *data;
	size_t size;
	bool mapped; /* data is a mapping and not ours to free() */
	Elf *elf;    /* NULL for a flat one */
	uint16_t machine, type;
	struct elf_segment *segments; /* PT_LOAD, in file order */
	size_t n_segments;
	struct elf_section *sections;
	size_t n_sections;
	struct elf_symbols symtab, dynsym; /* count 0 where there is none */
};

struct error *elf_file_open(const char *path, struct elf_file **file);
/* The same from bytes, which are copied; `path` is for messages. */
struct error *elf_file_from_memory(const char *path, const void *data, size_t size,
				   struct elf_file **file);
/* Bytes without any ELF around them, as one writable segment at `address`. Copies them. */
struct elf_file *elf_file_flat(const void *data, size_t size, uint64_t address);
void elf_file_close(struct elf_file *file);

/* The segment that holds an address in memory; NULL where none does. */
const struct elf_segment *elf_file_segment(const struct elf_file *file, uint64_t address);
/* The bytes that a segment has in the file, file_size of them; NULL where it has none. */
const uint8_t *elf_file_segment_bytes(const struct elf_file *file,
				      const struct elf_segment *segment);
/* The bytes at an address, in place; NULL where they are not all in the file. */
const uint8_t *elf_file_bytes(const struct elf_file *file, uint64_t address, size_t len);
/* As above, with all that follow in the segment: their count goes to *len. */
const uint8_t *elf_file_rest(const struct elf_file *file, uint64_t address, size_t *len);
/* A little-endian word at an address; false where it is not in the file. */
bool elf_file_u64(const struct elf_file *file, uint64_t address, uint64_t *value);
bool elf_file_u32(const struct elf_file *file, uint64_t address, uint32_t *value);

/* A section by name; NULL where there is none. */
const struct elf_section *elf_file_section(const struct elf_file *file, const char *name);
/* A section's bytes in the file, NULL where it has none. */
const uint8_t *elf_file_section_bytes(const struct elf_file *file,
				      const struct elf_section *section);

/* The i-th symbol; its name is "" where the file's is broken. */
struct elf_symbol elf_symbols_nth(const struct elf_symbols *symbols, size_t i);

/*
 * The descriptor of the first note with this owner and type, from sections or segments; its size
 * goes to *len. NULL where there is none.
 */
const uint8_t *elf_file_note(const struct elf_file *file, const char *owner, uint32_t type,
			     size_t *len);

#endif
