/*
 * Prints the plan of a Go binary for tests/e2e/plan.sh, one probe a line, fields separated by tabs:
 * event, symbol, address, file offset, placement, call chain (1 or 0), filter (- for none), loss
 * (- for none), fetch args.
 *
 *   plan_events BINARY auto|sampled|all|span|off|counters [MIN_SIZE]
 */
#include "record/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_probe(const struct probe *probe)
{
	printf("%s\t%s\t0x%" PRIx64 "\t0x%" PRIx64 "\t%s\t%d\t%s\t%s\t", probe->event,
	       probe->symbol, probe->address, probe->file_offset, placement_name(probe->placement),
	       probe->callchain, probe->filter ? probe->filter : "-",
	       probe->loss ? probe->loss : "-");
	for (size_t i = 0; i < probe->n_args; i++)
		printf("%s%s=%s", i ? " " : "", probe->args[i].name, probe->args[i].expr);
	printf("\n");
}

int main(int argc, char **argv)
{
	static const char *const modes[] = {
		[HEAP_AUTO] = "auto", [HEAP_SAMPLED] = "sampled", [HEAP_COUNTERS] = "counters",
		[HEAP_ALL] = "all",   [HEAP_SPAN] = "span",	  [HEAP_OFF] = "off"};
	struct plan_options options = {.heap = HEAP_OFF, .goroutines = true};
	struct gobin *bin = NULL;
	struct plan plan = {0};
	struct error *err;

	if (argc < 3)
		return 2;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[2], modes[i]))
			options.heap = (enum heap_mode)i;
	if (argc > 3)
		options.min_size = strtoull(argv[3], NULL, 10);
	err = gobin_open(argv[1], &bin);
	if (!err)
		err = plan_make(bin, &options, &plan);
	if (err) {
		fprintf(stderr, "plan_events: %s\n", error_message(err));
		error_free(err);
		gobin_close(bin);
		return 1;
	}
	for (size_t i = 0; i < plan.n_probes; i++)
		print_probe(&plan.probes[i]);
	for (size_t i = 0; i < plan.n_losses; i++)
		fprintf(stderr, "lost: %s\n", plan.losses[i]);
	plan_free(&plan);
	gobin_close(bin);
	return 0;
}
