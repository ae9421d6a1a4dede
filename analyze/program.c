#include "analyze/program.h"

#include <stdlib.h>
#include <string.h>

/* What the import paths of the standard library begin with (ls $GOROOT/src, Go 1.15 to 1.27). A
 * module of a program may be called anything else: with a domain or without. */
static const char *const standard[] = {
	"archive", "arena",   "bufio",	  "builtin", "bytes",	"cmp",	    "compress", "container",
	"context", "crypto",  "database", "debug",   "embed",	"encoding", "errors",	"expvar",
	"flag",	   "fmt",     "go",	  "hash",    "html",	"image",    "index",	"internal",
	"io",	   "iter",    "log",	  "maps",    "math",	"mime",	    "net",	"os",
	"path",	   "plugin",  "reflect",  "regexp",  "runtime", "simd",	    "slices",	"sort",
	"strconv", "strings", "structs",  "sync",    "syscall", "testing",  "text",	"time",
	"type",	   "unicode", "unique",	  "unsafe",  "uuid",	"vendor",   "weak",
};

static int compare_names(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *)element);
}

bool is_of_program(const char *function)
{
	char name[16] = {0};
	/* Type arguments and receivers hold further paths. */
	size_t path = strcspn(function, "/([{");

	if (function[path] != '/')
		path = strcspn(function, ".:([{");
	/* C's functions have no package, and what has no name is in brackets. */
	if (!path || !function[path])
		return false;
	if (path >= sizeof(name))
		return true;
	memcpy(name, function, path);
	return !bsearch(name, standard, sizeof(standard) / sizeof(*standard), sizeof(*standard),
			compare_names);
}

/* The innermost that entry i of a stack has; NULL: none. */
static const struct symtab_frame *frame_of_program(const struct model *model,
						   const struct site *site, uint32_t i)
{
	size_t n;
	const struct symtab_frame *frames = model_frames(model, site, i, &n);

	for (size_t k = 0; k < n; k++)
		if (is_of_program(frames[k].function))
			return &frames[k];
	return NULL;
}

uint32_t program_frame_index(const struct model *model, const struct site *site)
{
	uint32_t n = model_stack_length(model, site), i = 0;

	while (i < n && !frame_of_program(model, site, i))
		i++;
	return i;
}

const struct symtab_frame *program_frame(const struct model *model, const struct site *site)
{
	uint32_t i;

	if (site->kind != SITE_HEAP && site->kind != SITE_GOROUTINE)
		return NULL;
	if (is_of_program(model_site_frame(model, site)->function))
		return NULL;
	i = program_frame_index(model, site);
	return i < model_stack_length(model, site) ? frame_of_program(model, site, i) : NULL;
}
