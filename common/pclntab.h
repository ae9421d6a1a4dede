#ifndef GMT_COMMON_PCLNTAB_H
#define GMT_COMMON_PCLNTAB_H

/*
 * Go's table of functions, files, lines and inlined calls ("pclntab"), which every Go binary
 * carries, stripped or not, because the runtime itself needs it. Read in place; every offset in it
 * is checked where it is used, so a broken table gives missing names, never more.
 */

#include "common/elf_file.h"
#include "formats/symtab.h"

enum pclntab_format {
	PCLNTAB_1_2,  /* up to 1.15 */
	PCLNTAB_1_16, /* 1.16, 1.17 */
	PCLNTAB_1_18, /* 1.18, 1.19 */
	PCLNTAB_1_20, /* since 1.20 */
};

struct pclntab_part {
	const uint8_t *data;
	size_t len;
};

/* A stretch of text that lies elsewhere in memory than its offset says (moduledata.textsectmap). */
struct pclntab_text {
	uint64_t offset, end; /* offsets from the start of the text */
	uint64_t address;     /* where `offset` lies in memory */
};

struct pclntab {
	const struct elf_file *file;
	enum pclntab_format format;
	uint64_t address; /* of the table */
	uint8_t quantum;  /* code addresses are multiples of it */
	size_t count;	  /* functions */
	/* All run to the end of the segment at most: the table does not say where they end. */
	struct pclntab_part functab, names, cutab, filetab, pctab;
	uint64_t functab_address; /* moduledata.ftab points at it */
	/*
	 * Known from moduledata, set by its reader; 0 until then. Up to 1.17 addresses in the
	 * table are absolute, and neither is needed.
	 */
	uint64_t text;	 /* what entry offsets count from */
	uint64_t gofunc; /* what funcdata offsets count from */
	struct pclntab_text *texts;
	size_t n_texts; /* 0: all text lies together */
	/* The entry addresses of some functions, evenly spaced (pclntab_index); NULL: none. */
	uint64_t *index;
};

/* Finds the table: by section, by symbol, else by its magic. False where there is none. */
bool pclntab_find(const struct elf_file *file, struct pclntab *table);
/* Reads the header at an address. False where it is no such table. */
bool pclntab_read(const struct elf_file *file, uint64_t address, struct pclntab *table);
/* Makes look-ups faster. The text must be known, and the functions in order: else it does nothing.
 */
void pclntab_index(struct pclntab *table);
void pclntab_free(struct pclntab *table);

/* The entry address of function i; of i == count: the end of the last one. */
uint64_t pclntab_entry(const struct pclntab *table, size_t i);
/* The name of function i, in place; "" where the table is broken. */
const char *pclntab_name(const struct pclntab *table, size_t i);
/* The function that holds an address; false where none does. */
bool pclntab_lookup(const struct pclntab *table, uint64_t address, size_t *i);
/*
 * The frames of an address, innermost inlined one first; the last one is the function that holds
 * it. At most max; 0 where the address lies in no function.
 */
size_t pclntab_frames(const struct pclntab *table, uint64_t address, struct symtab_frame *frames,
		      size_t max);

#endif
