/* Any file, as a trace: read, decoded and tracked, or refused in words. */
#include "analyze/load.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	FILE *quiet = fopen("/dev/null", "w");
	struct log log = {.verbosity = -2, .out = quiet};
	char text[64];
	const char *path = text;
	struct model model;
	struct error *err;

	if (fd < 0 || !quiet || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
	model_init(&model);
	err = load_traces(&path, 1, &(struct load_options){.log = &log}, &model);
	if (err && !*error_message(err))
		abort();
	error_free(err);
	for (size_t i = 0; i < model.n_sites; i++)
		model_site_frame(&model, &model.sites[i]);
	model_free(&model);
	fclose(quiet);
	close(fd);
	return 0;
}
