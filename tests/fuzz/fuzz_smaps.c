#include "formats/smaps.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sums {
	uint64_t mappings, bytes, paths;
};

static void add(void *context, const struct smaps_mapping *mapping)
{
	struct sums *sums = context;

	if (mapping->end <= mapping->start)
		abort();
	sums->mappings++;
	sums->bytes += mapping->rss + mapping->anonymous + mapping->swap;
	sums->paths += strlen(mapping->path);
}

/* The same is found wherever the text is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct smaps smaps;
	struct sums whole = {0}, cut = {0};
	const char *text = (const char *)data;
	size_t step = size ? 1 + data[0] % 61 : 1;

	smaps_begin(&smaps, add, &whole);
	smaps_feed(&smaps, text, size);
	smaps_end(&smaps);
	smaps_begin(&smaps, add, &cut);
	for (size_t at = 0; at < size; at += step)
		smaps_feed(&smaps, text + at, size - at < step ? size - at : step);
	smaps_end(&smaps);
	if (memcmp(&whole, &cut, sizeof(whole)) != 0)
		abort();
	return 0;
}
