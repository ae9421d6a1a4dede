#ifndef GMT_ANALYZE_FOREIGN_H
#define GMT_ANALYZE_FOREIGN_H

/*
 * What others recorded: probes that somebody set by hand, with names of their own, and call chains
 * without a symbol table. What a probe is, the function tells that it sits in: by the trace's
 * symbol table, or by the binary where it is at hand and still the one that was recorded. Arguments
 * are known by the names that `record` gives them, by the name of their register, or by their
 * order, where there are as many as the function has.
 */

#include "analyze/event.h"
#include "analyze/model.h"
#include "formats/perfdata.h"
#include "formats/symtab.h"
#include "formats/tracing_data.h"

struct foreign;

/* info and symbols (NULL: none) stay the caller's, and must outlive it. */
struct foreign *foreign_new(const struct perfdata_info *info, const struct symtab *symbols);

/* An executable mapping of a process. */
void foreign_mapping(struct foreign *foreign, uint32_t pid, uint64_t start, uint64_t len,
		     uint64_t offset, const char *path);

#define FOREIGN_MAX_ARGS 3

struct foreign_probe {
	enum event_kind kind;	   /* EVENT_OTHER: nothing of use */
	const char *symbol;	   /* the function; NULL unknown. Good as long as foreign */
	const char *function_args; /* what it is called with, for the reader: "p, b" */
	/* The fields with the arguments, as the trace calls them; NULL: not told. */
	struct {
		const char *field;
		enum event_field to;
	} args[FOREIGN_MAX_ARGS];
	size_t n_args;
};

/* What a hit of the probe `name` at an address of a process is. */
void foreign_identify(struct foreign *foreign, const struct tracing_data *tracing, uint64_t id,
		      uint32_t pid, uint64_t address, struct foreign_probe *probe);

/* Names the addresses of all call stacks of the model whose binaries are at hand. */
void foreign_symbolize(struct foreign *foreign, struct model *model);

/* Binaries that were not used, one sentence each; owned by foreign. */
const char *const *foreign_remarks(const struct foreign *foreign, size_t *n);

void foreign_free(struct foreign *foreign);

#endif
