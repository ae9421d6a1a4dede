#ifndef GMT_TESTS_SLURP_H
#define GMT_TESTS_SLURP_H

#include "formats/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* The bytes of a file; the test fails where there is none. Free with buffer_free. */
static inline struct buffer slurp(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct buffer b = {0};
	size_t n;

	assert_non_null(file);
	do {
		n = fread(buffer_extend(&b, 65536), 1, 65536, file);
		b.len -= 65536 - n;
	} while (n);
	fclose(file);
	return b;
}

#endif
