#ifndef GMT_COMMON_GOBIN_INTERNAL_H
#define GMT_COMMON_GOBIN_INTERNAL_H

/* What the parts of gobin share; others include gobin.h. */

#include "common/buildinfo.h"
#include "common/elf_file.h"
#include "common/gobin.h"
#include "common/pclntab.h"

/* A hash table of names that stand elsewhere, by number. Zero-initialise. */
struct gobin_names {
	uint32_t *slots; /* number + 1, 0 free; a power of two of them */
	size_t n_slots;
};

/* What moduledata says, as far as it is needed. */
struct gobin_module {
	uint64_t address; /* 0: not found */
	uint64_t text, end_text, gofunc;
};

struct gobin_native;

/* What is worked out when it is first asked for. */
struct gobin_lazy {
	struct go_layout layout;
	bool has_layout;
	struct gobin_native *native;
};

struct gobin {
	struct elf_file *file;
	enum go_arch arch;
	struct buildinfo buildinfo;
	struct go_version version;
	char *version_text, *modinfo, *go_build_id;
	struct pclntab pclntab;
	struct gobin_module module;
	struct gobin_names functions; /* numbers of the pclntab */
	struct gobin_names data;      /* numbers of .symtab */
	struct gobin_lazy *lazy;
};

/* Indexes a file that is open already; takes it over, also where it fails. */
struct error *gobin_from_elf(struct elf_file *file, struct gobin **bin);

/* gobin_names.c */
void gobin_names_functions(struct gobin_names *names, const struct pclntab *table);
/* Data symbols alone; of equal names the first. */
void gobin_names_symbols(struct gobin_names *names, const struct elf_symbols *symbols);
bool gobin_names_find_function(const struct gobin_names *names, const struct pclntab *table,
			       const char *name, size_t *i);
bool gobin_names_find_symbol(const struct gobin_names *names, const struct elf_symbols *symbols,
			     const char *name, struct elf_symbol *symbol);
void gobin_names_free(struct gobin_names *names);

/* gobin_version.c: fills version and version_text; from code only once functions have addresses. */
void gobin_version_find(struct gobin *bin);
void gobin_version_refine(struct gobin *bin);
bool gobin_version_parse(const char *text, struct go_version *version);
/* The minor version that the functions present speak for. */
int gobin_version_deduce(const struct gobin *bin);

/* gobin_module.c: fills module, and what the pclntab needs of it. */
void gobin_module_find(struct gobin *bin);

/* gobin_native.c: frames of code that is not in the pclntab. */
size_t gobin_native_frames(struct gobin *bin, uint64_t address, struct symtab_frame *frames,
			   size_t max);
void gobin_native_free(struct gobin_native *native);

#endif
