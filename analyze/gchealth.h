#ifndef GMT_ANALYZE_GCHEALTH_H
#define GMT_ANALYZE_GCHEALTH_H

/*
 * How the garbage collector of a process fares: from a gctrace log alone, or from the GC cycles
 * that a trace holds. Figures, and what is out of the ordinary with the lines that show it.
 */

#include "analyze/model.h"
#include "formats/error.h"
#include "formats/gctrace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum gchealth_kind {
	GCHEALTH_CPU_SHARE,  /* much CPU time goes into collecting */
	GCHEALTH_RATE,	     /* many cycles a second */
	GCHEALTH_PAUSE,	     /* a long stop of the world */
	GCHEALTH_ASSIST,     /* the program's goroutines do much of the marking */
	GCHEALTH_MARK_TREND, /* marking takes longer and longer */
	GCHEALTH_LIVE_GOAL,  /* what is live leaves no room below the goal */
	GCHEALTH_FORCED,     /* the program collects by itself */
	GCHEALTH_LIVE_TREND, /* the live heap grows */
	GCHEALTH_FLAT_GOAL,  /* it grows although the goal does not */
	GCHEALTH_OVERSHOOT,  /* the heap runs past its goal */
	GCHEALTH_STACKS,     /* goroutine stacks are a large part */
	GCHEALTH_KINDS,
};

/* When to speak of an anomaly. gchealth_defaults gives the values in brackets. */
struct gchealth_options {
	double cpu_share;	  /* of all CPU time, over the whole life [0.10] */
	double rate;		  /* cycles a second [20] */
	double pause;		  /* the longest stop, ns [10 ms] */
	double pause_p99;	  /* 99 % of the stops are shorter, ns [1 ms] */
	double assist_share;	  /* of the CPU time of marking that is not idle time [0.25] */
	double mark_growth;	  /* of the marking time, from the first to the last cycle [0.5] */
	double live_goal;	  /* live heap over goal... [0.8] */
	double live_goal_part;	  /* ...in this part of the cycles [0.2] */
	double forced_share;	  /* of the cycles [0.2] */
	double live_growth;	  /* of the live heap, from the first to the last cycle [0.2] */
	double live_growth_bytes; /* and at least so much [8 MiB] */
	double flat_goal;	  /* a goal that grows by less than this is flat [0.05] */
	double overshoot;	  /* the heap's peak over its goal... [1.1] */
	double overshoot_part;	  /* ...in this part of the cycles [0.1] */
	double stacks_share;	  /* stacks over live heap [0.25] */
	double stacks_bytes;	  /* and at least so much [64 MiB] */
	double p_value;		  /* a trend by chance is less likely than this [0.01] */
	double min_goal;	  /* of the cycles that are looked at for what relates to the
				     goal; below, the log's whole MiB are too coarse [16 MiB] */
	size_t min_cycles;	  /* fewer tell nothing of shares and trends [10] */
	double min_span;	  /* nor do they in less time than this, ns [1 s] */
};

struct gchealth_evidence {
	uint64_t number; /* of the GC cycle */
	uint64_t line;	 /* in the log; 0 in a trace */
};

struct gchealth_anomaly {
	enum gchealth_kind kind;
	double measured, threshold;	      /* in the unit of the option */
	char *text;			      /* what was measured, with units */
	const char *meaning;		      /* what it usually means, in one sentence */
	struct gchealth_evidence evidence[4]; /* the cycles that show it best */
	size_t n_evidence;
};

/* One life of a process. A figure that cannot be had is negative. */
struct gchealth {
	char *source;	  /* "gc.log, line 12", "trace, process 4711" */
	uint32_t process; /* index into model.processes; UINT32_MAX: a log */
	size_t cycles, forced;
	size_t periodic; /* "GC forced" lines: the program was idle for two minutes */
	uint64_t first_number, last_number;
	double span;	  /* ns from the first cycle's start to the last one's end */
	double rate;	  /* cycles a second */
	double cpu_share; /* of span times procs, without idle marking */
	double percent;	  /* the runtime's own share at the end: since the program's start */
	double pause_p50, pause_p99, pause_max; /* of single stops, ns */
	double pause_total;			/* of all stops in these cycles, ns */
	/* the stops of a cycle together, as runtime.MemStats.PauseNs has them */
	double cycle_pause_p50, cycle_pause_p99, cycle_pause_max;
	double assist_share;	   /* of assists and background marking, CPU time */
	double mark_p50, mark_max; /* ns */
	double mark_growth;	   /* over the span, as a share of the start; by Theil-Sen */
	double live_first, live_last, live_max;	  /* bytes marked live */
	double live_growth;			  /* bytes an hour, by Theil-Sen */
	double live_growth_low, live_growth_high; /* its 95 % interval */
	double live_goal_p50;			  /* of live heap over goal */
	double goal_last, peak_max;		  /* bytes */
	uint64_t procs;				  /* at the end */
	bool enough; /* cycles and time, to speak of shares and trends */
	struct gchealth_anomaly *anomalies;
	size_t n_anomalies, cap_anomalies;
};

struct gchealth_list {
	struct gchealth *items;
	size_t n, cap;
};

struct gchealth_options gchealth_defaults(void);
/* Sets one of them from "NAME=VALUE", as a user writes it. Errors: no such name, no such value. */
struct error *gchealth_set_threshold(struct gchealth_options *options, const char *text);

/* Adds one entry for each life in the log. `name` is what the log is called. */
void gchealth_add_log(struct gchealth_list *list, const char *name, const struct gctrace_log *log,
		      const struct gchealth_options *options);
/* Adds one entry for each process of the trace that has cycles. */
void gchealth_add_trace(struct gchealth_list *list, const struct model *model,
			const struct gchealth_options *options);
void gchealth_free(struct gchealth_list *list);

const char *gchealth_kind_name(enum gchealth_kind kind);
/* Writes figures and anomalies as text, for a terminal. */
void gchealth_print(const struct gchealth_list *list, FILE *out);

#endif
