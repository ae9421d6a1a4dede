#include "formats/dumps.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was decoded lies within the input, and says the same when it is encoded and decoded again.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int swap = 0; swap < 2; swap++) {
		struct buffer first = {0}, second = {0};
		struct dump *dumps, *again;
		size_t n, n_again;
		struct error *err = dumps_decode(data, size, swap, &dumps, &n);

		if (err) {
			error_free(err);
			continue;
		}
		dumps_encode(&first, dumps, n);
		if (dumps_decode(first.data, first.len, false, &again, &n_again) || n != n_again)
			abort();
		dumps_encode(&second, again, n_again);
		if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
			abort();
		free(dumps);
		free(again);
		buffer_free(&first);
		buffer_free(&second);
	}
	return 0;
}
