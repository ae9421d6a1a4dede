#ifndef GMT_COMMON_NATIVE_SYMBOLS_H
#define GMT_COMMON_NATIVE_SYMBOLS_H

#include "formats/error.h"

#include <stdint.h>

/* The functions of a shared library or C program, from .symtab or .dynsym. */
struct native_symbols;

struct error *native_symbols_open(const char *path, struct native_symbols **symbols);

/* The function that holds an offset of the file (as in a mapping); NULL where none is known. */
const char *native_symbols_find(const struct native_symbols *symbols, uint64_t file_offset);

void native_symbols_close(struct native_symbols *symbols);

#endif
