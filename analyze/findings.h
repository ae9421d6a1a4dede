#ifndef GMT_ANALYZE_FINDINGS_H
#define GMT_ANALYZE_FINDINGS_H

/* All that was found out: what the reports print and the gates look at. */

#include "analyze/gchealth.h"
#include "analyze/model.h"

struct comparison;
struct gates;

struct findings {
	struct model model;
	struct gchealth_list health;
	struct comparison *comparison; /* with --baseline; else NULL */
	struct gates *gates;	       /* with --fail-on; else NULL */
};

#endif
