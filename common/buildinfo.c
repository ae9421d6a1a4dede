#include "common/buildinfo.h"

#include "formats/bytes.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* debug/buildinfo/buildinfo.go, readRawBuildInfo (1.27); cmd/link/internal/ld/data.go (1.15). */
#define MAGIC	    "\xff Go buildinf:"
#define MAGIC_SIZE  14
#define HEADER_SIZE 32
#define ALIGNMENT   16
#define FLAG_BIG    1 /* big-endian */
#define FLAG_INLINE 2 /* the strings follow the header */

/* Longer than any real one. Module information of a big program has about 100 KB. */
#define MAX_VERSION 1024
#define MAX_MODINFO (16 << 20)

/* A copy without the 16 bytes that frame the module information on each side. */
static char *unframe(const char *text, size_t len)
{
	if (len < 33 || text[len - 17] != '\n')
		return xstrdup("");
	return xstrndup(text + 16, len - 32);
}

static bool finish(const uint8_t *version, size_t version_len, const uint8_t *modinfo,
		   size_t modinfo_len, struct buildinfo *info)
{
	if (!version || version_len > MAX_VERSION)
		return false;
	if (!modinfo || modinfo_len > MAX_MODINFO)
		modinfo_len = 0;
	info->version = xstrndup((const char *)version, version_len);
	info->modinfo = unframe((const char *)modinfo, modinfo_len);
	return true;
}

static bool read_inline(const uint8_t *data, size_t len, struct buildinfo *info)
{
	struct cursor c = cursor_make(data, len);
	const uint8_t *version, *modinfo;
	uint64_t version_len, modinfo_len;

	cursor_skip(&c, HEADER_SIZE);
	version_len = cursor_uvarint(&c);
	version = cursor_take(&c, version_len);
	modinfo_len = cursor_uvarint(&c);
	modinfo = cursor_take(&c, modinfo_len);
	return finish(version, version_len, modinfo, modinfo_len, info);
}

/* The bytes of the Go string whose header is at an address. */
static const uint8_t *go_string(const struct elf_file *file, uint64_t address, size_t *len)
{
	uint64_t data, size;

	*len = 0;
	if (!elf_file_u64(file, address, &data) || !elf_file_u64(file, address + 8, &size))
		return NULL;
	*len = size;
	return elf_file_bytes(file, data, size);
}

static bool read_pointers(const struct elf_file *file, const uint8_t *data, struct buildinfo *info)
{
	struct cursor c = cursor_make(data + MAGIC_SIZE + 2, 16);
	uint64_t version_at = cursor_u64(&c), modinfo_at = cursor_u64(&c);
	const uint8_t *version, *modinfo;
	size_t version_len, modinfo_len;

	version = go_string(file, version_at, &version_len);
	modinfo = go_string(file, modinfo_at, &modinfo_len);
	return finish(version, version_len, modinfo, modinfo_len, info);
}

bool buildinfo_read(const struct elf_file *file, uint64_t address, struct buildinfo *info)
{
	size_t len;
	const uint8_t *data = elf_file_rest(file, address, &len);

	*info = (struct buildinfo){0};
	if (!data || len < HEADER_SIZE || memcmp(data, MAGIC, MAGIC_SIZE) != 0)
		return false;
	if (data[MAGIC_SIZE + 1] & FLAG_INLINE)
		return read_inline(data, len, info);
	if (data[MAGIC_SIZE] != 8 || data[MAGIC_SIZE + 1] & FLAG_BIG)
		return false;
	return read_pointers(file, data, info);
}

bool buildinfo_find(const struct elf_file *file, struct buildinfo *info)
{
	const struct elf_section *section = elf_file_section(file, ".go.buildinfo");

	if (section && buildinfo_read(file, section->address, info))
		return true;
	for (size_t i = 0; i < file->n_segments; i++) {
		const struct elf_segment *seg = &file->segments[i];
		const uint8_t *data = elf_file_segment_bytes(file, seg);
		uint64_t first = -seg->address & (ALIGNMENT - 1);

		/* Writable: a Go program that reads such blobs has the magic in its text too. */
		if (!seg->writable)
			continue;
		for (uint64_t at = first; at + HEADER_SIZE <= seg->file_size; at += ALIGNMENT) {
			if (memcmp(data + at, MAGIC, MAGIC_SIZE) == 0 &&
			    buildinfo_read(file, seg->address + at, info))
				return true;
		}
	}
	return false;
}

void buildinfo_free(struct buildinfo *info)
{
	free(info->version);
	free(info->modinfo);
	*info = (struct buildinfo){0};
}
