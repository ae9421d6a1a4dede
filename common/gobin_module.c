#include "common/gobin_internal.h"

#include "formats/xalloc.h"

#include <string.h>

/*
 * Offsets in runtime.moduledata (runtime/symtab.go), by the first minor version that has them;
 * 64-bit. Its first word points at the pclntab in every version.
 */
static const struct module_shape {
	int minor;
	int ftab, text, end_text, gofunc, textsectmap; /* gofunc -1: addresses are absolute */
} shapes[] = {
	{15, 24, 96, 104, -1, 216},    {16, 128, 176, 184, -1, 296},  {18, 128, 176, 184, 304, 312},
	{20, 128, 176, 184, 320, 328}, {26, 128, 176, 184, 320, 336}, {27, 128, 176, 184, 344, 360},
};

#define MODULE_SIZE 384
#define MAX_TEXTS   1024

static const struct module_shape *shape_of(int minor)
{
	size_t i = sizeof(shapes) / sizeof(shapes[0]) - 1;

	while (i > 0 && shapes[i].minor > minor)
		i--;
	return &shapes[i];
}

static uint64_t word(const struct gobin *bin, uint64_t address, int offset)
{
	uint64_t v;

	elf_file_u64(bin->file, address + (uint64_t)offset, &v);
	return v;
}

/* Whether moduledata is at an address: it must describe the functab that was found. */
static bool is_module(const struct gobin *bin, const struct module_shape *shape, uint64_t address)
{
	return elf_file_bytes(bin->file, address, MODULE_SIZE) &&
	       word(bin, address, 0) == bin->pclntab.address &&
	       word(bin, address, shape->ftab) == bin->pclntab.functab_address &&
	       word(bin, address, shape->ftab + 8) == bin->pclntab.count + 1;
}

static uint64_t scan(const struct gobin *bin, const struct module_shape *shape)
{
	for (size_t i = 0; i < bin->file->n_segments; i++) {
		const struct elf_segment *seg = &bin->file->segments[i];
		const uint8_t *data = elf_file_segment_bytes(bin->file, seg);

		if (!seg->writable)
			continue;
		for (uint64_t at = -seg->address & 7; at + MODULE_SIZE <= seg->file_size; at += 8) {
			uint64_t first;

			memcpy(&first, data + at, sizeof(first));
			if (first == bin->pclntab.address &&
			    is_module(bin, shape, seg->address + at))
				return seg->address + at;
		}
	}
	return 0;
}

static uint64_t find(const struct gobin *bin, const struct module_shape *shape)
{
	const struct elf_section *section = elf_file_section(bin->file, ".go.module");
	uint64_t address;

	if (gobin_data_symbol(bin, "runtime.firstmoduledata", &address, NULL) &&
	    is_module(bin, shape, address))
		return address;
	if (section && is_module(bin, shape, section->address))
		return section->address;
	return scan(bin, shape);
}

/* runtime.textsect {vaddr, end, baseaddr}: only where the linker had to split the text. */
static void read_texts(struct gobin *bin, const struct module_shape *shape)
{
	uint64_t at = word(bin, bin->module.address, shape->textsectmap);
	uint64_t n = word(bin, bin->module.address, shape->textsectmap + 8);

	if (n < 2 || n > MAX_TEXTS || !elf_file_bytes(bin->file, at, n * 24))
		return;
	bin->pclntab.texts = xcalloc(n, sizeof(*bin->pclntab.texts));
	bin->pclntab.n_texts = n;
	for (size_t i = 0; i < n; i++, at += 24) {
		bin->pclntab.texts[i] = (struct pclntab_text){
			.offset = word(bin, at, 0),
			.end = word(bin, at, 8),
			.address = word(bin, at, 16),
		};
	}
}

void gobin_module_find(struct gobin *bin)
{
	const struct module_shape *shape = shape_of(bin->version.minor);
	struct gobin_module *module = &bin->module;

	module->address = find(bin, shape);
	if (module->address) {
		module->text = word(bin, module->address, shape->text);
		module->end_text = word(bin, module->address, shape->end_text);
		if (shape->gofunc >= 0)
			module->gofunc = word(bin, module->address, shape->gofunc);
		bin->pclntab.text = module->text;
		bin->pclntab.gofunc = module->gofunc;
		if (bin->pclntab.format >= PCLNTAB_1_18)
			read_texts(bin, shape);
	}
}
