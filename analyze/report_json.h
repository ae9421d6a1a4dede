#ifndef GMT_ANALYZE_REPORT_JSON_H
#define GMT_ANALYZE_REPORT_JSON_H

#include "analyze/findings.h"
#include "formats/error.h"

#include <stdio.h>

/*
 * The whole report for programs, as docs/json.md describes it: all that the text report says and
 * the curves behind it. What is added to it keeps this version; what would change a name, a unit or
 * a meaning needs the next one.
 */
#define REPORT_JSON_VERSION 1

/* Writes the report. The same findings give the same bytes. Errors: out cannot be written to. */
struct error *report_json(FILE *out, const struct findings *findings);

#endif
