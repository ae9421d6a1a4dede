#ifndef GMT_ANALYZE_REPORT_JSON_PARTS_H
#define GMT_ANALYZE_REPORT_JSON_PARTS_H

#include "analyze/report_json.h"
#include "formats/json.h"

/* What the parts of the JSON report share. */
struct json_report {
	struct json json;
	const struct findings *findings;
	const struct model *model;	    /* of the findings, as is */
	const struct gchealth_list *health; /* this */
};

/* A figure of which the model has 0 where it is not known; null then. */
void report_json_known(struct json_report *report, const char *key, uint64_t value);
/* The same for a heap goal, of which the runtime says that there is none by a huge number. */
void report_json_goal(struct json_report *report, const char *key, uint64_t goal);
/* An index, null where it is beyond n. */
void report_json_index(struct json_report *report, const char *key, size_t index, size_t n);
/* function, file and line, as members of the object that is open. */
void report_json_frame(struct json_report *report, const struct symtab_frame *frame);

/* "owners" and "go" of a reading; null where nobody looked. */
void report_json_owners(struct json_report *report, const struct rss_point *point);
/* site and frames of an allocation site, as members of the object that is open. */
void report_json_site(struct json_report *report, const struct site *site);

/* The members of the whole, by the file they are in. */
void report_json_candidates(struct json_report *report);
void report_json_gc(struct json_report *report);
void report_json_memory(struct json_report *report);
void report_json_goroutines(struct json_report *report);
void report_json_goroutine_dumps(struct json_report *report);
void report_json_executions(struct json_report *report);
void report_json_witnesses(struct json_report *report);
/* faults and other_events */
void report_json_faults(struct json_report *report);
/* metrics, gates and comparison */
void report_json_gates(struct json_report *report);

#endif
