#ifndef GMT_RECORD_ROLES_H
#define GMT_RECORD_ROLES_H

/*
 * The role table: for each role and range of Go versions the function to probe and what to fetch
 * there, in terms of the Go ABI. Event and field names are the contract with the analyzer.
 */

#include "record/plan.h"

#include <limits.h>
#include <stddef.h>

/* Where a field's value comes from. */
enum field_source {
	FIELD_ARG,	 /* an argument, by position */
	FIELD_ARG_AT,	 /* a member of what an argument points to */
	FIELD_RESULT,	 /* the callee's result (SITE_AFTER_CALL) */
	FIELD_RESULT_AT, /* a member of what it points to */
	FIELD_RESULT_TO, /* what such a member points to */
	FIELD_GLOBAL,	 /* a member of a global variable */
	FIELD_GOID,	 /* of the goroutine in the g register: 0 on g0 */
	FIELD_FRAME,	 /* "fp" where the frame is set up, else "sp" */
	FIELD_USER_GOID, /* of the goroutine that this thread runs, also from g0 */
};

/* No member: the value itself. */
#define LAYOUT_NONE SIZE_MAX

struct role_field {
	const char *name;
	const char *type; /* of the fetch arg: "u64", "x64[48]" */
	enum field_source source;
	int arg;	    /* FIELD_ARG, FIELD_ARG_AT */
	size_t layout;	    /* offset in struct go_layout of the member's offset, or LAYOUT_NONE */
	const char *global; /* FIELD_GLOBAL: the symbol */
	int since, until;   /* Go minor versions, inclusive; 0: no limit */
};

enum { ROLE_MAX_FIELDS = 32 };

enum site_where {
	SITE_ENTRY,	 /* the function's own arguments */
	SITE_CALL,	 /* in it, at a call: the callee's arguments */
	SITE_AFTER_CALL, /* in it, after a call: the callee's result */
};

struct role_site {
	enum probe_role role;
	/* The event's name. Sites with the same name follow each other: alternatives, best first.
	 */
	const char *event;
	const char *symbol; /* the Go function */
	int since, until;   /* Go minor versions, inclusive; 0: no limit */
	enum site_where where;
	const char *callee;
	size_t skip;   /* SITE_CALL: so many calls of the callee are passed over */
	int result_at; /* SITE_AFTER_CALL: where results are on the stack, so many bytes behind the
			  first argument */
	bool on_g0;    /* runs on g0 only */
	bool callchain;
	bool optional; /* nothing is lost where the function is absent */
	const char
		*filter; /* an event filter, or NULL; "%d" becomes the kind of profile specials */
	struct role_field fields[ROLE_MAX_FIELDS]; /* ends with a NULL name */
};

/* The table, ended by an entry without a symbol. */
extern const struct role_site role_sites[];

/* Whether a range of minor versions (0: open) holds this version. */
bool role_in_range(const struct go_version *version, int since, int until);

/*
 * Go's small size classes: whether the name is that of a size-specialised allocation function
 * ("runtime.mallocgcSmallNoScanSC6"), which the compiler calls without mallocgc. *smallest and
 * *largest become the sizes that it serves.
 */
bool role_specialised_alloc(const char *name, unsigned *smallest, unsigned *largest);

#endif
