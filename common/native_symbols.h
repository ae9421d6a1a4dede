#ifndef GMT_COMMON_NATIVE_SYMBOLS_H
#define GMT_COMMON_NATIVE_SYMBOLS_H

#include "formats/error.h"
#include "formats/symtab.h"
#include "formats/unwind.h"

#include <stdint.h>

/* The functions of a shared library or C program, from .symtab or .dynsym. */
struct native_symbols;

struct error *native_symbols_open(const char *path, struct native_symbols **symbols);

/* The function that holds an offset of the file (as in a mapping); NULL where none is known. */
const char *native_symbols_find(const struct native_symbols *symbols, uint64_t file_offset);

/*
 * The frames of that offset, innermost inlined one first, with lines where the file has DWARF; at
 * most max, 0 where nothing is known. Strings live as long as the symbols.
 */
size_t native_symbols_frames(struct native_symbols *symbols, uint64_t file_offset,
			     struct symtab_frame *frames, size_t max);

/* How to leave the function there. */
struct unwind_rule native_symbols_rule(struct native_symbols *symbols, uint64_t file_offset);

void native_symbols_close(struct native_symbols *symbols);

#endif
