#include "formats/tracing_data.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is found lies within the data that an event can have, and names are whole. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const fields[] = {"p", "b", "size", "stk", "cycle", "ret", "common_pid"};
	struct tracing_data *tracing;
	struct error *err = tracing_data_parse(data, size, &tracing);

	if (err) {
		error_free(err);
		return 0;
	}
	for (uint64_t id = 0; id < 3000; id++) {
		const char *system, *name;
		struct tracing_field field;

		if (!tracing_data_event(tracing, id, &system, &name))
			continue;
		if (strlen(system) + strlen(name) > size)
			abort();
		for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
			if (tracing_data_field(tracing, id, fields[i], &field) &&
			    (field.offset > 65536 || field.size > 65536 - field.offset))
				abort();
	}
	tracing_data_free(tracing);
	return 0;
}
