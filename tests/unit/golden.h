#ifndef GMT_TESTS_GOLDEN_H
#define GMT_TESTS_GOLDEN_H

/* Texts that are compared with files. */

#include "formats/xalloc.h"
#include "tests/unit/slurp.h"

#include <stdlib.h>
#include <string.h>

/* Compares with tests/data/report/NAME; GMT_UPDATE_GOLDEN=1 writes it anew. */
static inline void assert_golden(const char *name, const char *text)
{
	char *path = xasprintf("tests/data/report/%s", name);
	struct buffer want;

	if (getenv("GMT_UPDATE_GOLDEN")) {
		FILE *file = fopen(path, "w");

		assert_non_null(file);
		fputs(text, file);
		fclose(file);
	}
	want = slurp(path);
	if (want.len != strlen(text) || memcmp(want.data, text, want.len) != 0) {
		print_message("%s", text);
		fail_msg("differs from %s", path);
	}
	buffer_free(&want);
	free(path);
}

#endif
