#include "common/buildinfo.h"

#include "formats/bytes.h"
#include "formats/xalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BASE	UINT64_C(0x700000)
#define MAGIC	"\xff Go buildinf:"
#define FRAME	"0123456789abcdef"
#define MODINFO FRAME "path\tmain\nmod\tmain\t(devel)\n" FRAME

/* The blob of 1.18 and later: the strings follow it. */
static struct buffer inline_blob(const char *version, const char *modinfo)
{
	struct buffer b = {0};

	buffer_append(&b, MAGIC "\x08\x02", 16);
	memset(buffer_extend(&b, 16), 0, 16);
	buffer_u8(&b, (uint8_t)strlen(version));
	buffer_append(&b, version, strlen(version));
	buffer_u8(&b, (uint8_t)strlen(modinfo));
	buffer_append(&b, modinfo, strlen(modinfo));
	return b;
}

/* The one before: it points at string headers, which point at the strings. */
static struct buffer pointer_blob(const char *version, const char *modinfo)
{
	struct buffer b = {0};

	buffer_append(&b, MAGIC "\x08\x00", 16);
	buffer_u64(&b, BASE + 32);
	buffer_u64(&b, BASE + 48);
	buffer_u64(&b, BASE + 64);
	buffer_u64(&b, strlen(version));
	buffer_u64(&b, BASE + 64 + strlen(version));
	buffer_u64(&b, strlen(modinfo));
	buffer_append(&b, version, strlen(version));
	buffer_append(&b, modinfo, strlen(modinfo));
	return b;
}

static bool read_blob(const struct buffer *b, uint64_t address, struct buildinfo *info)
{
	struct elf_file *file = elf_file_flat(b->data, b->len, BASE);
	bool found = buildinfo_read(file, address, info);

	elf_file_close(file);
	return found;
}

static void expect(struct buffer b, const char *version, const char *modinfo)
{
	struct buildinfo info;

	assert_true(read_blob(&b, BASE, &info));
	assert_string_equal(info.version, version);
	assert_string_equal(info.modinfo, modinfo);
	buildinfo_free(&info);
	buffer_free(&b);
}

static void test_read(void **state)
{
	const char *mods = "path\tmain\nmod\tmain\t(devel)\n";

	(void)state;
	expect(inline_blob("go1.27.4", MODINFO), "go1.27.4", mods);
	expect(inline_blob("go1.18", ""), "go1.18", "");
	expect(pointer_blob("go1.15.15", MODINFO), "go1.15.15", mods);
	expect(pointer_blob("go1.17", ""), "go1.17", "");
	/* What is not framed is not module information. */
	expect(inline_blob("go1.18", FRAME "no newline here" FRAME), "go1.18", "");
	expect(inline_blob("go1.18", "short\n"), "go1.18", "");
}

static void test_find(void **state)
{
	struct buffer b = {0}, blob = inline_blob("go1.20.1", MODINFO);
	struct buildinfo info;
	struct elf_file *file;

	(void)state;
	/* A text that only looks like one, then the blob. */
	buffer_append(&b, MAGIC "\x08\x00", 16);
	memset(buffer_extend(&b, 48), 0xff, 48);
	buffer_append(&b, blob.data, blob.len);
	file = elf_file_flat(b.data, b.len, BASE);
	assert_true(buildinfo_find(file, &info));
	assert_string_equal(info.version, "go1.20.1");
	buildinfo_free(&info);
	/* The linker aligns it to 16 bytes. */
	elf_file_close(file);
	file = elf_file_flat(b.data, b.len, BASE + 8);
	assert_false(buildinfo_find(file, &info));
	elf_file_close(file);
	/* Code and constants may hold the magic too: only data is searched. */
	file = elf_file_flat(b.data, b.len, BASE);
	file->segments[0].writable = false;
	assert_false(buildinfo_find(file, &info));
	elf_file_close(file);
	buffer_free(&b);
	buffer_free(&blob);
}

static void test_broken(void **state)
{
	struct buffer blobs[] = {inline_blob("go1.27.4", MODINFO), pointer_blob("go1.15", MODINFO)};
	struct buildinfo info;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct buffer *b = &blobs[i];
		size_t whole = b->len;

		/* Short of its end it has a version at most. */
		for (b->len = 0; b->len < whole; b->len++) {
			if (!read_blob(b, BASE, &info))
				continue;
			assert_string_equal(info.modinfo, "");
			buildinfo_free(&info);
		}
		assert_false(read_blob(b, BASE + 1, &info));
		assert_false(read_blob(b, BASE - 1, &info));
		b->data[3] ^= 1;
		assert_false(read_blob(b, BASE, &info));
		b->data[3] ^= 1;
		/* Not for 64-bit little-endian machines, where it has pointers. */
		b->data[14] = 4;
		assert_int_equal(read_blob(b, BASE, &info), i == 0);
		buildinfo_free(&info);
		b->data[14] = 8;
		b->data[15] |= 1;
		assert_int_equal(read_blob(b, BASE, &info), i == 0);
		buildinfo_free(&info);
		b->data[15] &= 2;
		/* Lengths and pointers beyond anything. */
		memset(b->data + 32, 0xff, i == 0 ? 1 : 16);
		assert_false(read_blob(b, BASE, &info));
		buffer_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
