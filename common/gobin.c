#include "common/gobin.h"

#include "common/arch.h"
#include "common/dwarf_layout.h"
#include "common/go_layout.h"
#include "common/gobin_internal.h"
#include "formats/bytes.h"
#include "formats/xalloc.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

/* The note that holds Go's own build id (cmd/link/internal/ld/elf.go, ELF_NOTE_GOBUILDID_TAG). */
#define NOTE_GO_BUILD_ID 4

#define OLDEST_MINOR 15

/* Each line with a tab before it, and none after the last: as `go version -m` prints them. */
static char *indent(const char *modinfo)
{
	struct buffer out = {0};

	for (const char *line = modinfo; *line;) {
		size_t len = strcspn(line, "\n");

		if (out.len)
			buffer_u8(&out, '\n');
		buffer_u8(&out, '\t');
		buffer_append(&out, line, len);
		line += len + (line[len] == '\n');
	}
	buffer_u8(&out, 0);
	return (char *)out.data;
}

static struct error *index_file(struct gobin *bin)
{
	const char *path = bin->file->path;
	bool has_info = buildinfo_find(bin->file, &bin->buildinfo);
	bool has_table = pclntab_find(bin->file, &bin->pclntab);
	size_t len;
	const uint8_t *id;

	gobin_names_symbols(&bin->data, &bin->file->symtab);
	if (!has_table && has_info) {
		return error_remedy(error_new("%s: a Go program (%s) without a function table",
					      path, bin->buildinfo.version),
				    "a packed or obfuscated binary cannot be read; nor can Go "
				    "before 1.15");
	}
	if (!has_table)
		return error_remedy(
			error_new("%s: not a Go program", path),
			"the function table that every Go binary carries is missing; a packed or "
			"obfuscated binary cannot be read; of what is not Go, --native records the "
			"allocations of C code");
	gobin_names_functions(&bin->functions, &bin->pclntab);
	gobin_version_find(bin);
	if (bin->version.minor < OLDEST_MINOR)
		return error_remedy(error_new("%s: built with %s", path, bin->version.text),
				    "Go 1.15 and later are supported");
	gobin_module_find(bin);
	pclntab_index(&bin->pclntab);
	bin->arch = arch_of_machine(bin->file->machine);
	gobin_version_refine(bin);
	bin->modinfo = indent(bin->buildinfo.modinfo ? bin->buildinfo.modinfo : "");
	id = elf_file_note(bin->file, "Go", NOTE_GO_BUILD_ID, &len);
	bin->go_build_id = id ? xstrndup((const char *)id, len) : NULL;
	return NULL;
}

struct error *gobin_from_elf(struct elf_file *file, struct gobin **bin)
{
	struct gobin *made = xcalloc(1, sizeof(*made));
	struct error *err;

	made->file = file;
	made->lazy = xcalloc(1, sizeof(*made->lazy));
	err = index_file(made);
	if (err)
		gobin_close(made);
	*bin = err ? NULL : made;
	return err;
}

struct error *gobin_open(const char *path, struct gobin **bin)
{
	struct elf_file *file;

	*bin = NULL;
	TRY(elf_file_open(path, &file));
	return gobin_from_elf(file, bin);
}

void gobin_close(struct gobin *bin)
{
	if (!bin)
		return;
	gobin_native_free(bin->lazy->native);
	gobin_names_free(&bin->functions);
	gobin_names_free(&bin->data);
	pclntab_free(&bin->pclntab);
	buildinfo_free(&bin->buildinfo);
	elf_file_close(bin->file);
	free(bin->version_text);
	free(bin->modinfo);
	free(bin->go_build_id);
	free(bin->lazy);
	free(bin);
}

enum go_arch gobin_arch(const struct gobin *bin)
{
	return bin->arch;
}

const struct go_version *gobin_version(const struct gobin *bin)
{
	return &bin->version;
}

const struct go_layout *gobin_layout(const struct gobin *bin)
{
	struct gobin_lazy *lazy = bin->lazy;

	if (!lazy->has_layout) {
		go_layout_from_table(bin, &lazy->layout);
		dwarf_layout_read(bin->file, bin->version.minor, &lazy->layout);
		lazy->has_layout = true;
	}
	return &lazy->layout;
}

bool gobin_is_pie(const struct gobin *bin)
{
	return bin->file->type == ET_DYN;
}

bool gobin_is_stripped(const struct gobin *bin)
{
	return bin->file->symtab.count == 0;
}

const char *gobin_modinfo(const struct gobin *bin)
{
	return bin->modinfo;
}

size_t gobin_gnu_build_id(const struct gobin *bin, uint8_t id[20])
{
	size_t len;
	const uint8_t *found = elf_file_note(bin->file, "GNU", NT_GNU_BUILD_ID, &len);

	if (!found)
		return 0;
	if (len > 20)
		len = 20;
	memcpy(id, found, len);
	return len;
}

const char *gobin_go_build_id(const struct gobin *bin)
{
	return bin->go_build_id;
}

/*
 * cmd/link/internal/ld/lib.go, linksetup (1.17 to 1.27): where nothing can reach the reader of
 * the heap profile, runtime.disableMemoryProfiling is set, which moves it out of .bss.
 */
enum heap_profiling gobin_heap_profiling(const struct gobin *bin)
{
	const char *reader =
		bin->version.minor >= 23 ? "runtime.memProfileInternal" : "runtime.MemProfile";
	struct gobin_function fn;
	const uint8_t *byte;
	uint64_t address;

	if (bin->version.minor < 17)
		return HEAP_PROFILING_LINKED;
	if (gobin_data_symbol(bin, "runtime.disableMemoryProfiling", &address, NULL)) {
		byte = elf_file_bytes(bin->file, address, 1);
		return byte && *byte ? HEAP_PROFILING_DISABLED : HEAP_PROFILING_LINKED;
	}
	return gobin_function(bin, reader, &fn) ? HEAP_PROFILING_LINKED : HEAP_PROFILING_DISABLED;
}

void gobin_function_nth(const struct gobin *bin, size_t i, struct gobin_function *fn)
{
	uint64_t end = pclntab_entry(&bin->pclntab, i + 1);

	fn->name = pclntab_name(&bin->pclntab, i);
	fn->address = pclntab_entry(&bin->pclntab, i);
	fn->size = end > fn->address ? end - fn->address : 0;
}

size_t gobin_function_count(const struct gobin *bin)
{
	return bin->pclntab.count;
}

bool gobin_function(const struct gobin *bin, const char *name, struct gobin_function *fn)
{
	size_t i;

	*fn = (struct gobin_function){0};
	if (!gobin_names_find_function(&bin->functions, &bin->pclntab, name, &i))
		return false;
	gobin_function_nth(bin, i, fn);
	return true;
}

bool gobin_function_at(const struct gobin *bin, uint64_t address, struct gobin_function *fn)
{
	size_t i;

	*fn = (struct gobin_function){0};
	if (!pclntab_lookup(&bin->pclntab, address, &i))
		return false;
	gobin_function_nth(bin, i, fn);
	return true;
}

bool gobin_data_symbol(const struct gobin *bin, const char *name, uint64_t *address, uint64_t *size)
{
	struct elf_symbol symbol = {0};
	bool found = gobin_names_find_symbol(&bin->data, &bin->file->symtab, name, &symbol);

	if (address)
		*address = found ? symbol.address : 0;
	if (size)
		*size = found ? symbol.size : 0;
	return found;
}

bool gobin_file_offset(const struct gobin *bin, uint64_t address, uint64_t *offset)
{
	const struct elf_segment *seg = elf_file_segment(bin->file, address);

	*offset = seg ? seg->offset + (address - seg->address) : 0;
	return seg != NULL;
}

const uint8_t *gobin_bytes(const struct gobin *bin, uint64_t address, size_t len)
{
	return elf_file_bytes(bin->file, address, len);
}

/* The executable segment that a mapping from a file offset belongs to. */
static const struct elf_segment *mapped_segment(const struct elf_file *file, uint64_t offset)
{
	const struct elf_segment *best = NULL;

	for (size_t i = 0; i < file->n_segments; i++) {
		const struct elf_segment *seg = &file->segments[i];

		if (!seg->executable)
			continue;
		if (offset >= seg->offset && offset - seg->offset < seg->file_size)
			return seg;
		/* A mapping may begin before the segment, on the page of its first byte. */
		if (!best || (seg->offset > offset && best->offset < offset))
			best = seg;
	}
	return best;
}

uint64_t gobin_load_bias(const struct gobin *bin, uint64_t start, uint64_t offset)
{
	const struct elf_segment *seg = mapped_segment(bin->file, offset);

	return start - offset - (seg ? seg->address - seg->offset : 0);
}

size_t gobin_frames(struct gobin *bin, uint64_t address, struct symtab_frame *frames, size_t max)
{
	size_t n = pclntab_frames(&bin->pclntab, address, frames, max);

	return n ? n : gobin_native_frames(bin, address, frames, max);
}
