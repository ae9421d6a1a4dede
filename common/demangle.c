#include "common/demangle.h"

#include "formats/xalloc.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SYMBOL 4096

/* abi::__cxa_demangle of the Itanium C++ ABI. */
typedef char *cxa_demangle(const char *symbol, char *buffer, size_t *length, int *status);

char *demangle(const char *symbol)
{
	void *library, *found;
	cxa_demangle *function;
	char *name, *copy;
	int status = -1;

	if (strncmp(symbol, "_Z", 2) != 0 || strlen(symbol) > MAX_SYMBOL)
		return NULL;
	library = dlopen("libstdc++.so.6", RTLD_LAZY);
	found = library ? dlsym(library, "__cxa_demangle") : NULL;
	if (!found)
		return NULL;
	/* ISO C knows no conversion from data to functions. */
	memcpy(&function, &found, sizeof(function));
	name = function(symbol, NULL, NULL, &status);
	copy = name && status == 0 ? xstrdup(name) : NULL;
	free(name);
	return copy;
}
