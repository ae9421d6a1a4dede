#ifndef GMT_COMMON_DEMANGLE_H
#define GMT_COMMON_DEMANGLE_H

/*
 * The name of a C++ function as its source has it, to be freed; NULL where the symbol is none or it
 * cannot be told. Done by the C++ library where the machine has one: whoever runs C++ programs
 * does.
 */
char *demangle(const char *symbol);

#endif
