/* A whole file: ELF headers, notes, symbols, relocations, DWARF, and all that gobin makes of it. */
#include "common/go_globals.h"
#include "common/gobin_internal.h"

#include <stdlib.h>
#include <string.h>

#define MAX_FRAMES 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void frames_at(struct gobin *bin, uint64_t address)
{
	struct symtab_frame frames[MAX_FRAMES];
	size_t n = gobin_frames(bin, address, frames, MAX_FRAMES);

	if (n > MAX_FRAMES)
		abort();
	for (size_t i = 0; i < n; i++) {
		if (strlen(frames[i].function) + strlen(frames[i].file) > SIZE_MAX / 2)
			abort();
	}
}

static void use_functions(struct gobin *bin)
{
	size_t count = gobin_function_count(bin);
	struct gobin_function fn, same;

	for (size_t i = 0; i < count && i < 40; i++) {
		gobin_function_nth(bin, i, &fn);
		if (fn.name[0] && !gobin_function(bin, fn.name, &same))
			abort();
		frames_at(bin, fn.address);
		frames_at(bin, fn.address + fn.size / 2);
		gobin_bytes(bin, fn.address, fn.size);
	}
}

static void use_segments(struct gobin *bin)
{
	for (size_t i = 0; i < bin->file->n_segments && i < 16; i++) {
		const struct elf_segment *seg = &bin->file->segments[i];
		const uint8_t *byte = gobin_bytes(bin, seg->address, 1);
		uint64_t offset;

		if (byte && (byte < bin->file->data || byte >= bin->file->data + bin->file->size))
			abort();
		if (seg->memory_size && !gobin_file_offset(bin, seg->address, &offset))
			abort();
		gobin_load_bias(bin, seg->address, seg->offset);
		for (uint64_t at = 0; at < seg->memory_size && at < 0x400; at += 0x21)
			frames_at(bin, seg->address + at);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const globals[] = {"runtime.mbuckets", "runtime.memstats",
					      "runtime.gcController", "runtime.allgs",
					      "runtime.waitReasonStrings"};
	struct elf_file *file;
	struct gobin *bin;
	uint64_t address;
	uint8_t id[20];
	struct error *err = elf_file_from_memory("fuzz", data, len, &file);

	if (!err)
		err = gobin_from_elf(file, &bin);
	if (err) {
		error_free(err);
		return 0;
	}
	if (gobin_version(bin)->minor < 15 || gobin_gnu_build_id(bin, id) > sizeof(id))
		abort();
	for (size_t i = 0; i < sizeof(globals) / sizeof(globals[0]); i++) {
		gobin_global(bin, globals[i], &address);
		gobin_global_decode(bin, globals[i], &address);
	}
	gobin_heap_profiling(bin);
	gobin_layout(bin);
	use_functions(bin);
	use_segments(bin);
	gobin_close(bin);
	return 0;
}
