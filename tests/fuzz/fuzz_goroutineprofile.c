/* Goroutine profiles, text and profile.proto: what is read is in order and adds up. */
#include "formats/goroutineprofile.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct goroutine_profile *profile;
	struct error *err = goroutine_profile_parse(data, len, &profile);
	uint64_t sum = 0;

	if (err) {
		error_free(err);
		return 0;
	}
	for (size_t i = 0; i < profile->n_stacks; i++) {
		const struct goroutine_stack *stack = &profile->stacks[i];

		sum += stack->count;
		if (i && stack->count > profile->stacks[i - 1].count)
			abort();
		for (size_t k = 0; k < stack->n_frames; k++)
			if (strlen(stack->frames[k].function) + strlen(stack->frames[k].file) >
			    2 * len + 20)
				abort();
	}
	if (sum != profile->total)
		abort();
	goroutine_profile_free(profile);
	return 0;
}
