#ifndef GMT_RECORD_EXTRA_SPEC_H
#define GMT_RECORD_EXTRA_SPEC_H

#include "formats/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The events that a user asks for beside the plan (--faults, --kprobe, -e), as text:
 *
 *   page-faults, context-switches, cpu-clock, cycles ...   perf's own, with :u or :k behind it for
 *                                 user space or the kernel alone, and /period=N/ or /freq=N/
 *   SYSTEM:NAME [/FILTER/]        tracepoints and dynamic events that exist; * ? [ ] are wildcards
 *   kprobe:SYMBOL[+OFF] [ARG...]  a kernel function; kretprobe: at its return
 *   uprobe:PATH:SYMBOL[+OFF] [ARG...]  a function of a file, or PATH:0xOFFSET; uretprobe: likewise
 *   p:[GROUP/]NAME PLACE [ARG...] as in kprobe_events and uprobe_events; r: at the return
 *
 * Each ARG is a fetch arg of tracefs: "address=%si:x64".
 */
/*
 * What --faults is. Both count faults that were dealt with, at any place; "page-faults" also counts
 * those of the kernel's own probing reads, up to Linux 6.1, which touch nothing (mm_account_fault
 * in mm/memory.c, do_user_addr_fault in arch/x86/mm/fault.c).
 */
#define EXTRA_FAULTS "minor-faults,major-faults"

enum extra_kind { EXTRA_PERF, EXTRA_TRACEPOINT, EXTRA_KPROBE, EXTRA_UPROBE };

struct extra_spec {
	char *text; /* as it was given */
	enum extra_kind kind;
	/* EXTRA_PERF: its name in perf. Tracepoints: patterns. Probes: the name of the event, made
	 * of the symbol where none was given. */
	char *system, *name;
	char *filter; /* an event filter, or NULL */
	char *path;   /* EXTRA_UPROBE: the file */
	char *place;  /* probes: symbol and offset, or a number */
	char *args;   /* probes: fetch args, "" for none */
	bool is_return;
	/* EXTRA_PERF: as perf_event_attr has them */
	uint32_t type;
	uint64_t config, period; /* period: samples a second, with is_freq */
	bool is_freq, has_address, exclude_user, exclude_kernel;
};

/*
 * Reads one. With is_kprobe the text is what follows --kprobe, which may leave the "kprobe:" out.
 * Errors say what is wrong with it.
 */
struct error *extra_spec_parse(const char *text, bool is_kprobe, struct extra_spec *spec);
void extra_spec_free(struct extra_spec *spec);

/* A growing list of them. */
struct extra_specs {
	struct extra_spec *items;
	size_t n, cap;
};

/* Reads one, or several of perf's own and tracepoints with commas between them, and appends. */
struct error *extra_specs_add(struct extra_specs *specs, const char *text, bool is_kprobe);
/* Whether one of them is of tracefs: perf's own are there without it. */
bool extra_specs_need_tracefs(const struct extra_specs *specs);
void extra_specs_free(struct extra_specs *specs);

/* A symbol as the name of an event: letters, digits and '_', at most 48 of them. To be freed. */
char *extra_event_name(const char *symbol);

#endif
