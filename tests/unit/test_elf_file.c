#include "common/elf_file.h"

#include "formats/bytes.h"
#include "formats/xalloc.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CODE  UINT64_C(0x10000)
#define DATA  UINT64_C(0x20000)
#define N_REL 6

/* Code at 0x200, data at 0x300; the data's first words are what relocations are about. */
struct image {
	Elf64_Ehdr header;
	Elf64_Phdr segments[4];
	uint8_t pad[0x200 - sizeof(Elf64_Ehdr) - 4 * sizeof(Elf64_Phdr)];
	uint8_t code[0x100];
	uint64_t words[8];
	Elf64_Rela relocations[N_REL];
	Elf64_Dyn dynamic[3];
};

static Elf64_Phdr segment(uint32_t type, uint32_t flags, uint64_t offset, uint64_t address,
			  uint64_t size, uint64_t memory)
{
	return (Elf64_Phdr){.p_type = type,
			    .p_flags = flags,
			    .p_offset = offset,
			    .p_vaddr = address,
			    .p_filesz = size,
			    .p_memsz = memory,
			    .p_align = 0x1000};
}

static struct image make_image(uint16_t machine, uint32_t relative)
{
	struct image im = {
		.header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			   .e_type = ET_DYN,
			   .e_machine = machine,
			   .e_version = EV_CURRENT,
			   .e_phoff = sizeof(Elf64_Ehdr),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 4},
		.words = {0, 0x1234, 0, 0, 0, 0, 0, 0},
	};
	uint64_t data_size = sizeof(im) - 0x300;
	uint64_t rela = DATA + offsetof(struct image, relocations) - 0x300;
	uint64_t dynamic = offsetof(struct image, dynamic);

	im.segments[0] = segment(PT_LOAD, PF_R | PF_X, 0x200, CODE, 0x100, 0x100);
	im.segments[1] = segment(PT_LOAD, PF_R | PF_W, 0x300, DATA, data_size, data_size + 0x1000);
	im.segments[2] = segment(PT_DYNAMIC, PF_R | PF_W, dynamic, DATA + dynamic - 0x300,
				 sizeof(im.dynamic), sizeof(im.dynamic));
	im.segments[3] = segment(PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0);
	im.relocations[0] = (Elf64_Rela){DATA, ELF64_R_INFO(0, relative), 0x20010};
	/* What has a value keeps it. */
	im.relocations[1] = (Elf64_Rela){DATA + 8, ELF64_R_INFO(0, relative), 0x9999};
	/* Another kind; in code; in .bss; nowhere. */
	im.relocations[2] = (Elf64_Rela){DATA + 16, ELF64_R_INFO(1, relative + 1), 0x9999};
	im.relocations[3] = (Elf64_Rela){CODE, ELF64_R_INFO(0, relative), 0x9999};
	im.relocations[4] = (Elf64_Rela){DATA + data_size, ELF64_R_INFO(0, relative), 0x9999};
	im.relocations[5] = (Elf64_Rela){UINT64_MAX - 3, ELF64_R_INFO(0, relative), 0x9999};
	im.dynamic[0] = (Elf64_Dyn){.d_tag = DT_RELA, .d_un.d_val = rela};
	im.dynamic[1] = (Elf64_Dyn){.d_tag = DT_RELASZ, .d_un.d_val = sizeof(im.relocations)};
	return im;
}

static struct elf_file *open_image(const struct image *im)
{
	struct elf_file *file;

	assert_null(elf_file_from_memory("image", im, sizeof(*im), &file));
	return file;
}

static uint64_t word_at(const struct elf_file *file, uint64_t address)
{
	uint64_t v;

	assert_true(elf_file_u64(file, address, &v));
	return v;
}

static void test_relocations(void **state)
{
	static const struct {
		uint16_t machine;
		uint32_t relative;
	} cases[] = {{EM_X86_64, R_X86_64_RELATIVE}, {EM_AARCH64, R_AARCH64_RELATIVE}, {258, 3}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct image im = make_image(cases[i].machine, cases[i].relative);
		struct elf_file *file = open_image(&im);

		assert_int_equal(file->machine, cases[i].machine);
		assert_int_equal(word_at(file, DATA), 0x20010);
		assert_int_equal(word_at(file, DATA + 8), 0x1234);
		assert_int_equal(word_at(file, DATA + 16), 0);
		assert_int_equal(word_at(file, CODE), 0);
		elf_file_close(file);
		/* In a file that is not position-independent all values are there. */
		im.header.e_type = ET_EXEC;
		file = open_image(&im);
		assert_int_equal(word_at(file, DATA), 0);
		elf_file_close(file);
		/* A size that is not true. */
		im.header.e_type = ET_DYN;
		im.dynamic[1].d_un.d_val = UINT64_MAX;
		file = open_image(&im);
		assert_int_equal(word_at(file, DATA), 0x20010);
		elf_file_close(file);
	}
}

static void test_addresses(void **state)
{
	struct image im = make_image(EM_X86_64, R_X86_64_RELATIVE);
	struct elf_file *file = open_image(&im);
	uint64_t end = DATA + sizeof(im) - 0x300, v;
	uint32_t half;
	size_t left;

	(void)state;
	assert_int_equal(file->n_segments, 2);
	assert_ptr_equal(elf_file_segment(file, CODE + 0xff), &file->segments[0]);
	assert_null(elf_file_segment(file, CODE + 0x100));
	assert_null(elf_file_segment(file, CODE - 1));
	assert_non_null(elf_file_bytes(file, CODE, 0x100));
	assert_null(elf_file_bytes(file, CODE, 0x101));
	assert_null(elf_file_bytes(file, CODE + 1, SIZE_MAX));
	assert_non_null(elf_file_bytes(file, end - 8, 8));
	/* .bss has addresses and no bytes; a word may not lie across the border. */
	assert_non_null(elf_file_segment(file, end));
	assert_null(elf_file_bytes(file, end, 1));
	assert_false(elf_file_u64(file, end - 7, &v));
	assert_int_equal(v, 0);
	assert_true(elf_file_u32(file, end - 4, &half));
	assert_non_null(elf_file_rest(file, CODE + 0xf0, &left));
	assert_int_equal(left, 0x10);
	assert_null(elf_file_rest(file, end, &left));
	assert_int_equal(left, 0);
	assert_null(elf_file_section(file, ".text"));
	assert_null(elf_file_section_bytes(file, NULL));
	elf_file_close(file);
}

/* Segments that lie, in part or wholly, outside of the file or of the address space. */
static void test_impossible_segments(void **state)
{
	struct image im = make_image(EM_X86_64, R_X86_64_RELATIVE);
	struct elf_file *file;

	(void)state;
	im.segments[0].p_offset = UINT64_MAX - 0x10;
	im.segments[3] = segment(PT_LOAD, PF_R, 0x200, UINT64_MAX - 0x10, 0x100, 0x100);
	file = open_image(&im);
	assert_non_null(elf_file_segment(file, CODE));
	assert_null(elf_file_bytes(file, CODE, 1));
	assert_null(elf_file_segment_bytes(file, &file->segments[0]));
	assert_null(elf_file_segment(file, UINT64_MAX - 1));
	elf_file_close(file);
	/* More bytes in the file than in memory; more than the file has. */
	im = make_image(EM_X86_64, R_X86_64_RELATIVE);
	im.segments[0].p_memsz = 0x80;
	im.segments[1].p_filesz = UINT64_MAX / 2;
	im.segments[1].p_memsz = UINT64_MAX / 2;
	file = open_image(&im);
	assert_null(elf_file_bytes(file, CODE + 0x80, 1));
	assert_non_null(elf_file_bytes(file, DATA + sizeof(im) - 0x301, 1));
	assert_null(elf_file_bytes(file, DATA + sizeof(im) - 0x300, 1));
	elf_file_close(file);
}

static void refuse(const void *data, size_t len, const char *message)
{
	struct elf_file *file;
	struct error *err = elf_file_from_memory("image", data, len, &file);

	assert_non_null(err);
	assert_null(file);
	assert_non_null(strstr(error_message(err), message));
	error_free(err);
}

static void test_refused(void **state)
{
	struct image im = make_image(EM_X86_64, R_X86_64_RELATIVE);

	(void)state;
	refuse("", 0, "not an ELF file");
	refuse(&im, 15, "not an ELF file");
	refuse(&im, 32, "broken ELF header");
	im.header.e_ident[EI_CLASS] = ELFCLASS32;
	refuse(&im, sizeof(im), "not a 64-bit little-endian ELF file");
	im.header.e_ident[EI_CLASS] = ELFCLASS64;
	im.header.e_ident[EI_DATA] = ELFDATA2MSB;
	refuse(&im, sizeof(im), "not a 64-bit little-endian ELF file");
	im.header.e_ident[EI_DATA] = ELFDATA2LSB;
	im.header.e_ident[0] = 0;
	refuse(&im, sizeof(im), "not an ELF file");
}

static void test_notes(void **state)
{
	struct image im = make_image(EM_X86_64, R_X86_64_RELATIVE);
	struct buffer notes = {0};
	struct elf_file *file;
	const uint8_t *desc;
	size_t len;

	(void)state;
	/* A foreign one of an odd size, then ours without the padding at its end. */
	buffer_u32(&notes, 2);
	buffer_u32(&notes, 3);
	buffer_u32(&notes, 3);
	buffer_append(&notes, "X\0\0\0abc\0", 8);
	buffer_u32(&notes, 4);
	buffer_u32(&notes, 5);
	buffer_u32(&notes, 3);
	buffer_append(&notes, "GNU\0hello", 9);
	memcpy(im.code, notes.data, notes.len);
	im.segments[3] = segment(PT_NOTE, PF_R, 0x200, CODE, notes.len, notes.len);
	file = open_image(&im);
	desc = elf_file_note(file, "GNU", 3, &len);
	assert_non_null(desc);
	assert_int_equal(len, 5);
	assert_memory_equal(desc, "hello", 5);
	assert_null(elf_file_note(file, "GNU", 4, &len));
	assert_null(elf_file_note(file, "Go", 4, &len));
	/* "X" is not the beginning of another's name. */
	assert_null(elf_file_note(file, "", 3, &len));
	elf_file_close(file);
	/* Sizes that are not true. */
	memset(im.code + 20, 0xff, 8);
	file = open_image(&im);
	assert_null(elf_file_note(file, "GNU", 3, &len));
	elf_file_close(file);
	buffer_free(&notes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_relocations),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_impossible_segments),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_notes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
