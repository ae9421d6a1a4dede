#include "record/list.h"

#include "formats/xalloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 6 };

static const char *heap_mode_name(enum heap_mode mode)
{
	switch (mode) {
	case HEAP_AUTO:
		return "auto";
	case HEAP_SAMPLED:
		return "sampled";
	case HEAP_COUNTERS:
		return "counters";
	case HEAP_ALL:
		return "all";
	case HEAP_SPAN:
		return "span";
	case HEAP_OFF:
		return "off";
	}
	return "?";
}

/* One row of the table; the strings are the caller's to free. */
static void make_row(const struct gobin *bin, const struct probe *probe, char *row[COLUMNS])
{
	struct gobin_function fn;
	uint64_t offset = 0;

	if (bin && gobin_function(bin, probe->symbol, &fn))
		offset = probe->address - fn.address;
	row[0] = xstrdup(probe->event);
	row[1] = probe->is_return
			 ? xasprintf("%s, return", probe->symbol)
			 : xasprintf("%s+0x%llx", probe->symbol, (unsigned long long)offset);
	row[2] = xasprintf("0x%llx", (unsigned long long)probe->file_offset);
	row[3] = xstrdup(probe->instruction);
	row[4] = xstrdup(placement_name(probe->placement));
	row[5] = xstrdup(probe->reason);
}

/* The last column is as wide as it comes. */
static void print_cells(FILE *out, const char *const cells[COLUMNS], const int widths[COLUMNS])
{
	for (size_t c = 0; c + 1 < COLUMNS; c++)
		fprintf(out, "%-*s  ", widths[c], cells[c]);
	fprintf(out, "%s\n", cells[COLUMNS - 1]);
}

static void print_details(FILE *out, const struct probe *probe)
{
	fprintf(out, "    ");
	for (size_t i = 0; i < probe->n_args; i++)
		fprintf(out, "%s%s=%s", i ? " " : "", probe->args[i].name, probe->args[i].expr);
	fprintf(out, "\n");
	if (probe->filter)
		fprintf(out, "    filter: %s\n", probe->filter);
	if (probe->callchain)
		fprintf(out, "    with call chain%s\n",
			probe->user_stack ? " and the top of the stack" : "");
	if (probe->loss)
		fprintf(out, "    lost: %s\n", probe->loss);
}

static void print_table(FILE *out, const struct gobin *bin, const struct plan *plan)
{
	static const char *const heads[COLUMNS] = {"event",	  "function", "file offset",
						   "instruction", "kind",     "why there"};
	char *(*rows)[COLUMNS] = xcalloc(plan->n_probes, sizeof(*rows));
	int widths[COLUMNS];

	for (size_t c = 0; c < COLUMNS; c++)
		widths[c] = (int)strlen(heads[c]);
	for (size_t i = 0; i < plan->n_probes; i++) {
		make_row(bin, &plan->probes[i], rows[i]);
		for (size_t c = 0; c < COLUMNS; c++)
			if ((int)strlen(rows[i][c]) > widths[c])
				widths[c] = (int)strlen(rows[i][c]);
	}
	print_cells(out, heads, widths);
	for (size_t i = 0; i < plan->n_probes; i++) {
		print_cells(out, (const char *const *)rows[i], widths);
		print_details(out, &plan->probes[i]);
		for (size_t c = 0; c < COLUMNS; c++)
			free(rows[i][c]);
	}
	free(rows);
}

static void print_program(FILE *out, const struct gobin *bin)
{
	const struct arch *arch = arch_get(gobin_arch(bin));
	const struct go_version *version = gobin_version(bin);

	fprintf(out, "Go %s%s for %s%s%s, layouts from %s\n",
		version->text[0] ? version->text : "?", version->certain ? "" : " (deduced)",
		arch ? arch->name : "?", gobin_is_pie(bin) ? ", position-independent" : "",
		gobin_is_stripped(bin) ? ", stripped" : "",
		gobin_layout(bin)->from_dwarf ? "DWARF" : "the table of its version");
}

/* bin: for the offsets of Go functions; NULL for C. */
static void print_probes(FILE *out, const struct gobin *bin, const struct plan *plan)
{
	if (plan->n_probes)
		print_table(out, bin, plan);
	else
		fprintf(out, "no probes\n");
	for (size_t i = 0; i < plan->n_losses; i++)
		fprintf(out, "%slost: %s\n", i ? "" : "\n", plan->losses[i]);
}

struct error *list_print(FILE *out, const struct gobin *bin, const struct plan *plan,
			 const struct native *native)
{
	if (bin)
		print_program(out, bin);
	fprintf(out, "heap: %s: %s\n\n", heap_mode_name(plan->heap), plan->heap_reason);
	print_probes(out, bin, plan);
	if (native) {
		fprintf(out, "\nnative: %s, %s\n\n", native->file.path,
			native->has_headers ? "sizes from its chunks" : "sizes as asked for");
		print_probes(out, NULL, &native->plan);
	}
	if (fflush(out) || ferror(out))
		return error_errno(errno, "cannot write the list");
	return NULL;
}
